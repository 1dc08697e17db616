/* SPDX-License-Identifier: MIT */
/*
 * The load that one thread puts on a server: many connections with messages on them. Every byte
 * that comes back is compared. This is what the thread shares with the main thread; load_loop.h
 * runs it.
 *
 *   closed loop   the next message is sent when one is back: the server sets the pace, and while it
 *                 is stopped, no message is sent
 *   open loop     messages are due at a fixed rate (client/load/schedule.h). If the server's delay
 *                 makes a message wait, its response time still counts from when it was due
 *   churn         one connection per message
 *
 * Sent bytes are not stored: each byte is a function of connection and offset (base/payload.h).
 */
#ifndef CLIENT_LOAD_LOAD_H
#define CLIENT_LOAD_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "client/bottleneck.h"
#include "client/kernel_view.h"
#include "client/load/interval_buffer.h"
#include "client/load/load_server.h"
#include "client/load/schedule.h"
#include "client/mismatch.h"
#include "net/addr.h"
#include "stats/result.h"

/*
 * Data common to all threads of a run. Only the atomic fields change after the threads have
 * started.
 */
struct load_plan {
	struct load_server server;
	const struct addr *sources; /* source addresses, used in turn */
	size_t n_sources;           /* 0: any source address */
	uint64_t size;              /* bytes per message */
	uint32_t depth;             /* maximum messages in flight per connection */
	uint32_t n_threads;
	uint64_t seed;
	uint64_t wait_ns; /* a message fails after this time without an echo; 0: never */
	bool is_open;     /* open loop */
	bool churns;
	bool resets;     /* with churns: close each connection by RST */
	bool reconnects; /* open failed connections again */

	/* Rate, number of connections; its start_ns is valid once start_ns below is not 0. */
	struct schedule schedule;
	uint64_t warmup_ns, duration_ns;

	_Atomic uint32_t n_ready;  /* threads that have opened all connections, or have ended */
	_Atomic uint64_t start_ns; /* start of the load; 0: not decided yet */
	_Atomic bool is_aborting;  /* the run ends now, as if its duration were over */
	_Atomic bool is_cut_short; /* with is_aborting: do not wait for replies either */
};

/* Returns the time at which measuring begins, after the warm-up. CLOCK_NEVER: not known yet. */
static inline uint64_t load_begin_ns(const struct load_plan *plan)
{
	uint64_t start_ns = atomic_load(&plan->start_ns);
	return start_ns != 0 ? start_ns + plan->warmup_ns : CLOCK_NEVER;
}

/* Returns the time at which measuring ends. CLOCK_NEVER: not known yet. */
static inline uint64_t load_end_ns(const struct load_plan *plan)
{
	return clock_after_ns(load_begin_ns(plan), plan->duration_ns);
}

/* Returns the source address of the n-th connection. NULL: any. */
static inline const struct addr *load_source(const struct load_plan *plan, uint64_t n)
{
	return plan->n_sources > 0 ? &plan->sources[n % plan->n_sources] : NULL;
}

/*
 * Returns true if a message can be sent later than it is due. If not, its service time equals its
 * response time and is not recorded separately.
 */
static inline bool load_has_service_time(const struct load_plan *plan)
{
	return plan->is_open || plan->churns;
}

/* The load of one thread. */
struct load {
	struct load_plan *plan;
	uint32_t number; /* of the thread, from 0 */
	uint32_t n_conns;
	int first_fd;           /* open connection for the first slot; -1: none */
	uint64_t first_took_ns; /* connect time of first_fd */

	struct result result;          /* counts since they were last passed on */
	struct interval_buffer buffer; /* passes on the counts of each second */
	uint64_t last_begun_ns;        /* when the last measured message was begun */
	uint64_t last_back_ns;         /* when the last measured message came back */
	uint64_t end_ns;               /* end of measuring: only messages due before it count */
	uint64_t ended_ns;             /* when this thread had finished its work */
	struct bottleneck_usage use;   /* from the end of the warm-up */
	struct kernel_view kernel;
	struct mismatch_evidence wrong; /* evidence of the thread's first wrong byte */
	int code;                       /* negative code if the thread gave up; else 0 */

	_Atomic uint64_t n_echoes, n_failures, n_opened; /* totals so far, for the main thread */
	_Atomic bool has_ended;
	_Atomic bool has_echoed;   /* a message has come back whole, in the warm-up or later */
	_Atomic bool has_evidence; /* `wrong` is complete, and the main thread owns it */

	uint64_t taken_until; /* used by client/load/aggregate.c only */
};

/*
 * Allocates the results. Returns 0 or -ENOMEM. load_close() also closes first_fd and the connection
 * of the evidence.
 */
MUST_USE int load_open(struct load *load);
void load_close(struct load *load);

/*
 * Explains a wrong byte on one of n running loads, if its evidence is complete and no message has
 * come back on any of them. Then returns true and *ret_text, which may take 600 ms.
 */
MUST_USE bool load_explain(struct load *loads, uint32_t n, struct mismatch_text *ret_text);

#endif
