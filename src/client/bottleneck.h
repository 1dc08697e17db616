/* SPDX-License-Identifier: MIT */
/*
 * Decides whether this client, not the server, was the limit of a run. The figures then do not
 * measure the server, and the run says so.
 *
 * Each measuring thread keeps a struct bottleneck_usage: its CPU time, how long it waited for a
 * core, and its gaps, in which it was stopped. The threads are added up and evaluated once.
 */
#ifndef CLIENT_BOTTLENECK_H
#define CLIENT_BOTTLENECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/thread_times.h"
#include "stats/histogram.h"

/* A thread has a gap if it runs later than it wanted to by this much or more. */
#define BOTTLENECK_GAP_NS UINT64_C(10000000)

/* connect(2) takes longer than this only if it searches for a free port. */
#define BOTTLENECK_CONNECT_NS UINT64_C(1000000)

struct bottleneck_usage {
	uint64_t n_threads;    /* number of threads added up */
	uint64_t elapsed_ns;   /* of the thread with the longest time */
	uint64_t cpu_ns;       /* sum over all threads */
	uint64_t spun_ns;      /* part of cpu_ns spent polling without sleeping */
	uint64_t longest_ns;   /* longest gap: stopped, preempted or suspended */
	uint64_t gaps_ns;      /* sum of all gaps, of the thread with the largest sum */
	uint64_t suspended_ns; /* the machine was suspended */
	uint64_t n_searches;   /* calls of connect(2) that took longer than BOTTLENECK_CONNECT_NS */
	uint64_t searched_ns;  /* total time of these calls */
	double busiest;        /* maximum share of a core used by a thread, without spinning */
	double waited;         /* maximum share of the time that a thread waited for a core */

	uint64_t begin_ns; /* start of measuring: bottleneck_begin() */
	uint64_t begin_suspended_ns;
	uint64_t search_waited_ns; /* begin.waited_ns as of the last slow connect(2) */
	struct thread_times begin;
};

/* Begins to measure the calling thread. *ret_use is zeroed before. */
void bottleneck_begin(struct bottleneck_usage *ret_use);

/*
 * Records a gap if the thread, which has read the clock now, wanted to do so at expected_ns or
 * earlier. Returns true if the gap is BOTTLENECK_GAP_NS or longer.
 */
static inline bool bottleneck_note_gap(struct bottleneck_usage *use, uint64_t expected_ns,
				       uint64_t now_ns)
{
	if (now_ns < expected_ns + BOTTLENECK_GAP_NS)
		return false;
	uint64_t gap_ns = now_ns - expected_ns;
	use->longest_ns = gap_ns > use->longest_ns ? gap_ns : use->longest_ns;
	use->gaps_ns += gap_ns;
	return true;
}

/*
 * Returns true if a wait must restart after a gap of gap_ns. Only long gaps restart it: on a busy
 * machine, where a process is preempted repeatedly, a wait must end.
 */
static inline bool bottleneck_gap_restarts_wait(uint64_t gap_ns, uint64_t wait_ns)
{
	return gap_ns >= 5 * BOTTLENECK_GAP_NS && gap_ns >= wait_ns / 2;
}

/* For bottleneck_note_connect(): counts a slow call, without the time it waited for a core. */
void bottleneck_note_port_search(struct bottleneck_usage *use, uint64_t took_ns);

/* Counts a non-blocking call of connect(2) that took took_ns, if it was slow. */
static inline void bottleneck_note_connect(struct bottleneck_usage *use, uint64_t took_ns)
{
	if (took_ns >= BOTTLENECK_CONNECT_NS)
		bottleneck_note_port_search(use, took_ns);
}

/*
 * Like bottleneck_note_gap(), for a thread that measures nothing and only watches whether the whole
 * process is stopped. Time that this thread waits for a core is not counted, because the others may
 * run.
 */
void bottleneck_note_process_gap(struct bottleneck_usage *use, uint64_t expected_ns,
				 uint64_t now_ns);

/* Ends measuring, in the same thread. */
void bottleneck_end(struct bottleneck_usage *use);

/* Adds a thread that has ended to the total. */
void bottleneck_add(struct bottleneck_usage *all, const struct bottleneck_usage *thread);

/* Buffer size for all reasons. */
#define BOTTLENECK_SIZE 400

/*
 * Appends to `text` why the client was the limit, with "; " between the reasons: it was stopped,
 * preempted or suspended, waited for a core, searched for ports, or used all cores that it may use
 * (affinity, cgroup). is_busy_bound: a thread that is always busy is also a limit, as in a closed
 * loop. Returns false if there is no reason.
 */
bool bottleneck_describe(const struct bottleneck_usage *all, bool is_busy_bound,
			 char text[BOTTLENECK_SIZE]);

/* Maximum length of one poll within a longer wait, so that a gap in it is noticed. */
#define BOTTLENECK_SLICE_NS UINT64_C(10000000)

/*
 * Time in which a thread only waits for the next message. If it waits for a core then, no
 * measurement is affected.
 */
struct bottleneck_idle {
	int fd; /* from thread_times_open() */
	uint64_t waited_ns, n_turns;
	struct thread_times begin;
};

void bottleneck_idle_open(struct bottleneck_idle *ret_idle);
void bottleneck_idle_close(struct bottleneck_idle *idle);
void bottleneck_idle_begin(struct bottleneck_idle *idle);
void bottleneck_idle_end(struct bottleneck_idle *idle);

/*
 * Like bottleneck_describe(), for one thread that mostly sleeps, or spins on purpose. Its CPU time
 * does not count. The time it waited for a core, except while idle, is compared with the times that
 * it measured.
 */
bool bottleneck_describe_times(const struct bottleneck_usage *use,
			       const struct bottleneck_idle *idle, const struct histogram *times,
			       char text[BOTTLENECK_SIZE]);

#endif
