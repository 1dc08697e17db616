/* SPDX-License-Identifier: MIT */
#include "client/gather.h"

#include <assert.h>

#include "base/clock.h"

/* A thread that has ended, and of which nothing is left to take. */
#define UNTIL_END UINT64_MAX

int gather_open(struct gather *ret_gather, struct load *loads, const struct interval_sink *sink,
		struct result *whole)
{
	struct gather gather = { .loads = loads, .sink = sink, .whole = whole };
	int rc = result_open(&gather.interval);
	if (rc == 0)
		*ret_gather = gather;
	return rc;
}

void gather_close(struct gather *gather)
{
	result_close(&gather->interval);
}

/* Takes what a thread has, if there is anything. */
static void take(struct gather *gather, struct load *load)
{
	/* Once it has ended, what it handed over before is there to be seen: so in this order. */
	bool has_ended = atomic_load(&load->has_ended);
	uint64_t until = handover_take(&load->handover, &gather->interval);
	if (until == 0 && has_ended) {
		result_add(&gather->interval, &load->result);
		until = UNTIL_END;
	}
	load->taken_until = until > 0 ? until : load->taken_until;
}

/*
 * In a closed loop a message is due when it is sent, unless it is connected first: the threads
 * record one of two times that are the same.
 */
static void complete(struct gather *gather)
{
	struct result *interval = &gather->interval;
	if (gather->n > 0 && !load_tells_apart(gather->loads[0].plan))
		histogram_merge(&interval->service, &interval->response);
}

/* The interval is over, this long after the measuring began. */
static void keep(struct gather *gather, uint64_t end_ns)
{
	const struct interval_sink *sink = gather->sink;
	uint64_t start_ns = gather->from * CLOCK_NS_PER_S;
	int rc = sink->keep(sink->sink, start_ns, end_ns - start_ns, &gather->interval);
	gather->code = gather->code == 0 ? rc : gather->code;
}

static void close_interval(struct gather *gather)
{
	result_add(gather->whole, &gather->interval);
	result_reset(&gather->interval);
}

/* Up to where all have been taken. */
static uint64_t least_until(const struct gather *gather)
{
	uint64_t least = UNTIL_END;
	for (uint32_t i = 0; i < gather->n; i++) {
		uint64_t until = gather->loads[i].taken_until;
		least = until < least ? until : least;
	}
	return least;
}

/* Has any been taken beyond that, but to its end? */
static bool is_ahead(const struct gather *gather, uint64_t until)
{
	for (uint32_t i = 0; i < gather->n; i++) {
		uint64_t other = gather->loads[i].taken_until;
		if (other > until && other != UNTIL_END)
			return true;
	}
	return false;
}

void gather_look(struct gather *gather, uint32_t n)
{
	gather->n = n;
	/* Of those only that are behind, or they would never meet again. */
	uint64_t least = least_until(gather);
	for (uint32_t i = 0; i < n && least != UNTIL_END; i++) {
		if (gather->loads[i].taken_until == least)
			take(gather, &gather->loads[i]);
	}
	least = least_until(gather);
	if (least == UNTIL_END || least <= gather->from || is_ahead(gather, least))
		return;
	complete(gather);
	keep(gather, least * CLOCK_NS_PER_S);
	close_interval(gather);
	gather->from = least;
}

int gather_finish(struct gather *gather, uint64_t last_ns, uint64_t ended_ns)
{
	while (gather->n > 0 && least_until(gather) != UNTIL_END)
		gather_look(gather, gather->n);
	uint64_t from_ns = gather->from * CLOCK_NS_PER_S;
	complete(gather);
	if (ended_ns > from_ns)
		keep(gather, last_ns > from_ns ? last_ns : ended_ns);
	close_interval(gather);
	return gather->code;
}
