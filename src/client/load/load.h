/* SPDX-License-Identifier: MIT */
/*
 * The load that one thread puts on a server: many connections, messages on them, and every byte
 * that comes back compared.
 *
 *   closed loop   as soon as a message is back, the next is sent: the server sets the pace, and
 *                 while it stands still nobody asks anything of it
 *   open loop     messages are due at a fixed rate (client/load/schedule.h); one that cannot be
 *                 sent then, because the server is late with those before, counts from when it was
 *                 due
 *   churn         a connection for each message
 *
 * Nothing of what is sent is kept: it is a function of the connection and the offset
 * (base/payload.h).
 */
#ifndef CLIENT_LOAD_LOAD_H
#define CLIENT_LOAD_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "stats/result.h"
#include "client/load/interval_buffer.h"
#include "client/kernel_view.h"
#include "client/load/load_server.h"
#include "client/own_limit.h"
#include "client/load/schedule.h"
#include "client/mismatch.h"
#include "net/addr.h"

/* What all threads of a run have in common: set before they start, but for the atomic ones. */
struct load_plan {
	struct load_server server;
	const struct addr *sources; /* where to connect from, in turn */
	size_t n_sources;           /* 0: anywhere */
	uint64_t size;              /* of a message, in bytes */
	uint32_t depth;             /* messages of one connection that are under way at a time */
	uint32_t n_threads;
	uint64_t seed;
	uint64_t wait_ns; /* a message that is not back after so long has failed; 0: never */
	bool is_open;     /* open loop */
	bool churns;
	bool resets;     /* those connections are closed by RST */
	bool reconnects; /* a connection that has failed is opened again */

	/* rate, and the number of connections; its start is known once start_ns is. */
	struct schedule schedule;
	uint64_t warmup_ns, duration_ns;

	_Atomic uint32_t n_ready;  /* threads whose connections are open, or that have ended */
	_Atomic uint64_t start_ns; /* 0: not yet */
	_Atomic bool is_aborting;  /* the run ends now: as if its time were over */
	_Atomic bool is_cut_short; /* nor is any reply awaited */
};

/*
 * Returns the time at which the measuring begins, behind the warm-up; CLOCK_NEVER: not known yet.
 */
static inline uint64_t load_begin_ns(const struct load_plan *plan)
{
	uint64_t start_ns = atomic_load(&plan->start_ns);
	return start_ns != 0 ? start_ns + plan->warmup_ns : CLOCK_NEVER;
}

/* Returns the time at which the measuring ends; CLOCK_NEVER: not known yet. */
static inline uint64_t load_end_ns(const struct load_plan *plan)
{
	return clock_after_ns(load_begin_ns(plan), plan->duration_ns);
}

/* Where the n-th connection comes from; NULL: anywhere. */
static inline const struct addr *load_source(const struct load_plan *plan, uint64_t n)
{
	return plan->n_sources > 0 ? &plan->sources[n % plan->n_sources] : NULL;
}

/* Can a message be sent later than it is due? If not, its service time is not recorded as well. */
static inline bool load_tells_apart(const struct load_plan *plan)
{
	return plan->is_open || plan->churns;
}

/* One thread's. */
struct load {
	struct load_plan *plan;
	uint32_t number; /* from 0 */
	uint32_t n_conns;
	int first_fd;           /* a connection for its first lane; -1: none */
	uint64_t first_took_ns; /* time that it took to connect */

	struct result result;          /* what it counts into: all since it last handed over */
	struct interval_buffer buffer; /* of the seconds before, once each */
	uint64_t last_begun_ns;        /* when the last message that counts was begun */
	uint64_t last_back_ns;         /* when the last message that counts came back */
	uint64_t end_ns;               /* messages that were due before then count */
	uint64_t ended_ns;             /* when it had nothing to do any more */
	struct own_use use;            /* from the end of the warm-up on */
	struct kernel_view kernel;
	struct mismatch_evidence wrong; /* of its first wrong byte */
	int code;                       /* it had to give up: the negative code; else 0 */

	_Atomic uint64_t n_echoes, n_failures, n_opened; /* so far, for the thread that looks on */
	_Atomic bool has_ended;
	_Atomic bool has_echoed;   /* a message has come back whole, in the warm-up or later */
	_Atomic bool has_evidence; /* `wrong` is complete, and no longer the thread's */

	uint64_t taken_until; /* the taker's: client/load/aggregate.h */
};

/* Takes the memory for what it counts. Returns 0 or -ENOMEM. load_close() closes first_fd, too. */
MUST_USE int load_open(struct load *load);
void load_close(struct load *load);

/* Runs it, in the calling thread, to its end; what it has not handed over is in its result then. */
void load_run(struct load *load);

/*
 * If no message has come back on any of n loads that run, and one has complete evidence of a wrong
 * byte: says what it means, which may take 600 ms, and returns true.
 */
MUST_USE bool load_explain(struct load *loads, uint32_t n, struct mismatch_text *ret_text);

#endif
