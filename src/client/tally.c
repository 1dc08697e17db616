/* SPDX-License-Identifier: MIT */
#include "client/tally.h"

#include "base/clock.h"

int tally_open(struct tally *ret_tally, struct result *result, const struct interval_sink *sink)
{
	struct tally tally = { .result = result, .sink = sink };
	int rc = result_open(&tally.second);
	if (rc == 0)
		*ret_tally = tally;
	return rc;
}

void tally_close(struct tally *tally)
{
	result_close(&tally->second);
}

void tally_start(struct tally *tally, uint64_t start_ns)
{
	tally->start_ns = start_ns;
}

/* Hands over the second under way, which ends end_ns after the start. */
static void keep_second(struct tally *tally, uint64_t end_ns)
{
	const struct interval_sink *sink = tally->sink;
	uint64_t from_ns = tally->n_seconds * CLOCK_NS_PER_S;
	int rc = sink->keep(sink->sink, from_ns, end_ns - from_ns, &tally->second);
	tally->code = tally->code == 0 ? rc : tally->code;
	result_reset(&tally->second);
}

/*
 * Hands over the seconds that are over. What was verified since the last call, and what is counted
 * next, belong to the second under way.
 */
static void come_to_second(struct tally *tally, uint64_t now_ns)
{
	uint64_t n_verified = tally->result->bytes_verified;
	while (now_ns - tally->start_ns >= (tally->n_seconds + 1) * CLOCK_NS_PER_S) {
		keep_second(tally, (tally->n_seconds + 1) * CLOCK_NS_PER_S);
		tally->n_seconds++;
	}
	tally->second.bytes_verified += n_verified - tally->n_noted;
	tally->n_noted = n_verified;
}

void tally_failure(struct tally *tally, const char *name, uint64_t now_ns)
{
	come_to_second(tally, now_ns);
	result_fail(tally->result, name, 1);
	result_fail(&tally->second, name, 1);
}

static void add_time(struct tally *tally, uint64_t ns)
{
	histogram_record(&tally->result->response, ns);
	histogram_record(&tally->second.response, ns);
	deviation_add(&tally->deviation, ns);
}

void tally_echo(struct tally *tally, uint64_t now_ns, uint64_t took_ns)
{
	come_to_second(tally, now_ns);
	tally->result->n_echoes++;
	tally->second.n_echoes++;
	add_time(tally, took_ns);
}

void tally_unfinished(struct tally *tally, uint64_t now_ns, uint64_t age_ns)
{
	come_to_second(tally, now_ns);
	tally->result->n_unfinished++;
	tally->second.n_unfinished++;
	add_time(tally, age_ns);
}

void tally_end(struct tally *tally, uint64_t end_ns)
{
	come_to_second(tally, end_ns);
	tally->result->elapsed_ns = end_ns - tally->start_ns;
	if (tally->result->elapsed_ns > tally->n_seconds * CLOCK_NS_PER_S)
		keep_second(tally, tally->result->elapsed_ns);
}
