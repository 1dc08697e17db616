/* SPDX-License-Identifier: MIT */
/*
 * A lock between processes, in memory that they share, which outlives its holder: one that is
 * killed with the lock in its hands does not lock the others out (pthread_mutexattr_setrobust(3)).
 */
#ifndef NET_LOCK_H
#define NET_LOCK_H

#include <pthread.h>

#include "base/compiler.h"

struct lock {
	pthread_mutex_t mutex;
};

/* Makes a lock, in shared memory, before those who share it are started. Returns 0 or -errno. */
MUST_USE int lock_open(struct lock *lock);

/*
 * Takes it, waiting for whoever has it. If its holder has died, what it guards may be half changed:
 * it must be such that this does no harm.
 */
void lock_take(struct lock *lock);
void lock_give(struct lock *lock);

#endif
