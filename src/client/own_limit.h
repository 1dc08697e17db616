/* SPDX-License-Identifier: MIT */
/*
 * Was this client, and not the server, the limit of a run? Then its figures are no measurement of
 * the server, and the run says so.
 *
 * Each thread that measures keeps a struct own_use: what it used of its processor, how long it had
 * to wait for one, and how long it stood still. Those of all threads are added and judged once.
 */
#ifndef CLIENT_OWN_LIMIT_H
#define CLIENT_OWN_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/histogram.h"
#include "net/thread_times.h"

/* A thread that runs later than it wanted to by this much stood still. */
#define OWN_GAP_NS UINT64_C(10000000)

/* connect(2) takes longer than this only where it searches for a free port. */
#define OWN_CONNECT_NS UINT64_C(1000000)

struct own_use {
	uint64_t n_threads;    /* added up */
	uint64_t elapsed_ns;   /* of the longest */
	uint64_t cpu_ns;       /* of all threads */
	uint64_t spun_ns;      /* of it: looking for work without sleeping */
	uint64_t longest_ns;   /* longest gap: stopped, preempted or suspended */
	uint64_t gaps_ns;      /* all gaps of the thread with most of them */
	uint64_t suspended_ns; /* the machine slept */
	uint64_t n_searches;   /* calls of connect(2) that took longer than OWN_CONNECT_NS */
	uint64_t searched_ns;  /* time in them */
	double busiest;        /* maximum share of a core that a thread used, without spinning */
	double waited;         /* maximum share of its time that a thread waited for a core */

	uint64_t begin_ns; /* while it is measured: own_use_begin() */
	uint64_t begin_suspended_ns;
	uint64_t search_waited_ns; /* begin.waited_ns, as of the latest slow connect(2) */
	struct thread_times begin;
};

/* Begins to measure the calling thread; *ret_use is empty before. */
void own_use_begin(struct own_use *ret_use);

/*
 * The thread read the clock, and wanted to do so at expected_ns at the latest. Returns whether it
 * stood still before that: OWN_GAP_NS or longer.
 */
static inline bool own_use_look(struct own_use *use, uint64_t expected_ns, uint64_t now_ns)
{
	if (now_ns < expected_ns + OWN_GAP_NS)
		return false;
	uint64_t gap_ns = now_ns - expected_ns;
	use->longest_ns = gap_ns > use->longest_ns ? gap_ns : use->longest_ns;
	use->gaps_ns += gap_ns;
	return true;
}

/*
 * Does a wait begin anew after having stood still for gap_ns? Only after a long time: on a busy
 * machine, where a process is preempted again and again, it must end.
 */
static inline bool own_use_restarts(uint64_t gap_ns, uint64_t wait_ns)
{
	return gap_ns >= 5 * OWN_GAP_NS && gap_ns >= wait_ns / 2;
}

/* A slow call of connect(2), as own_use_connect(): counts what was no waiting for a processor. */
void own_use_search(struct own_use *use, uint64_t took_ns);

/* A call of connect(2), which does not wait for the server, took that long. */
static inline void own_use_connect(struct own_use *use, uint64_t took_ns)
{
	if (took_ns >= OWN_CONNECT_NS)
		own_use_search(use, took_ns);
}

/*
 * As own_use_look(), for a thread that measures nothing and only watches whether the whole process
 * stands still: waiting for a processor is no gap of the others.
 */
void own_use_watch(struct own_use *use, uint64_t expected_ns, uint64_t now_ns);

/* Ends it, in the same thread. */
void own_use_end(struct own_use *use);

/* Adds one thread, which has ended, to all. */
void own_use_add(struct own_use *all, const struct own_use *thread);

/* Room for all reasons. */
#define OWN_LIMIT_SIZE 400

/*
 * Appends to `text` why the client was the limit, with "; " between the reasons, and returns
 * whether there is any: it was stopped, preempted or suspended, waited for a processor, searched
 * for ports, or used all processors that it may use (affinity, cgroup). is_busy_bound: a thread
 * that is always busy is a limit too, as in a closed loop.
 */
bool own_limit(const struct own_use *all, bool is_busy_bound, char text[OWN_LIMIT_SIZE]);

/* Where a wait is cut into pieces of this length, standing still is noticed in any of them. */
#define OWN_SLICE_NS UINT64_C(10000000)

/*
 * Time in which one thread waits for nothing that it measures, between messages: that it then waits
 * for a processor falsifies no figure.
 */
struct own_idle {
	int fd; /* thread_times_open() */
	uint64_t waited_ns, n_turns;
	struct thread_times begin;
};

void own_idle_open(struct own_idle *ret_idle);
void own_idle_close(struct own_idle *idle);
void own_idle_begin(struct own_idle *idle);
void own_idle_end(struct own_idle *idle);

/*
 * As own_limit() for one thread that mostly sleeps, or waits awake on purpose: how busy it was does
 * not count, but what it waited for a processor, unless idle, is compared with the times that it
 * measured.
 */
bool own_limit_of_times(const struct own_use *use, const struct own_idle *idle,
			const struct histogram *times, char text[OWN_LIMIT_SIZE]);

#endif
