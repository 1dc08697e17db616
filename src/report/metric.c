/* SPDX-License-Identifier: MIT */
#include "report/metric.h"

#include <stdio.h>
#include <string.h>

#include "report/reader.h"
#include "report/run_merge.h"

/* ---- names ---- */

enum metric_source {
	PERCENTILE,
	MINIMUM,
	MEAN,
	MAXIMUM,
	ECHOES,
	UNFINISHED,
	FAILURES,
	CONNECTION_ERRORS,
	MISMATCHES,
	WRONG_BYTES,
	MISSING,
};

static const struct {
	const char *name;
	size_t times;
} prefixes[] = {
	{ "response.", offsetof(struct result, response) },
	{ "service.", offsetof(struct result, service) },
	{ "lateness.", offsetof(struct result, lateness) },
	{ "connect.", offsetof(struct result, connect) },
};

static const struct {
	const char *name;
	enum metric_kind kind;
	enum metric_source figure;
} figures[] = {
	{ "min", METRIC_TIME, MINIMUM },
	{ "mean", METRIC_TIME, MEAN },
	{ "max", METRIC_TIME, MAXIMUM },
	{ "rate", METRIC_RATE, ECHOES },
	{ "echoes", METRIC_COUNT, ECHOES },
	{ "unfinished", METRIC_COUNT, UNFINISHED },
	{ "failures", METRIC_COUNT, FAILURES },
	{ "connection_errors", METRIC_COUNT, CONNECTION_ERRORS },
	{ "mismatches", METRIC_COUNT, MISMATCHES },
	{ "wrong_bytes", METRIC_BYTES, WRONG_BYTES },
	{ "missing_bytes", METRIC_BYTES, MISSING },
};

/* Parses "p99.9", a percentage with up to six decimals. */
MUST_USE static bool percentile_of(const char *text, double *ret_percent)
{
	uint64_t millionths;
	if (*text++ != 'p' || !reader_decimal(&text, 1000000, &millionths) || *text != '\0' ||
	    millionths > UINT64_C(100000000))
		return false;
	*ret_percent = (double)millionths / 1e6;
	return true;
}

bool metric_find(const char *name, size_t n, struct metric *ret_metric)
{
	struct metric metric = { .times = offsetof(struct result, response) };
	if (n >= sizeof(metric.name))
		return false;
	memcpy(metric.name, name, n); /* with or without a prefix */
	const char *rest = metric.name;
	bool has_prefix = false;
	for (size_t i = 0; i < ARRAY_LEN(prefixes) && !has_prefix; i++) {
		size_t length = strlen(prefixes[i].name);
		has_prefix = strncmp(rest, prefixes[i].name, length) == 0;
		if (has_prefix) {
			metric.times = prefixes[i].times;
			rest += length;
		}
	}
	if (percentile_of(rest, &metric.percent)) {
		metric.kind = METRIC_TIME;
		metric.figure = PERCENTILE;
		*ret_metric = metric;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
		if (strcmp(rest, figures[i].name) != 0 ||
		    (has_prefix && figures[i].kind != METRIC_TIME))
			continue;
		metric.kind = figures[i].kind;
		metric.figure = (int)figures[i].figure;
		*ret_metric = metric;
		return true;
	}
	return false;
}

bool metric_is_of_failures(const struct metric *metric)
{
	return metric->kind == METRIC_BYTES ||
	       (metric->kind == METRIC_COUNT && metric->figure != ECHOES &&
		metric->figure != UNFINISHED);
}

/* ---- values ---- */

static double time_of(const struct result *result, const struct metric *metric)
{
	const struct histogram *times = (const void *)((const char *)result + metric->times);
	if (metric->figure == MINIMUM)
		return (double)histogram_min_ns(times);
	if (metric->figure == MEAN)
		return (double)histogram_mean_ns(times);
	if (metric->figure == MAXIMUM)
		return (double)times->max_ns;
	return (double)histogram_percentile_ns(times, metric->percent);
}

static double count_of(const struct result *result, const struct metric *metric)
{
	switch (metric->figure) {
	case UNFINISHED:
		return (double)result->n_unfinished;
	case FAILURES:
		return (double)result_failures(result);
	case CONNECTION_ERRORS:
		return (double)result_connection_errors(result);
	case MISMATCHES:
		return (double)result->n_mismatches;
	case WRONG_BYTES:
		return (double)result->wrong_bytes;
	case MISSING:
		return (double)result_missing(result);
	default:
		return (double)result->n_echoes;
	}
}

static double metric_value(const struct result *result, const struct metric *metric)
{
	if (metric->kind == METRIC_TIME)
		return time_of(result, metric);
	if (metric->kind == METRIC_RATE)
		return result_rate(result);
	return count_of(result, metric);
}

/* Returns whether the run contains the metric. What other tools leave out is unknown, not 0. */
static bool is_metric_known(const struct run *run, const struct metric *metric)
{
	const struct result *result = &run->result;
	const struct histogram *times = (const void *)((const char *)result + metric->times);
	if (metric->kind == METRIC_TIME)
		return times->n > 0;
	if (metric->kind == METRIC_RATE)
		return result->elapsed_ns > 0;
	if (metric->figure == ECHOES)
		return true;
	if (metric->figure != FAILURES)
		return run->format == RUN_TCPECHO;
	/*
	 * Among percentile lists, only those of wrk2 count failures; they also have an elapsed
	 * time.
	 */
	return run->format == RUN_TCPECHO || run->format == RUN_FORTIO ||
	       (run->format == RUN_HGRM && result->elapsed_ns > 0);
}

/* ---- samples ---- */

int sample_open(const struct run *runs, size_t n, struct sample *ret_sample,
		struct run_refusal *reterr_why)
{
	struct sample sample = { .runs = runs, .n = n };
	int rc = result_open(&sample.sum);
	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = run_merge_result(&sample.sum, &runs[i], reterr_why);
		sample.sum.elapsed_ns += runs[i].result.elapsed_ns;
	}
	if (rc == 0)
		*ret_sample = sample;
	else
		sample_close(&sample);
	return rc;
}

void sample_close(struct sample *sample)
{
	result_close(&sample->sum);
}

bool sample_value(const struct sample *sample, const struct metric *metric,
		  struct sample_value *ret_value)
{
	struct sample_value value = { 0 };
	for (size_t i = 0; i < sample->n; i++) {
		if (!is_metric_known(&sample->runs[i], metric))
			return false;
		double of_run = metric_value(&sample->runs[i].result, metric);
		value.min = i == 0 || of_run < value.min ? of_run : value.min;
		value.max = i == 0 || of_run > value.max ? of_run : value.max;
	}
	value.value = metric_value(&sample->sum, metric);
	if (metric->kind == METRIC_COUNT || metric->kind == METRIC_BYTES)
		value.value /= (double)sample->n;
	*ret_value = value;
	return true;
}

bool sample_is_beyond_noise(const struct sample *a, const struct sample_value *of_a,
			    const struct sample *b, const struct sample_value *of_b)
{
	return a->n > 1 && b->n > 1 && (of_a->max < of_b->min || of_b->max < of_a->min);
}

/* ---- formatting ---- */

struct metric_text metric_text(const struct metric *metric, double value)
{
	struct metric_text out;
	/* An average of counts may be a fraction. */
	int digits = value < 1e15 && value != (double)(uint64_t)value ? 2 : 0;
	if (metric->kind == METRIC_TIME)
		snprintf(out.text, sizeof(out.text), "%.1f us", value / 1e3);
	else if (metric->kind == METRIC_RATE)
		snprintf(out.text, sizeof(out.text), "%.1f/s", value);
	else
		snprintf(out.text, sizeof(out.text), "%.*f%s", digits, value,
			 metric->kind == METRIC_BYTES ? " B" : "");
	return out;
}

struct metric_text metric_change(double from, double to)
{
	struct metric_text out = { "" };
	if (from == to)
		snprintf(out.text, sizeof(out.text), "0.0 %%");
	else if (from > 0)
		snprintf(out.text, sizeof(out.text), "%+.1f %%", (to - from) / from * 100);
	return out;
}
