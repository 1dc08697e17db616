/* SPDX-License-Identifier: MIT */
/*
 * How long the calling thread ran, and how long it was runnable but waited for a processor.
 */
#ifndef NET_THREAD_TIMES_H
#define NET_THREAD_TIMES_H

#include <stdint.h>

/* Times since the thread started. */
struct thread_times {
	uint64_t ran_ns; /* CLOCK_THREAD_CPUTIME_ID */
	/* From /proc/thread-self/schedstat; 0 if unknown. */
	uint64_t waited_ns; /* runnable but not running */
	uint64_t n_turns;   /* number of times it began to run */
};

struct thread_times thread_times(void);

/*
 * The same in two steps, for frequent calls. thread_times_open() returns a descriptor, which the
 * caller closes, or -1 if waited_ns and n_turns are unknown. thread_times_read() accepts both.
 */
int thread_times_open(void);
struct thread_times thread_times_read(int fd);

#endif
