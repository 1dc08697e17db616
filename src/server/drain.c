/* SPDX-License-Identifier: MIT */
#include "server/drain.h"

#include "base/clock.h"

bool drain_ask(struct drain *drain, int signal, uint64_t now_ns, uint64_t drain_timeout_ns)
{
	if (drain->phase == DRAIN_SERVING) {
		*drain = (struct drain){
			.phase = DRAIN_DRAINING,
			.deadline_ns = now_ns + drain_timeout_ns,
			.asked_by = signal,
		};
		return true;
	}
	if (drain->ended_by == 0)
		drain->ended_by = signal;
	bool is_new = drain->phase != DRAIN_KILLING;
	drain->phase = DRAIN_KILLING;
	return is_new;
}

bool drain_pass_time(struct drain *drain, uint64_t now_ns)
{
	if (now_ns < drain_deadline_ns(drain))
		return false;
	if (drain->phase == DRAIN_DRAINING) {
		drain->phase = DRAIN_CALLING_OFF;
		drain->deadline_ns = now_ns + DRAIN_PATIENCE_NS;
	} else {
		drain->phase = DRAIN_KILLING;
	}
	return true;
}

uint64_t drain_deadline_ns(const struct drain *drain)
{
	bool timed = drain->phase == DRAIN_DRAINING || drain->phase == DRAIN_CALLING_OFF;
	return timed ? drain->deadline_ns : CLOCK_NEVER;
}
