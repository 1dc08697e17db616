/* SPDX-License-Identifier: MIT */
/*
 * Reads our own document. Redundant data must agree: counts and histograms, minimum and maximum and
 * counts, the series and the total.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "report/reader.h"
#include "report/run_write.h"

/* ---- failures ---- */

/* Failure names that are not error codes. */
static const char *const failure_names[] = {
	"no_reply", "mismatch", "ended", RESULT_NEVER_SENT, "no_fin",
};

/* Replaces failure names of a newer version that this one does not know. */
#define FAILURE_OTHER "other"

/* Returns the same name in static storage. */
static const char *failure_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(failure_names); i++) {
		if (strcmp(failure_names[i], name) == 0)
			return failure_names[i];
	}
	/* Error codes of the kernel, and our own. */
	static const int ranges[][2] = { { 1, 140 }, { 5001, 5100 } };
	for (size_t range = 0; range < ARRAY_LEN(ranges); range++) {
		for (int code = ranges[range][0]; code <= ranges[range][1]; code++) {
			if (strcmp(err_name(-code), name) == 0)
				return err_name(-code);
		}
	}
	return FAILURE_OTHER;
}

/* Reads an object of names and counts, and calls add() for each. */
MUST_USE static int read_names(struct reader *reader, json_t *json, const char *what,
			       void (*add)(struct result *result, const char *name, uint64_t n))
{
	const char *name;
	json_t *count;
	uint64_t n_all = 0;
	if (!json_is_object(json))
		return reader_refuse(reader, "\"%s\" is not an object", what);
	if (json_object_size(json) > RESULT_FAILURES_MAX)
		return reader_refuse(reader, "\"%s\" has more than %d names", what,
				     RESULT_FAILURES_MAX);
	json_object_foreach(json, name, count)
	{
		uint64_t n = 0;
		int rc = reader_count(reader, json, name, READER_REQUIRED, &n);
		if (rc < 0)
			return rc;
		if (n > INT64_MAX - n_all)
			return reader_refuse(reader, "\"%s\" has more than can be counted", what);
		n_all += n;
		if (n > 0)
			add(&reader->run->result, failure_name(name), n);
	}
	return 0;
}

/* Reads both lists of failures. Earlier versions have only the first, and no "failed". */
MUST_USE static int read_failures(struct reader *reader, const json_t *json)
{
	json_t *errors = json_object_get(json, "errors");
	json_t *of_connections = json_object_get(json, "connection_errors");
	if (errors == NULL)
		return reader_refuse(reader, "it has no \"errors\"");
	int rc = read_names(reader, errors, "errors", result_fail);
	if (rc == 0 && of_connections != NULL)
		rc = read_names(reader, of_connections, "connection_errors",
				result_connection_error);
	uint64_t n_named = result_failed(&reader->run->result), n_failed = n_named;
	if (rc == 0)
		rc = reader_count(reader, json, "failed", READER_OPTIONAL, &n_failed);
	if (rc == 0 && n_failed != n_named)
		rc = reader_refuse(reader, "\"failed\" and \"errors\" contradict each other");
	return rc;
}

/* ---- histograms ---- */

MUST_USE static int decode(struct reader *reader, const char *what, const char *string,
			   struct histogram *into)
{
	int rc = hlog_decode(reader->hlog, string, into);
	if (rc < 0)
		return reader_refuse(reader, "\"%s\": %s", what, err_text(rc).text);
	return 0;
}

/* Reads the exact minimum, maximum and mean that stand beside a histogram. */
MUST_USE static int read_document_ends(struct reader *reader, const json_t *json, const char *name,
				       struct histogram *histogram)
{
	json_t *times = json_object_get(json, name);
	bool is_there = times != NULL && !json_is_null(times);
	if (is_there && !json_is_object(times))
		return reader_refuse(reader, "\"%s\" is not an object", name);
	if (is_there != (histogram->n > 0))
		return reader_refuse(reader, "\"%s\" and its histogram contradict each other",
				     name);
	if (!is_there)
		return 0;
	double min = 0, mean = 0, max = 0;
	int rc = reader_number(reader, times, "min", READER_REQUIRED, &min);
	if (rc == 0)
		rc = reader_number(reader, times, "mean", READER_REQUIRED, &mean);
	if (rc == 0)
		rc = reader_number(reader, times, "max", READER_REQUIRED, &max);
	if (rc < 0)
		return rc;
	if (!reader_set_min_mean_max(histogram, reader_ns_of_us(min), reader_ns_of_us(mean),
				     reader_ns_of_us(max)))
		return reader_refuse(reader, "\"%s\" and its histogram contradict each other",
				     name);
	return 0;
}

/* Reads a histogram with its exact minimum, maximum and mean. */
MUST_USE static int read_histogram(struct reader *reader, const json_t *json, const char *name,
				   const char *ends, struct histogram *histogram)
{
	json_t *string = json_object_get(json, name);
	if (string != NULL && !json_is_null(string)) {
		if (!json_is_string(string))
			return reader_refuse(reader, "\"%s\" is not a text", name);
		int rc = decode(reader, name, json_string_value(string), histogram);
		if (rc < 0)
			return rc;
	}
	return read_document_ends(reader, json, ends, histogram);
}

MUST_USE static int read_histograms(struct reader *reader, const json_t *json, uint64_t format)
{
	struct result *result = &reader->run->result;
	int rc = read_histogram(reader, json, "histogram", "response_us", &result->response);
	if (rc < 0 || format == 0)
		return rc; /* the first format had only this one */
	rc = read_histogram(reader, json, "service_histogram", "service_us", &result->service);
	if (rc == 0)
		rc = read_histogram(reader, json, "lateness_histogram", "lateness_us",
				    &result->lateness);
	if (rc == 0)
		rc = read_histogram(reader, json, "connect_histogram", "connect_us",
				    &result->connect);
	return rc;
}

/* Returns whether the mean that was read is sum_ns / n, except for rounding. */
static bool is_sum(const struct histogram *times, uint64_t sum_ns)
{
	uint64_t exact_ns = sum_ns / times->n, mean_ns = histogram_mean_ns(times);
	uint64_t rounding_ns = exact_ns / READER_PRECISION + 2;
	return mean_ns + rounding_ns >= exact_ns && mean_ns <= exact_ns + rounding_ns;
}

/*
 * Reads the exact sums if present, and checks them against the means. A mean has twelve digits, so
 * sums computed from means would differ between merges.
 */
MUST_USE static int read_sums(struct reader *reader, const json_t *json)
{
	struct result *result = &reader->run->result;
	const json_t *sums = json_object_get(json, "sums_ns");
	const struct {
		const char *name, *times_name;
		struct histogram *times;
	} all[] = {
		{ "response", "response_us", &result->response },
		{ "service", "service_us", &result->service },
		{ "lateness", "lateness_us", &result->lateness },
		{ "connect", "connect_us", &result->connect },
	};
	if (sums != NULL && !json_is_null(sums) && !json_is_object(sums))
		return reader_refuse(reader, "\"sums_ns\" is not an object");
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		uint64_t sum_ns = UINT64_MAX;
		int rc = reader_count(reader, sums, all[i].name, READER_OPTIONAL, &sum_ns);
		if (rc < 0)
			return rc;
		if (sum_ns == UINT64_MAX)
			continue;
		if (all[i].times->n == 0 || !is_sum(all[i].times, sum_ns))
			return reader_refuse(reader, "\"%s\" and \"sums_ns\" contradict each other",
					     all[i].times_name);
		all[i].times->sum_ns = sum_ns;
	}
	return 0;
}

/* ---- the series ---- */

/* Reads the packed histogram of an interval. *ret_n is the number of values in it. */
MUST_USE static int read_packed(struct reader *reader, const json_t *json, const char *name,
				char **ret_packed, uint64_t *ret_n)
{
	*ret_n = 0;
	const json_t *packed = json_object_get(json, name);
	if (packed == NULL || json_is_null(packed))
		return 0;
	if (!json_is_string(packed))
		return reader_refuse(reader, "\"%s\" is not a text", name);
	*ret_packed = strdup(json_string_value(packed));
	if (*ret_packed == NULL)
		return -ENOMEM;
	histogram_reset(&reader->scratch);
	int rc = decode(reader, name, *ret_packed, &reader->scratch);
	*ret_n = reader->scratch.n;
	return rc;
}

MUST_USE static int read_interval(struct reader *reader, const json_t *json,
				  struct time_series_interval *interval)
{
	uint64_t n_response = 0, n_service = 0;
	int rc = reader_seconds(reader, json, "start", READER_REQUIRED, &interval->start_ns);
	if (rc == 0)
		rc = reader_seconds(reader, json, "seconds", READER_REQUIRED, &interval->length_ns);
	if (rc == 0)
		rc = reader_count(reader, json, "echoes", READER_REQUIRED, &interval->n_echoes);
	if (rc == 0)
		rc = reader_count(reader, json, "verified_bytes", READER_REQUIRED,
				  &interval->bytes_verified);
	if (rc == 0)
		rc = reader_count(reader, json, "failures", READER_REQUIRED, &interval->n_failures);
	if (rc == 0)
		rc = reader_count(reader, json, "unfinished", READER_OPTIONAL,
				  &interval->n_unfinished);
	if (rc == 0)
		rc = read_packed(reader, json, "response", &interval->response, &n_response);
	if (rc == 0)
		rc = read_packed(reader, json, "service", &interval->service, &n_service);
	if (rc < 0)
		return rc;
	if (n_response < interval->n_echoes ||
	    n_response - interval->n_echoes != interval->n_unfinished || n_service > n_response)
		return reader_refuse(reader, "\"echoes\" and the histograms contradict each other");
	return 0;
}

/*
 * Checks that `next` follows `last`, and corrects an overlap caused by rounding to twelve digits.
 */
MUST_USE static bool is_behind(struct time_series_interval *last,
			       const struct time_series_interval *next)
{
	uint64_t end_ns = last->start_ns + last->length_ns;
	/* The rounding errors of three numbers: two starts and a length. */
	uint64_t rounding_ns = end_ns / READER_PRECISION + 3;
	if (next->start_ns <= last->start_ns || next->start_ns + rounding_ns < end_ns)
		return false;
	if (next->start_ns < end_ns)
		last->length_ns = next->start_ns - last->start_ns;
	return true;
}

/*
 * Returns which total differs from the sum over the intervals, NULL if all agree. It subtracts,
 * which cannot overflow; adding numbers of an untrusted file could.
 */
static const char *contradiction(const struct time_series *series, const struct result *result)
{
	uint64_t n_echoes = result->n_echoes, n_bytes = result->bytes_verified;
	uint64_t n_failures = result_failures(result), n_unfinished = result->n_unfinished;
	for (size_t i = 0; i < series->n; i++) {
		const struct time_series_interval *interval = &series->list[i];
		if (interval->n_echoes > n_echoes)
			return "echoes";
		if (interval->n_unfinished > n_unfinished)
			return "unfinished";
		if (interval->bytes_verified > n_bytes)
			return "verified_bytes";
		if (interval->n_failures > n_failures)
			return "errors";
		n_echoes -= interval->n_echoes;
		n_unfinished -= interval->n_unfinished;
		n_bytes -= interval->bytes_verified;
		n_failures -= interval->n_failures;
	}
	return n_echoes != 0       ? "echoes"
	       : n_unfinished != 0 ? "unfinished"
	       : n_bytes != 0      ? "verified_bytes"
	       : n_failures != 0   ? "errors"
				   : NULL;
}

MUST_USE static int read_series(struct reader *reader, const json_t *json)
{
	json_t *list = json_object_get(json, "series");
	struct time_series *series = &reader->run->series;
	if (list == NULL)
		return reader_refuse(reader, "it has no \"series\"");
	size_t n = json_array_size(list);
	if (!json_is_array(list) || n > READER_INTERVALS_MAX)
		return reader_refuse(reader, "\"series\" is not a list of at most %d",
				     READER_INTERVALS_MAX);
	series->list = calloc(n > 0 ? n : 1, sizeof(*series->list));
	if (series->list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct time_series_interval *interval = &series->list[series->n++];
		int rc = read_interval(reader, json_array_get(list, i), interval);
		if (rc == 0 && i > 0 && !is_behind(interval - 1, interval))
			rc = reader_refuse(reader, "it does not follow the one before");
		if (rc == -EBADMSG) {
			struct run_refusal inner = *reader->why;
			return reader_refuse(reader, "interval %zu of \"series\": %.250s", i + 1,
					     inner.text);
		}
		if (rc < 0)
			return rc;
	}
	int rc = reader_seconds(reader, json, "interval_seconds", READER_OPTIONAL,
				&series->interval_ns);
	if (rc < 0)
		return rc;
	const char *what = n > 0 ? contradiction(series, &reader->run->result) : NULL;
	if (what != NULL)
		return reader_refuse(reader, "\"%s\" and \"series\" contradict each other", what);
	return 0;
}

/* ---- parameters and facts ---- */

MUST_USE static int read_kernel(struct reader *reader, const json_t *json)
{
	json_t *kernel = json_object_get(json, "kernel_us");
	double smoothed = 0, deviation = 0, min = 0;
	struct run *run = reader->run;
	if (kernel == NULL || json_is_null(kernel))
		return 0;
	if (!json_is_object(kernel))
		return reader_refuse(reader, "\"kernel_us\" is not an object");
	int rc = reader_number(reader, kernel, "smoothed", READER_REQUIRED, &smoothed);
	if (rc == 0)
		rc = reader_number(reader, kernel, "deviation", READER_REQUIRED, &deviation);
	if (rc == 0)
		rc = reader_number(reader, kernel, "min", READER_REQUIRED, &min);
	if (rc == 0)
		rc = reader_count(reader, kernel, "retransmits", READER_REQUIRED,
				  &run->kernel.n_retransmits);
	run->has_kernel = rc == 0;
	run->kernel.rtt_ns = reader_ns_of_us(smoothed);
	run->kernel.rtt_var_ns = reader_ns_of_us(deviation);
	run->kernel.rtt_min_ns = reader_ns_of_us(min);
	return rc;
}

/* Reads the fields that every version has. */
MUST_USE static int read_what_was_run(struct reader *reader, const json_t *json)
{
	struct run *run = reader->run;
	int rc = reader_text(reader, json, "command", READER_REQUIRED, &run->command);
	if (rc == 0)
		rc = reader_text(reader, json, "target", READER_REQUIRED, &run->target);
	if (rc == 0)
		rc = reader_text(reader, json, "mode", READER_REQUIRED, &run->mode);
	if (rc < 0)
		return rc;
	if (strcmp(run->mode, "hold") == 0)
		return reader_refuse(reader, "it is of hold, which counts lost connections "
					     "and has no times to report");
	if (strcmp(run->mode, "closed") != 0 && strcmp(run->mode, "open") != 0)
		return reader_refuse(reader, "\"mode\" is neither closed nor open");
	rc = reader_count(reader, json, "connections", READER_REQUIRED, &run->n_connections);
	if (rc == 0)
		rc = reader_count(reader, json, "size", READER_REQUIRED, &run->size);
	if (rc == 0)
		rc = reader_count(reader, json, "rate_wanted", READER_OPTIONAL, &run->rate_wanted);
	if (rc == 0)
		rc = reader_text(reader, json, "client_bound", READER_OPTIONAL, &run->client_bound);
	if (rc == 0)
		rc = reader_number(reader, json, "client_cpu_share", READER_OPTIONAL,
				   &run->cpu_share);
	if (rc == 0)
		rc = reader_number(reader, json, "client_spin_share", READER_OPTIONAL,
				   &run->spin_share);
	return rc;
}

MUST_USE static int read_counts(struct reader *reader, const json_t *json)
{
	struct result *result = &reader->run->result;
	const struct {
		const char *name;
		uint64_t *count;
		enum reader_need need;
	} counts[] = {
		{ "sent", &result->n_sent, READER_REQUIRED },
		{ "echoes", &result->n_echoes, READER_REQUIRED },
		{ "bytes", &result->bytes_sent, READER_REQUIRED },
		{ "verified_bytes", &result->bytes_verified, READER_REQUIRED },
		{ "mismatches", &result->n_mismatches, READER_REQUIRED },
		{ "unfinished", &result->n_unfinished, READER_OPTIONAL },
		{ "wrong_bytes", &result->wrong_bytes, READER_OPTIONAL },
	};
	int rc = reader_seconds(reader, json, "seconds", READER_REQUIRED, &result->elapsed_ns);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(counts); i++)
		rc = reader_count(reader, json, counts[i].name, counts[i].need, counts[i].count);
	if (rc < 0)
		return rc;
	if (result->bytes_verified > result->bytes_sent)
		return reader_refuse(reader, "more bytes were verified than sent");
	char *first = NULL;
	rc = reader_text(reader, json, "first_mismatch", READER_OPTIONAL, &first);
	size_t length = first != NULL ? strlen(first) : 0;
	/* Our own sentences are shorter. A cut could split a UTF-8 character. */
	if (length >= sizeof(result->first_mismatch))
		rc = reader_refuse(reader, "\"first_mismatch\" is longer than %d bytes",
				   RESULT_SENTENCE_SIZE - 1);
	else if (length > 0)
		memcpy(result->first_mismatch, first, length + 1);
	free(first);
	return rc == 0 ? read_failures(reader, json) : rc;
}

int read_tcpecho(struct reader *reader, const json_t *json)
{
	uint64_t format = 0; /* documents before format 1 have no such field */
	int rc = reader_count(reader, json, "format", READER_OPTIONAL, &format);
	if (rc < 0)
		return rc;
	if (format > RUN_DOCUMENT_FORMAT)
		return reader_refuse(reader,
				     "it is of a newer tcpecho (format %" PRIu64
				     "; this one reads up to %d)",
				     format, RUN_DOCUMENT_FORMAT);
	rc = read_what_was_run(reader, json);
	if (rc == 0)
		rc = read_counts(reader, json);
	if (rc == 0)
		rc = read_histograms(reader, json, format);
	if (rc == 0)
		rc = read_sums(reader, json);
	if (rc == 0)
		rc = read_kernel(reader, json);
	if (rc < 0)
		return rc;
	const struct result *result = &reader->run->result;
	if (result->response.n < result->n_echoes ||
	    result->response.n - result->n_echoes != result->n_unfinished)
		return reader_refuse(reader, "\"echoes\" and \"histogram\" contradict each other");
	if (format == 0)
		return 0;
	rc = read_tcpecho_facts(reader, json);
	if (rc == 0)
		rc = read_series(reader, json);
	/* The end of a run, and of a sum that contains it, must fit into 64 bits. */
	if (rc == 0 && run_span_ns(reader->run) > UINT64_MAX - reader->run->facts.start_ns)
		rc = reader_refuse(reader, "its end is beyond the year 2554");
	return rc;
}
