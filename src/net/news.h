/* SPDX-License-Identifier: MIT */
/*
 * "There is something new": how many processes wake one that sleeps, at the price of a system call
 * only if it does sleep (eventfd(2)).
 *
 * The sleeper marks itself asleep, looks once more whether there is anything, and then waits for
 * the descriptor. A process with news writes the news into shared memory first, then calls
 * news_tell(). If the sleeper is awake, that is one load. Each of the two reads what the other
 * wrote, so no news is slept through.
 *
 * A process may be stopped or killed at any instruction of news_tell(). Others still wake the
 * sleeper: it is marked as woken only after the write that wakes it.
 */
#ifndef NET_NEWS_H
#define NET_NEWS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/compiler.h"

/* In shared memory. Zeroed is fine. */
struct news_sleep {
	_Alignas(64) _Atomic uint32_t number; /* odd while it lasts */
};

/*
 * In memory of each process alone, which inherits it: a process that was taken over and can write
 * to shared memory must not decide which descriptors others write to.
 */
struct news {
	struct news_sleep *sleep;
	int fd; /* readable when there is news; the maker's and, after a fork, its children's */
};

/* Returns 0 or -errno. The descriptor is close-on-exec. */
MUST_USE int news_open(struct news *ret_news, struct news_sleep *sleep);
void news_close(struct news *news);

/* There is something new: to be called when it can be seen. */
void news_tell(const struct news *news);

/* Before the last look: from here on news wakes. */
void news_begin_sleep(const struct news *news);

/* Awake again: takes back what woke us. */
void news_end_sleep(const struct news *news);

/*
 * For news to several at once, who each wait for its edges (EPOLLET, epoll(7)) and never read:
 * every write(2) of 8 bytes that say 1 wakes them all. Returns the descriptor, the caller's, or
 * -errno.
 */
MUST_USE int news_open_edge(void);

#endif
