/* SPDX-License-Identifier: MIT */
/*
 * Reads the JSON of fortio (fortio.org, `fortio load -json`). Times are in seconds, durations in
 * ns. A bucket contains values above its Start up to its End. Their distribution within it is
 * unknown: they are taken as evenly spread, as fortio does for its own percentiles.
 *
 * fortio counts from the actual send time, so its durations are service times at any rate. They are
 * used as response times too, because it has no others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "report/reader.h"

/* Maximum number of parts into which a bucket is spread. */
#define PARTS 256

/* fortio's name for "no limit". */
#define NO_RATE "max"

static uint64_t ns_of_s(double seconds)
{
	return (uint64_t)(seconds * 1e9 + 0.5);
}

MUST_USE static int read_bucket(struct reader *reader, const json_t *json)
{
	struct histogram *times = &reader->run->result.response;
	uint64_t from_ns = 0, to_ns = 0, n = 0;
	int rc = reader_seconds(reader, json, "Start", READER_REQUIRED, &from_ns);
	if (rc == 0)
		rc = reader_seconds(reader, json, "End", READER_REQUIRED, &to_ns);
	if (rc == 0)
		rc = reader_count(reader, json, "Count", READER_REQUIRED, &n);
	if (rc < 0)
		return rc;
	if (to_ns < from_ns || n > INT64_MAX - times->n)
		return reader_refuse(reader, "a bucket of the histogram is damaged");
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

MUST_USE static int read_buckets(struct reader *reader, const json_t *json)
{
	json_t *data = json_object_get(json, "Data");
	struct histogram *times = &reader->run->result.response;
	uint64_t n = 0;
	int rc = reader_count(reader, json, "Count", READER_REQUIRED, &n);
	if (rc < 0)
		return rc;
	if (n == 0 && (data == NULL || json_is_null(data)))
		return 0;
	if (!json_is_array(data))
		return reader_refuse(reader, "its histogram has no \"Data\"");
	for (size_t i = 0; rc == 0 && i < json_array_size(data); i++)
		rc = read_bucket(reader, json_array_get(data, i));
	if (rc < 0)
		return rc;
	if (times->n != n)
		return reader_refuse(reader, "\"Count\" and \"Data\" contradict each other");
	return 0;
}

/* Reads the exact minimum, maximum and mean. The first two are the ends of the outer buckets. */
MUST_USE static int read_fortio_ends(struct reader *reader, const json_t *json)
{
	struct histogram *times = &reader->run->result.response;
	double min = 0, mean = 0, max = 0;
	int rc = reader_number(reader, json, "Min", READER_REQUIRED, &min);
	if (rc == 0)
		rc = reader_number(reader, json, "Max", READER_REQUIRED, &max);
	if (rc == 0)
		rc = reader_number(reader, json, "Avg", READER_REQUIRED, &mean);
	if (rc < 0 || times->n == 0)
		return rc;
	if (max > READER_SECONDS_MAX || min > mean * (1 + 1e-9) || mean > max * (1 + 1e-9))
		return reader_refuse(reader, "\"Min\", \"Avg\" and \"Max\" contradict each other");
	times->min_ns = ns_of_s(min) < times->min_ns ? ns_of_s(min) : times->min_ns;
	times->max_ns = ns_of_s(max) > times->max_ns ? ns_of_s(max) : times->max_ns;
	if (__builtin_mul_overflow(ns_of_s(mean), times->n, &times->sum_ns))
		times->sum_ns = UINT64_MAX;
	return 0;
}

/* Returns whether a code means success, for HTTP, gRPC, TCP or UDP. */
static bool is_good(const char *code)
{
	static const char *const good[] = { "OK", "SERVING", "1" /* SERVING in old versions */ };
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (strcmp(code, good[i]) == 0)
			return true;
	}
	return strlen(code) == 3 && code[0] == '2';
}

MUST_USE static int read_codes(struct reader *reader, const json_t *json)
{
	json_t *codes = json_object_get(json, "RetCodes");
	struct result *result = &reader->run->result;
	const char *code;
	json_t *value;
	if (codes == NULL || json_is_null(codes))
		return 0;
	if (!json_is_object(codes))
		return reader_refuse(reader, "\"RetCodes\" is not an object");
	json_object_foreach(codes, code, value)
	{
		uint64_t n = 0;
		int rc = reader_count(reader, codes, code, READER_REQUIRED, &n);
		if (rc < 0)
			return rc;
		if (n > INT64_MAX - result_failures(result))
			return reader_refuse(reader, "\"RetCodes\" has more than can be counted");
		if (n > 0 && !is_good(code))
			result_fail(result, "failed", n);
	}
	return 0;
}

/* Reads the wanted rate, as fortio writes it with %.9g: "8", "7.5", "1e+09"; or "max". */
MUST_USE static int read_rate(struct reader *reader, const json_t *json)
{
	char *text = NULL, *end;
	int rc = reader_text(reader, json, "RequestedQPS", READER_OPTIONAL, &text);
	if (rc < 0 || text == NULL || strcmp(text, NO_RATE) == 0)
		goto free_text;
	double rate = strtod(text, &end);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && rate < (double)INT64_MAX)
		reader->run->rate_wanted = (uint64_t)(rate + 0.5);
	else
		rc = reader_refuse(reader, "\"RequestedQPS\" is neither a rate nor \"max\"");
free_text:
	free(text);
	return rc;
}

MUST_USE static int read_fortio_facts(struct reader *reader, const json_t *json)
{
	struct run *run = reader->run;
	int rc = reader_text(reader, json, "Version", READER_OPTIONAL, &run->facts.version);
	if (rc == 0)
		rc = reader_text(reader, json, "URL", READER_OPTIONAL, &run->target);
	if (rc == 0 && run->target == NULL)
		rc = reader_text(reader, json, "Destination", READER_OPTIONAL, &run->target);
	if (rc == 0)
		rc = reader_count(reader, json, "NumThreads", READER_OPTIONAL, &run->n_connections);
	if (rc == 0)
		rc = reader_count(reader, json, "ActualDuration", READER_REQUIRED,
				  &run->result.elapsed_ns);
	if (rc < 0)
		return rc;
	if (run->result.elapsed_ns > READER_NS_MAX)
		return reader_refuse(reader, "\"ActualDuration\" is more than a hundred years");
	json_t *start = json_object_get(json, "StartTime");
	if (start != NULL && !json_is_null(start) &&
	    (!json_is_string(start) ||
	     !reader_timestamp(json_string_value(start), &run->facts.start_ns)))
		return reader_refuse(reader, "\"StartTime\" is not a moment");
	run->n_threads = run->n_connections;
	return read_rate(reader, json);
}

int read_fortio(struct reader *reader, const json_t *json)
{
	struct result *result = &reader->run->result;
	json_t *times = json_object_get(json, "DurationHistogram");
	if (!json_is_object(times))
		return reader_refuse(reader, "\"DurationHistogram\" is not an object");
	int rc = read_fortio_facts(reader, json);
	if (rc == 0)
		rc = read_buckets(reader, times);
	if (rc == 0)
		rc = read_fortio_ends(reader, times);
	if (rc == 0)
		rc = read_codes(reader, json);
	if (rc < 0)
		return rc;
	/* The histogram also contains the times of failed calls. */
	uint64_t n_failures = result_failures(result);
	if (n_failures > result->response.n)
		return reader_refuse(reader,
				     "\"RetCodes\" and its histogram contradict each other");
	result->n_sent = result->response.n;
	result->n_echoes = result->n_sent - n_failures;
	histogram_merge(&result->service, &result->response);
	return 0;
}
