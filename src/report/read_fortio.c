/* SPDX-License-Identifier: MIT */
/*
 * The JSON of fortio (fortio.org, `fortio load -json`). Its times are seconds and its durations
 * nanoseconds. A bucket holds what is above its Start and up to its End, and nothing says where:
 * the values are taken to be spread evenly, as fortio does it for its own percentiles.
 *
 * fortio counts from when it sent: what it calls a duration is a service time, whatever the rate.
 * There is no other, so it stands for both.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "report/reading.h"

/* Into so many parts a bucket is spread at most. */
#define PARTS 256

/* Fortio's own name for no limit. */
#define NO_RATE "max"

static uint64_t ns_of_s(double seconds)
{
	return (uint64_t)(seconds * 1e9 + 0.5);
}

MUST_USE static int read_bucket(struct reading *reading, const json_t *json)
{
	struct histogram *times = &reading->run->result.response;
	uint64_t from_ns = 0, to_ns = 0, n = 0;
	int rc = reading_seconds(reading, json, "Start", READING_MUST, &from_ns);
	if (rc == 0)
		rc = reading_seconds(reading, json, "End", READING_MUST, &to_ns);
	if (rc == 0)
		rc = reading_count(reading, json, "Count", READING_MUST, &n);
	if (rc < 0)
		return rc;
	if (to_ns < from_ns || n > INT64_MAX - times->n)
		return reading_refuse(reading, "a bucket of its histogram is damaged");
	uint64_t n_parts = n < PARTS ? n : PARTS, n_done = 0;
	for (uint64_t part = 1; part <= n_parts; part++) {
		uint64_t n_next = n / n_parts * part + n % n_parts * part / n_parts;
		double share = (double)part / (double)n_parts;
		histogram_record_n(times, from_ns + (uint64_t)((double)(to_ns - from_ns) * share),
				   n_next - n_done);
		n_done = n_next;
	}
	return 0;
}

MUST_USE static int read_buckets(struct reading *reading, const json_t *json)
{
	json_t *data = json_object_get(json, "Data");
	struct histogram *times = &reading->run->result.response;
	uint64_t n = 0;
	int rc = reading_count(reading, json, "Count", READING_MUST, &n);
	if (rc < 0)
		return rc;
	if (!json_is_array(data))
		return n == 0 ? 0 : reading_refuse(reading, "its histogram has no \"Data\"");
	for (size_t i = 0; rc == 0 && i < json_array_size(data); i++)
		rc = read_bucket(reading, json_array_get(data, i));
	if (rc < 0)
		return rc;
	if (times->n != n)
		return reading_refuse(reading, "\"Count\" and \"Data\" contradict each other");
	return 0;
}

/* The ends and the mean are exact; the ends are those of the first and the last bucket. */
MUST_USE static int read_ends(struct reading *reading, const json_t *json)
{
	struct histogram *times = &reading->run->result.response;
	double least = 0, mean = 0, most = 0;
	int rc = reading_number(reading, json, "Min", READING_MUST, &least);
	if (rc == 0)
		rc = reading_number(reading, json, "Max", READING_MUST, &most);
	if (rc == 0)
		rc = reading_number(reading, json, "Avg", READING_MUST, &mean);
	if (rc < 0 || times->n == 0)
		return rc;
	if (most > READING_SECONDS_MOST || least > mean * (1 + 1e-9) || mean > most * (1 + 1e-9))
		return reading_refuse(reading,
				      "\"Min\", \"Avg\" and \"Max\" contradict each other");
	times->least_ns = ns_of_s(least) < times->least_ns ? ns_of_s(least) : times->least_ns;
	times->max_ns = ns_of_s(most) > times->max_ns ? ns_of_s(most) : times->max_ns;
	if (__builtin_mul_overflow(ns_of_s(mean), times->n, &times->sum_ns))
		times->sum_ns = UINT64_MAX;
	return 0;
}

/* Is it the code of a call that went well? By what was called: HTTP, gRPC, TCP, UDP. */
static bool is_good(const char *code)
{
	static const char *const good[] = { "OK", "SERVING", "1" /* SERVING, of old versions */ };
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (strcmp(code, good[i]) == 0)
			return true;
	}
	return strlen(code) == 3 && code[0] == '2';
}

MUST_USE static int read_codes(struct reading *reading, const json_t *json)
{
	json_t *codes = json_object_get(json, "RetCodes");
	struct result *result = &reading->run->result;
	const char *code;
	json_t *value;
	if (codes == NULL || json_is_null(codes))
		return 0;
	if (!json_is_object(codes))
		return reading_refuse(reading, "\"RetCodes\" is not an object");
	json_object_foreach(codes, code, value)
	{
		uint64_t n = 0;
		int rc = reading_count(reading, codes, code, READING_MUST, &n);
		if (rc < 0)
			return rc;
		if (n > INT64_MAX - result_failures(result))
			return reading_refuse(reading, "\"RetCodes\" has more than can be counted");
		if (n > 0 && !is_good(code))
			result_fail(result, "failed", n);
	}
	return 0;
}

/* A text: "8", "7.5", "max". */
static uint64_t rate_of(const json_t *json)
{
	const char *text = json_string_value(json_object_get(json, "RequestedQPS"));
	uint64_t rate;
	if (text == NULL || strcmp(text, NO_RATE) == 0)
		return 0;
	/* A fraction of a request per second is not worth a refusal. */
	return reading_decimal(&text, 1, &rate) && *text == '\0' ? rate : 0;
}

MUST_USE static int read_facts(struct reading *reading, const json_t *json)
{
	struct run *run = reading->run;
	int rc = reading_text(reading, json, "Version", READING_MAY, &run->facts.version);
	if (rc == 0)
		rc = reading_text(reading, json, "URL", READING_MAY, &run->target);
	if (rc == 0 && run->target == NULL)
		rc = reading_text(reading, json, "Destination", READING_MAY, &run->target);
	if (rc == 0)
		rc = reading_count(reading, json, "NumThreads", READING_MAY, &run->n_connections);
	if (rc == 0)
		rc = reading_count(reading, json, "ActualDuration", READING_MUST,
				   &run->result.elapsed_ns);
	if (rc < 0)
		return rc;
	if (run->result.elapsed_ns > READING_NS_MOST)
		return reading_refuse(reading, "\"ActualDuration\" is more than a hundred years");
	json_t *start = json_object_get(json, "StartTime");
	if (json_is_string(start) &&
	    !reading_moment(json_string_value(start), &run->facts.start_ns))
		return reading_refuse(reading, "\"StartTime\" is not a moment");
	run->n_threads = run->n_connections;
	run->rate_wanted = rate_of(json);
	return 0;
}

int reading_fortio(struct reading *reading, const json_t *json)
{
	struct result *result = &reading->run->result;
	json_t *times = json_object_get(json, "DurationHistogram");
	if (!json_is_object(times))
		return reading_refuse(reading, "\"DurationHistogram\" is not an object");
	int rc = read_facts(reading, json);
	if (rc == 0)
		rc = read_buckets(reading, times);
	if (rc == 0)
		rc = read_ends(reading, times);
	if (rc == 0)
		rc = read_codes(reading, json);
	if (rc < 0)
		return rc;
	/* It counts how long every call took, and of those that failed that they did as well. */
	uint64_t n_failures = result_failures(result);
	if (n_failures > result->response.n)
		return reading_refuse(reading,
				      "\"RetCodes\" and its histogram contradict each other");
	result->n_sent = result->response.n;
	result->n_echoes = result->n_sent - n_failures;
	histogram_merge(&result->service, &result->response);
	return 0;
}
