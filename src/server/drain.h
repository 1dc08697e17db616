/* SPDX-License-Identifier: MIT */
/*
 * How a server ends: the order of its phases, as a pure state machine.
 *
 *   SERVING --TERM/INT--> DRAINING --deadline--> ABORTING --patience--> KILLING
 *                            `------ second request, from any phase -------^
 *
 * DRAINING: new connections are refused, accepted and queued ones may finish. ABORTING: the
 * lifeline is cut, every child sends its FIN and lingers; queued connections get the same. KILLING:
 * the children that are left are killed. In each phase the server is done when no client is left.
 *
 * A TERM or INT that is sent soon after the first belongs to the same request: see
 * signals_is_new_request().
 */
#ifndef SERVER_DRAIN_H
#define SERVER_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/*
 * After the lifeline was cut: three receive timeouts and the lingering close of a child
 * (server/blocking/session.h), 1.3 s, and what it waits for a CPU on a busy machine. A client that
 * behaved is reset if its child is killed in its lingering close.
 */
#define DRAIN_ABORT_NS (2400 * CLOCK_NS_PER_MS)

/*
 * During the drain the clock is looked at this often. If a look comes later than the second time,
 * the server did not run.
 */
#define DRAIN_LOOK_NS (100 * CLOCK_NS_PER_MS)
#define DRAIN_LATE_NS (500 * CLOCK_NS_PER_MS)

enum drain_phase { DRAIN_SERVING, DRAIN_DRAINING, DRAIN_ABORTING, DRAIN_KILLING };

struct drain {
	enum drain_phase phase;
	uint64_t deadline_ns; /* of the phase; of no meaning in SERVING and KILLING */
	uint64_t looked_ns;   /* time of the last drain_pass_time() */
	uint64_t asked_ns;    /* time of the first request */
	uint64_t heard_ns;    /* all signals sent until then are read */
	int asked_by;         /* the signal that asked first */
	int ended_by;         /* the signal of the second request, 0: none came */
};

/*
 * TERM or INT was read; heard_ns is up to date. Returns whether the phase is a new one: not if the
 * signal may belong to the first request.
 */
bool drain_ask(struct drain *drain, int signal, uint64_t now_ns, uint64_t drain_timeout_ns);

/*
 * Time has passed. Returns whether the phase is a new one. Called much later than it should be, the
 * server was stopped (SIGSTOP), and its clients were not served: the phase lasts longer by that.
 */
bool drain_pass_time(struct drain *drain, uint64_t now_ns);

/* Time at which drain_pass_time() must be called next, or CLOCK_NEVER. */
uint64_t drain_deadline_ns(const struct drain *drain);

#endif
