/* SPDX-License-Identifier: MIT */
#include "net/lock.h"

#include <assert.h>
#include <errno.h>

int lock_open(struct lock *lock)
{
	pthread_mutexattr_t kind;
	int rc = pthread_mutexattr_init(&kind);
	if (rc != 0)
		return -rc;
	rc = pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
	if (rc == 0)
		rc = pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
	if (rc == 0)
		rc = pthread_mutex_init(&lock->mutex, &kind);
	pthread_mutexattr_destroy(&kind);
	return -rc;
}

void lock_take(struct lock *lock)
{
	int rc = pthread_mutex_lock(&lock->mutex);
	if (rc == EOWNERDEAD)
		rc = pthread_mutex_consistent(&lock->mutex);
	assert(rc == 0); /* anything else is a lock that is none */
}

void lock_give(struct lock *lock)
{
	int rc = pthread_mutex_unlock(&lock->mutex);
	assert(rc == 0);
}
