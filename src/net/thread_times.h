/* SPDX-License-Identifier: MIT */
/*
 * How long the calling thread ran, and how long it could have run and had to wait for a processor.
 */
#ifndef NET_THREAD_TIMES_H
#define NET_THREAD_TIMES_H

#include <stdint.h>

/* Since the thread began. */
struct thread_times {
	uint64_t ran_ns; /* CLOCK_THREAD_CPUTIME_ID */
	/* Of /proc/thread-self/schedstat; 0: not known. */
	uint64_t waited_ns; /* runnable and not running */
	uint64_t n_turns;   /* how often it began to run */
};

struct thread_times thread_times(void);

/*
 * The same in two steps, for a thread that asks often: the first returns a descriptor, the caller's
 * to close, or -1 where waited_ns and n_turns are not known; the second may be given both.
 */
int thread_times_open(void);
struct thread_times thread_times_read(int fd);

#endif
