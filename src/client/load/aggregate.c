/* SPDX-License-Identifier: MIT */
#include "client/load/aggregate.h"

#include <assert.h>

#include "base/clock.h"

/* A thread that has ended, with nothing left to take. */
#define UNTIL_END UINT64_MAX

int aggregate_open(struct aggregate *ret_aggregate, struct load *loads, struct recorder *recorder,
		   struct result *whole)
{
	struct aggregate aggregate = { .loads = loads, .recorder = recorder, .whole = whole };
	int rc = result_open(&aggregate.interval);
	if (rc == 0)
		*ret_aggregate = aggregate;
	return rc;
}

void aggregate_close(struct aggregate *aggregate)
{
	result_close(&aggregate->interval);
}

/* Takes the counts of a thread, if it has passed on any. */
static void collect_thread(struct aggregate *aggregate, struct load *load)
{
	/* This order: once has_ended is seen, the last full buffer is visible, too. */
	bool has_ended = atomic_load(&load->has_ended);
	uint64_t until = interval_buffer_take(&load->buffer, &aggregate->interval);
	if (until == 0 && has_ended) {
		result_add(&aggregate->interval, &load->result);
		until = UNTIL_END;
	}
	load->taken_until = until > 0 ? until : load->taken_until;
}

/*
 * Completes the service times. In a closed loop without churn a message is due when it is sent, so
 * the threads record only response times, which are the same.
 */
static void complete_service_times(struct aggregate *aggregate)
{
	struct result *interval = &aggregate->interval;
	if (aggregate->n > 0 && !load_has_service_time(aggregate->loads[0].plan))
		histogram_merge(&interval->service, &interval->response);
}

/* Records the finished interval. end_ns: since measuring began. */
static void record_interval(struct aggregate *aggregate, uint64_t end_ns)
{
	const struct result *interval = &aggregate->interval;
	uint64_t start_ns = aggregate->from * CLOCK_NS_PER_S;
	int rc = recorder_add(aggregate->recorder, start_ns, end_ns - start_ns, interval);
	aggregate->code = aggregate->code == 0 ? rc : aggregate->code;
	aggregate->p50_ns = histogram_percentile_ns(&interval->response, 50);
	aggregate->p99_ns = histogram_percentile_ns(&interval->response, 99);
}

static void close_interval(struct aggregate *aggregate)
{
	result_add(aggregate->whole, &aggregate->interval);
	result_reset(&aggregate->interval);
}

/* Returns the second up to which the counts of all threads have been taken. */
static uint64_t slowest_until(const struct aggregate *aggregate)
{
	uint64_t slowest = UNTIL_END;
	for (uint32_t i = 0; i < aggregate->n; i++) {
		uint64_t until = aggregate->loads[i].taken_until;
		slowest = until < slowest ? until : slowest;
	}
	return slowest;
}

/* Returns true if counts of a running thread have been taken beyond `until`. */
static bool is_ahead(const struct aggregate *aggregate, uint64_t until)
{
	for (uint32_t i = 0; i < aggregate->n; i++) {
		uint64_t other = aggregate->loads[i].taken_until;
		if (other > until && other != UNTIL_END)
			return true;
	}
	return false;
}

void aggregate_collect(struct aggregate *aggregate, uint32_t n)
{
	aggregate->n = n;
	/* Take from the slowest threads only, so that interval boundaries coincide. */
	uint64_t slowest = slowest_until(aggregate);
	for (uint32_t i = 0; i < n && slowest != UNTIL_END; i++) {
		if (aggregate->loads[i].taken_until == slowest)
			collect_thread(aggregate, &aggregate->loads[i]);
	}
	slowest = slowest_until(aggregate);
	if (slowest == UNTIL_END || slowest <= aggregate->from || is_ahead(aggregate, slowest))
		return;
	complete_service_times(aggregate);
	record_interval(aggregate, slowest * CLOCK_NS_PER_S);
	close_interval(aggregate);
	aggregate->from = slowest;
}

int aggregate_finish(struct aggregate *aggregate, uint64_t last_ns, uint64_t ended_ns)
{
	while (aggregate->n > 0 && slowest_until(aggregate) != UNTIL_END)
		aggregate_collect(aggregate, aggregate->n);
	uint64_t from_ns = aggregate->from * CLOCK_NS_PER_S;
	complete_service_times(aggregate);
	if (ended_ns > from_ns)
		record_interval(aggregate, last_ns > from_ns ? last_ns : ended_ns);
	close_interval(aggregate);
	return aggregate->code;
}
