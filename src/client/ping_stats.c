/* SPDX-License-Identifier: MIT */
#include "client/ping_stats.h"

#include "base/clock.h"

int ping_stats_open(struct ping_stats *ret_stats, struct result *result, struct recorder *recorder)
{
	struct ping_stats stats = { .result = result, .recorder = recorder };
	int rc = result_open(&stats.second);
	if (rc == 0)
		*ret_stats = stats;
	return rc;
}

void ping_stats_close(struct ping_stats *stats)
{
	result_close(&stats->second);
}

void ping_stats_start(struct ping_stats *stats, uint64_t start_ns)
{
	stats->start_ns = start_ns;
}

/* Records the current second, which ends end_ns after the start. */
static void record_second(struct ping_stats *stats, uint64_t end_ns)
{
	uint64_t from_ns = stats->n_seconds * CLOCK_NS_PER_S;
	int rc = recorder_add(stats->recorder, from_ns, end_ns - from_ns, &stats->second);
	stats->code = stats->code == 0 ? rc : stats->code;
	result_reset(&stats->second);
}

/*
 * Records the seconds that are over. Bytes verified since the last call, and what is counted
 * next, belong to the current second.
 */
static void advance_to_second(struct ping_stats *stats, uint64_t now_ns)
{
	uint64_t n_verified = stats->result->bytes_verified;
	while (now_ns - stats->start_ns >= (stats->n_seconds + 1) * CLOCK_NS_PER_S) {
		record_second(stats, (stats->n_seconds + 1) * CLOCK_NS_PER_S);
		stats->n_seconds++;
	}
	stats->second.bytes_verified += n_verified - stats->n_noted;
	stats->n_noted = n_verified;
}

void ping_stats_failure(struct ping_stats *stats, const char *name, uint64_t now_ns)
{
	advance_to_second(stats, now_ns);
	result_fail(stats->result, name, 1);
	result_fail(&stats->second, name, 1);
}

static void add_time(struct ping_stats *stats, uint64_t ns)
{
	histogram_record(&stats->result->response, ns);
	histogram_record(&stats->second.response, ns);
	deviation_add(&stats->deviation, ns);
}

void ping_stats_echo(struct ping_stats *stats, uint64_t now_ns, uint64_t took_ns)
{
	advance_to_second(stats, now_ns);
	stats->result->n_echoes++;
	stats->second.n_echoes++;
	add_time(stats, took_ns);
}

void ping_stats_unfinished(struct ping_stats *stats, uint64_t now_ns, uint64_t age_ns)
{
	advance_to_second(stats, now_ns);
	stats->result->n_unfinished++;
	stats->second.n_unfinished++;
	add_time(stats, age_ns);
}

void ping_stats_end(struct ping_stats *stats, uint64_t end_ns)
{
	advance_to_second(stats, end_ns);
	stats->result->elapsed_ns = end_ns - stats->start_ns;
	if (stats->result->elapsed_ns > stats->n_seconds * CLOCK_NS_PER_S)
		record_second(stats, stats->result->elapsed_ns);
}
