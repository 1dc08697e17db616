/* SPDX-License-Identifier: MIT */
#include "server/drain.h"

#include "base/clock.h"
#include "net/signals.h"

bool drain_request(struct drain *drain, int signal, uint64_t now_ns, uint64_t drain_timeout_ns)
{
	if (drain->phase == DRAIN_SERVING) {
		*drain = (struct drain){
			.phase = DRAIN_DRAINING,
			.deadline_ns = clock_after_ns(now_ns, drain_timeout_ns),
			.checked_ns = now_ns,
			.requested_ns = now_ns,
			.requested_by = signal,
		};
		return true;
	}
	if (!signals_is_new_request(drain->requested_ns, drain->signals_read_ns))
		return false;
	if (drain->ended_by == 0)
		drain->ended_by = signal;
	bool is_new = drain->phase != DRAIN_KILLING;
	drain->phase = DRAIN_KILLING;
	return is_new;
}

static bool has_deadline(const struct drain *drain)
{
	return drain->phase == DRAIN_DRAINING || drain->phase == DRAIN_ABORTING;
}

bool drain_check_time(struct drain *drain, uint64_t now_ns)
{
	uint64_t pause_ns = now_ns - drain->checked_ns;
	if (!has_deadline(drain))
		return false;
	drain->checked_ns = now_ns;
	if (pause_ns > DRAIN_LATE_NS)
		drain->deadline_ns = clock_after_ns(drain->deadline_ns, pause_ns - DRAIN_CHECK_NS);
	if (now_ns < drain->deadline_ns)
		return false;
	if (drain->phase == DRAIN_DRAINING) {
		drain->phase = DRAIN_ABORTING;
		drain->deadline_ns = now_ns + DRAIN_ABORT_NS;
	} else {
		drain->phase = DRAIN_KILLING;
	}
	return true;
}

uint64_t drain_deadline_ns(const struct drain *drain)
{
	if (!has_deadline(drain))
		return CLOCK_NEVER;
	/* The first time as soon as a further signal may be a second request. */
	uint64_t next_ns = drain->checked_ns == drain->requested_ns
				   ? drain->requested_ns + SIGNALS_SAME_REQUEST_NS
				   : drain->checked_ns + DRAIN_CHECK_NS;
	return clock_earlier_ns(drain->deadline_ns, next_ns);
}
