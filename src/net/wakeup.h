/* SPDX-License-Identifier: MIT */
/*
 * A wake-up descriptor (eventfd(2)): many processes wake one sleeping process. A wake-up costs a
 * system call only if the process really sleeps.
 *
 * The sleeper marks itself asleep, checks once more for work, and then waits for the descriptor.
 * Another process writes its data to shared memory first, then calls wakeup_post(). If the sleeper
 * is awake, that is one load. Each side reads what the other wrote, so no wake-up is lost.
 *
 * A process may be stopped or killed at any instruction of wakeup_post(). Others can still wake the
 * sleeper, because it is marked as woken only after the write that wakes it.
 */
#ifndef NET_WAKEUP_H
#define NET_WAKEUP_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/compiler.h"

/* In shared memory. May be zeroed. */
struct wakeup_sleep {
	_Alignas(64) _Atomic uint32_t number; /* odd while asleep */
};

/*
 * In private memory of each process, which inherits it. A process that was taken over can write to
 * shared memory, so that memory must not decide which descriptor others write to.
 */
struct wakeup {
	struct wakeup_sleep *sleep;
	/*
	 * readable after a post; belongs to the process that opened it and, after fork, its
	 * children
	 */
	int fd;
};

/* Returns 0 or -errno. The descriptor is close-on-exec. */
MUST_USE int wakeup_open(struct wakeup *ret_wakeup, struct wakeup_sleep *sleep);
void wakeup_close(struct wakeup *wakeup);

/* Wakes the sleeper. Call it after the new data is visible. */
void wakeup_post(const struct wakeup *wakeup);

/*
 * Marks the caller asleep. From now on a post wakes it. Check for work once more after this call.
 */
void wakeup_begin_sleep(const struct wakeup *wakeup);

/* Marks the caller awake, and resets the descriptor. */
void wakeup_end_sleep(const struct wakeup *wakeup);

/*
 * Opens an eventfd for several processes. Each waits for its edges (EPOLLET, epoll(7)) and never
 * reads it. Every write(2) of the 8-byte number 1 wakes them all. Returns the descriptor, which the
 * caller closes, or -errno.
 */
MUST_USE int wakeup_open_edge(void);

#endif
