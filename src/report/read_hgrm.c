/* SPDX-License-Identifier: MIT */
/*
 * HdrHistogram's list of percentiles (outputPercentileDistribution() of Java,
 * hdr_percentiles_print() of C, a .hgrm of HistogramLogProcessor), plain or as CSV:
 *
 *	       Value     Percentile TotalCount 1/(1-Percentile)
 *
 *	       0.067 0.000000000000          1           1.00
 *	       1.371 0.500000000000      49680           2.00
 *	#[Mean    =        1.423, StdDeviation   =        0.982]
 *	#[Max     =       12.926, Total count    =        99461]
 *
 * What was counted between two lines is put where the second is: no more is known. The unit of
 * Value is not said: who writes it divides by what he likes. wrk2 counts microseconds and divides
 * by 1000, HistogramLogProcessor takes nanoseconds and divides by 1000000 unless it is told
 * otherwise: both give milliseconds, and that is what is assumed.
 *
 * wrk2 prints more around it, of which some is read. It has two lists for -U: the second is of
 * times "without taking delayed starts into account", which is service time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "report/reading.h"

#define LINE_MOST 1024

/* Lines of a list at most. HdrHistogram has 5 or 10 for each halving of what is left. */
#define ROWS_MOST 1000000

struct list {
	struct reading *reading;
	size_t line, n_rows;
	struct histogram *times;             /* of the list that is read */
	bool is_open, has_foot;              /* are its rows to come? did its foot? */
	bool has_list[2];                    /* response, service */
	uint64_t n_so_far, last_ns, mean_ns; /* 0: it did not say */
};

/* ---- a row ---- */

/* Skips what stands between two numbers: blanks, or a comma of CSV. */
static const char *skip(const char *at)
{
	return at + strspn(at, " \t,");
}

MUST_USE static bool take_row(const char *at, uint64_t unit_ns, uint64_t *ret_ns, uint64_t *ret_n)
{
	char *end;
	uint64_t part;
	at = skip(at);
	if (!reading_decimal(&at, unit_ns, ret_ns))
		return false;
	at = skip(at);
	if (!reading_decimal(&at, CLOCK_NS_PER_S, &part) || part > CLOCK_NS_PER_S)
		return false;
	at = skip(at);
	if (*at < '0' || *at > '9')
		return false;
	unsigned long long n = strtoull(at, &end, 10);
	if (n > INT64_MAX || (*end != '\0' && strchr(" \t,\r", *end) == NULL))
		return false;
	*ret_n = n;
	return true; /* the fourth number follows from the second */
}

MUST_USE static int add_row(struct list *list, const char *line)
{
	uint64_t ns, n;
	if (!take_row(line, list->reading->list_unit_ns, &ns, &n))
		return reading_refuse(list->reading, "line %zu is no line of a list of percentiles",
				      list->line);
	if (n < list->n_so_far || ns < list->last_ns)
		return reading_refuse(list->reading,
				      "line %zu: its value and its count must not be below those "
				      "of the line before",
				      list->line);
	if (++list->n_rows > ROWS_MOST)
		return reading_refuse(list->reading, "it has more than %d lines", ROWS_MOST);
	histogram_record_n(list->times, ns, n - list->n_so_far);
	list->n_so_far = n;
	list->last_ns = ns;
	return 0;
}

/* "#[Mean    =        1.423, ..." and "#[Max     =       12.926, Total count    =        99461]" */
static bool foot_value(const char *line, const char *name, uint64_t unit_ns, uint64_t *ret_ns)
{
	line += strspn(line, "#[ \t");
	if (strncmp(line, name, strlen(name)) != 0)
		return false;
	line += strcspn(line, "=");
	line += strspn(line, "= ");
	return reading_decimal(&line, unit_ns, ret_ns);
}

/* ---- what stands at the foot ---- */

/* Is it, by more than its last digit? A list has one decimal at least, and may have no more. */
static bool is_above(const struct list *list, uint64_t ns, uint64_t most_ns)
{
	return ns > most_ns && ns - most_ns > most_ns / 1000 + list->reading->list_unit_ns / 10;
}

MUST_USE static int take_foot(struct list *list, const char *line)
{
	struct histogram *times = list->times;
	uint64_t ns, n;
	list->has_foot = true;
	if (foot_value(line, "Mean", list->reading->list_unit_ns, &ns)) {
		if (is_above(list, ns, times->max_ns))
			return reading_refuse(list->reading,
					      "its lines and its mean contradict each other");
		list->mean_ns = ns;
		ns = ns < times->max_ns ? ns : times->max_ns;
		if (times->n > 0 && __builtin_mul_overflow(ns, times->n, &times->sum_ns))
			times->sum_ns = UINT64_MAX;
	} else if (foot_value(line, "Max", list->reading->list_unit_ns, &ns)) {
		/* The last row has the end of its bucket: never less than the value. */
		if (is_above(list, ns, times->max_ns))
			return reading_refuse(
				list->reading,
				"its lines and its largest value contradict each other");
		if (is_above(list, list->mean_ns, ns))
			return reading_refuse(
				list->reading,
				"its mean and its largest value contradict each other");
		const char *total = strstr(line, "Total");
		if (total != NULL && foot_value(total, "Total", 1, &n) && n != times->n)
			return reading_refuse(
				list->reading,
				"its lines and its total count contradict each other");
	}
	return 0;
}

/* ---- what wrk2 says beside it ---- */

/* "  2 threads and 100 connections" */
static void take_threads(struct run *run, const char *line)
{
	uint64_t n_threads, n_connections;
	line = skip(line);
	if (!reading_decimal(&line, 1, &n_threads) || strncmp(line, " threads and ", 13) != 0)
		return;
	line += 13;
	if (!reading_decimal(&line, 1, &n_connections))
		return;
	run->n_threads = n_threads;
	run->n_connections = n_connections;
}

/* "  2999 requests in 30.00s, 371.97KB read" */
static void take_requests(struct run *run, const char *line)
{
	uint64_t n, ns;
	char duration[32];
	line = skip(line);
	if (reading_decimal(&line, 1, &n) &&
	    sscanf(line, " requests in %31[0-9.a-z],", duration) == 1 &&
	    units_parse_duration(duration, &ns) == 0)
		run->result.elapsed_ns = ns;
}

/* "Running 30s test @ http://127.0.0.1:80/index.html" */
MUST_USE static int take_target(struct run *run, const char *line)
{
	const char *target = strstr(line, "test @ ");
	if (target == NULL || run->target != NULL)
		return 0;
	target += strlen("test @ ");
	return reading_keep(&run->target, target, strcspn(target, " \r"));
}

/* "Socket errors: connect 0, read 0, write 0, timeout 20", "Non-2xx or 3xx responses: 120" */
static void take_errors(struct result *result, const char *line)
{
	static const char *const marks[] = { "connect ", "read ", "write ", "timeout ",
					     "responses: " };
	if (strstr(line, "Socket errors:") == NULL && strstr(line, "Non-2xx or 3xx") == NULL)
		return;
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		const char *at = strstr(line, marks[i]);
		uint64_t n;
		if (at == NULL)
			continue;
		at += strlen(marks[i]);
		if (reading_decimal(&at, 1, &n) && n > 0 &&
		    n <= INT64_MAX - result_failures(result))
			result_fail(result, *marks[i] == 't' ? "no_reply" : "failed", n);
	}
}

/* ---- lines ---- */

/* Begins a list: that of response times, or, under such a title, of service times. */
MUST_USE static int begin(struct list *list, bool is_service)
{
	struct result *result = &list->reading->run->result;
	if (list->has_list[is_service])
		return reading_refuse(list->reading, "line %zu: a second list of percentiles",
				      list->line);
	list->has_list[is_service] = true;
	list->is_open = true;
	list->has_foot = false;
	list->times = is_service ? &result->service : &result->response;
	list->n_so_far = list->last_ns = list->mean_ns = 0;
	return 0;
}

MUST_USE static int take_line(struct list *list, const char *line, bool *is_service)
{
	struct run *run = list->reading->run;
	line = skip(line);
	if (strstr(line, "Percentile") != NULL && strstr(line, "TotalCount") != NULL)
		return begin(list, *is_service);
	if (list->is_open && *line >= '0' && *line <= '9')
		return add_row(list, line);
	if (list->is_open && *line == '#')
		return take_foot(list, line);
	if (list->is_open && (*line == '\0' || *line == '\r'))
		return 0;
	/* In the middle of a list it is damage; behind its foot, or a line, others may follow. */
	if (list->is_open && !list->has_foot && *line != '-')
		return add_row(list, line);
	list->is_open = false;
	if (strstr(line, "Latency Distribution") != NULL)
		*is_service = strstr(line, "Uncorrected") != NULL;
	take_threads(run, line);
	take_requests(run, line);
	take_errors(&run->result, line);
	return take_target(run, line);
}

int reading_hgrm(struct reading *reading)
{
	struct list list = { .reading = reading };
	struct result *result = &reading->run->result;
	const char *at = reading->bytes, *end = at + reading->n;
	bool is_service = false;
	int rc = 0;
	while (rc == 0 && at < end) {
		char line[LINE_MOST];
		size_t n = strcspn(at, "\n");
		list.line++;
		if (n >= sizeof(line))
			return reading_refuse(reading, "line %zu is longer than %d bytes",
					      list.line, LINE_MOST - 1);
		memcpy(line, at, n);
		line[n] = '\0';
		rc = take_line(&list, line, &is_service);
		at += n + 1;
	}
	if (rc < 0)
		return rc;
	if (result->response.n == 0 && result->service.n == 0)
		return reading_refuse(reading, "it is a list of percentiles without a value");
	result->n_sent = result->n_echoes = result->response.n;
	return 0;
}
