/* SPDX-License-Identifier: MIT */
#include "reading.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "stats/hlog.h"
#include "report/metric.h"
#include "report/run_read.h"
#include "report/run_write.h"
#include "report/show.h"
#include "stats/histogram.h"

/* ---- memory, taken once and used again: taking it would be most of the time ---- */

#define POOL 16

static uint64_t *counts[POOL];
static size_t n_counts;
static struct hlog *hlogs[POOL];
static size_t n_hlogs;
static long n_open; /* histograms and coders that are not closed yet */

int __real_histogram_open(struct histogram *ret_histogram);
int __wrap_histogram_open(struct histogram *ret_histogram);
void __wrap_histogram_close(struct histogram *histogram);
int __real_hlog_open(struct hlog **ret_hlog);
int __wrap_hlog_open(struct hlog **ret_hlog);
void __wrap_hlog_close(struct hlog *hlog);

int __wrap_histogram_open(struct histogram *ret_histogram)
{
	n_open++;
	if (n_counts == 0)
		return __real_histogram_open(ret_histogram);
	*ret_histogram = (struct histogram){
		.counts = counts[--n_counts],
		.min_ns = UINT64_MAX,
	};
	return 0;
}

void __wrap_histogram_close(struct histogram *histogram)
{
	if (histogram->counts != NULL) {
		n_open--;
		histogram_reset(histogram);
		assert(n_counts < POOL);
		counts[n_counts++] = histogram->counts;
	}
	*histogram = (struct histogram){ 0 };
}

int __wrap_hlog_open(struct hlog **ret_hlog)
{
	n_open++;
	if (n_hlogs == 0)
		return __real_hlog_open(ret_hlog);
	*ret_hlog = hlogs[--n_hlogs];
	return 0;
}

void __wrap_hlog_close(struct hlog *hlog)
{
	if (hlog == NULL)
		return;
	n_open--;
	assert(n_hlogs < POOL);
	hlogs[n_hlogs++] = hlog;
}

/* ---- what is sound ---- */

static void check_histogram(const struct histogram *times)
{
	struct histogram_bucket bucket;
	uint64_t n = 0;
	for (size_t at = 0; histogram_next(times, &at, &bucket);)
		n += bucket.n;
	assert(n == times->n && n <= INT64_MAX);
	assert(n == 0 || times->min_ns <= times->max_ns);
}

static void check_series(const struct run *run)
{
	uint64_t end_ns = 0, n_echoes = 0, n_bytes = 0, n_failures = 0;
	for (size_t i = 0; i < run->series.n; i++) {
		const struct time_series_interval *interval = &run->series.list[i];
		assert(interval->start_ns >= end_ns);
		end_ns = interval->start_ns + interval->length_ns;
		n_echoes += interval->n_echoes;
		n_bytes += interval->bytes_verified;
		n_failures += interval->n_failures;
	}
	assert(run->series.n == 0 || n_echoes == run->result.n_echoes);
	assert(run->series.n == 0 || run->format != RUN_TCPECHO ||
	       (n_bytes == run->result.bytes_verified &&
		n_failures == result_failures(&run->result)));
}

static void check_metrics(const struct run *run)
{
	static const char *const names[] = {
		"p50",           "mean", "service.p99", "rate",
		"connect.p99.9", "max",  "failures",    "missing_bytes"
	};
	const struct sample sample = { .runs = run, .n = 1, .sum = run->result };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct metric metric;
		struct sample_value value;
		assert(metric_find(names[i], strlen(names[i]), &metric));
		if (sample_value(&sample, &metric, &value))
			assert(isfinite(value.value) && value.value >= 0 &&
			       value.min == value.value && value.max == value.value);
	}
}

static void check_shown(const struct run *run)
{
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	assert(out != NULL);
	show_write_text(out, run);
	assert(fclose(out) == 0);
	for (size_t i = 0; i < n; i++)
		assert(text[i] == '\n' || ((unsigned char)text[i] >= ' ' && text[i] != 0x7f));
	free(text);
}

/* ---- written, and read again ---- */

static char *document_of(const struct run *run, size_t *ret_n)
{
	char *text;
	FILE *out = open_memstream(&text, ret_n);
	assert(out != NULL);
	assert(run_write_json(out, run) == 0);
	assert(fclose(out) == 0);
	return text;
}

static void check_again(const struct run *run)
{
	struct run again;
	struct run_refusal why;
	size_t n_first, n_second;
	char *first = document_of(run, &n_first);
	int rc = run_read(first, n_first, 1, &again, &why);
	assert(rc == 0);
	char *second = document_of(&again, &n_second);
	assert(n_first == n_second && memcmp(first, second, n_first) == 0);
	free(second);
	free(first);
	run_close(&again);
}

static void check(const char *bytes, size_t n)
{
	struct run run;
	struct run_refusal why = { "" };
	int rc = run_read(bytes, n, 1000000, &run, &why);
	if (rc < 0) {
		assert(rc == -EBADMSG && why.text[0] != '\0' && n_open == 0);
		return;
	}
	const struct result *result = &run.result;
	check_histogram(&result->response);
	check_histogram(&result->service);
	check_histogram(&result->lateness);
	check_histogram(&result->connect);
	check_series(&run);
	run.name = strdup("name");
	check_metrics(&run);
	check_shown(&run);
	if (run.format == RUN_TCPECHO)
		check_again(&run);
	run_close(&run);
	assert(n_open == 0);
}

void json_check(const char *head, const uint8_t *data, size_t size)
{
	size_t head_size = strlen(head);
	char *bytes = malloc(head_size + size + 1);
	if (bytes == NULL)
		return;
	memcpy(bytes, head, head_size);
	if (size > 0)
		memcpy(bytes + head_size, data, size);
	bytes[head_size + size] = '\0';
	check(bytes, head_size + size);
	free(bytes);
}
