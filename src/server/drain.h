/* SPDX-License-Identifier: MIT */
/*
 * Graceful shutdown: its phases, as a pure state machine.
 *
 *   SERVING --TERM/INT--> DRAINING --deadline--> ABORTING --deadline--> KILLING
 *                            `------ second request, from any phase ------^
 *
 * DRAINING: new connections are refused; accepted and queued connections may finish. ABORTING: the
 * shutdown pipe is closed, and every child sends its FIN and lingers; so do the queued connections.
 * KILLING: the remaining children are killed. In each phase the server ends when no client is left.
 *
 * A TERM or INT that is sent soon after the first one belongs to the same request: see
 * signals_is_new_request().
 */
#ifndef SERVER_DRAIN_H
#define SERVER_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/*
 * Length of ABORTING: three receive timeouts and the lingering close of a child
 * (server/blocking/session.h), 1.3 s, and the wait for a CPU on a busy machine. Killing a child in
 * its lingering close resets a client that behaved.
 */
#define DRAIN_ABORT_NS (2400 * CLOCK_NS_PER_MS)

/*
 * Interval of the clock checks during the drain. A check later than DRAIN_LATE_NS means that the
 * server did not run.
 */
#define DRAIN_CHECK_NS (100 * CLOCK_NS_PER_MS)
#define DRAIN_LATE_NS  (500 * CLOCK_NS_PER_MS)

enum drain_phase { DRAIN_SERVING, DRAIN_DRAINING, DRAIN_ABORTING, DRAIN_KILLING };

struct drain {
	enum drain_phase phase;
	uint64_t deadline_ns;     /* end of the phase; not used in SERVING and KILLING */
	uint64_t checked_ns;      /* time of the last drain_check_time() */
	uint64_t requested_ns;    /* time of the first request */
	uint64_t signals_read_ns; /* all signals sent before this time have been read */
	int requested_by;         /* the signal of the first request */
	int ended_by;             /* the signal of the second request, 0: none */
};

/*
 * TERM or INT was read; signals_read_ns is up to date. Returns whether the phase changed: not if
 * the signal may belong to the first request.
 */
bool drain_request(struct drain *drain, int signal, uint64_t now_ns, uint64_t drain_timeout_ns);

/*
 * Checks the clock. Returns whether the phase changed. A call that comes much too late means that
 * the server was stopped (SIGSTOP) and did not serve its clients: the phase is extended by that
 * time.
 */
bool drain_check_time(struct drain *drain, uint64_t now_ns);

/* Returns when drain_check_time() must be called next, or CLOCK_NEVER. */
uint64_t drain_deadline_ns(const struct drain *drain);

#endif
