/* SPDX-License-Identifier: MIT */
/*
 * "There is something new": how many processes wake one that sleeps, at the price of a system call
 * only if it does sleep (eventfd(2)).
 *
 * The sleeper marks itself asleep, looks once more whether there is anything, and then waits for
 * the descriptor. A process with news writes the news into shared memory first, then calls
 * wakeup_post(). If the sleeper is awake, that is one load. Each of the two reads what the other
 * wrote, so no news is slept through.
 *
 * A process may be stopped or killed at any instruction of wakeup_post(). Others still wake the
 * sleeper: it is marked as woken only after the write that wakes it.
 */
#ifndef NET_WAKEUP_H
#define NET_WAKEUP_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/compiler.h"

/* In shared memory. Zeroed is fine. */
struct wakeup_sleep {
	_Alignas(64) _Atomic uint32_t number; /* odd while it lasts */
};

/*
 * In memory of each process alone, which inherits it: a process that was taken over and can write
 * to shared memory must not decide which descriptors others write to.
 */
struct wakeup {
	struct wakeup_sleep *sleep;
	int fd; /* readable when there is news; the maker's and, after a fork, its children's */
};

/* Returns 0 or -errno. The descriptor is close-on-exec. */
MUST_USE int wakeup_open(struct wakeup *ret_news, struct wakeup_sleep *sleep);
void wakeup_close(struct wakeup *wakeup);

/* There is something new: to be called when it can be seen. */
void wakeup_post(const struct wakeup *wakeup);

/* Before the last look: from here on news wakes. */
void wakeup_begin_sleep(const struct wakeup *wakeup);

/* Awake again: takes back what woke us. */
void wakeup_end_sleep(const struct wakeup *wakeup);

/*
 * For news to several at once, who each wait for its edges (EPOLLET, epoll(7)) and never read:
 * every write(2) of 8 bytes that say 1 wakes them all. Returns the descriptor, the caller's, or
 * -errno.
 */
MUST_USE int wakeup_open_edge(void);

#endif
