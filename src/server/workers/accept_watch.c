/* SPDX-License-Identifier: MIT */
#include "server/workers/accept_watch.h"

bool accept_watch_polls(const struct accept_watch *watch, uint64_t now_ns)
{
	return now_ns >= watch->rest_until_ns;
}

uint64_t accept_watch_deadline_ns(const struct accept_watch *watch, uint64_t now_ns)
{
	if (!accept_watch_polls(watch, now_ns))
		return watch->rest_until_ns;
	return watch->rest_ns != 0 ? 0 : CLOCK_NEVER;
}

void accept_watch_found_none(struct accept_watch *watch)
{
	*watch = (struct accept_watch){ 0 };
}

bool accept_watch_found(struct accept_watch *watch, uint64_t n_accepted, uint64_t now_ns)
{
	bool found_before = watch->rest_ns != 0;
	uint64_t rest_ns = ACCEPT_WATCH_REST_MIN_NS;
	watch->is_stuck = found_before && n_accepted == watch->n_accepted;
	if (watch->is_stuck)
		rest_ns = clock_earlier_ns(2 * watch->rest_ns, ACCEPT_WATCH_REST_MAX_NS);
	watch->rest_ns = rest_ns;
	watch->rest_until_ns = now_ns + rest_ns;
	watch->n_accepted = n_accepted;
	return found_before;
}
