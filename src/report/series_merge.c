/* SPDX-License-Identifier: MIT */
#include "report/series_merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stats/hlog.h"
#include "stats/histogram.h"

/* An interval of a part. Its times are whole seconds of the time of day, in ns. */
struct dated_interval {
	uint64_t bin;
	uint64_t start_ns, end_ns;
	const struct time_series_interval *interval;
};

struct dated_intervals {
	struct dated_interval *list;
	size_t n;
};

/* ---- grouping ---- */

static int by_bin(const void *a, const void *b)
{
	const struct dated_interval *one = a, *other = b;
	if (one->bin != other->bin)
		return one->bin < other->bin ? -1 : 1;
	return one->start_ns < other->start_ns ? -1 : one->start_ns > other->start_ns;
}

/* Sorts the intervals into bins of bin_ns. Returns the number of non-empty bins. */
static size_t sort_into_bins(struct dated_intervals *intervals, uint64_t bin_ns)
{
	for (size_t i = 0; i < intervals->n; i++)
		intervals->list[i].bin = intervals->list[i].start_ns / bin_ns;
	qsort(intervals->list, intervals->n, sizeof(*intervals->list), by_bin);
	size_t n_bins = 0;
	for (size_t i = 0; i < intervals->n; i++)
		n_bins += i == 0 || intervals->list[i].bin != intervals->list[i - 1].bin;
	return n_bins;
}

/*
 * Returns the length for which the intervals of a series are made. In a single run some intervals
 * are longer, where the client was stopped, and the last may have any length.
 */
static uint64_t interval_ns_of(const struct time_series *series)
{
	uint64_t shortest_ns = series->interval_ns, bin_ns = CLOCK_NS_PER_S;
	for (size_t i = 0; series->interval_ns == 0 && i + 1 < series->n; i++) {
		if (shortest_ns == 0 || series->list[i].length_ns < shortest_ns)
			shortest_ns = series->list[i].length_ns;
	}
	while (bin_ns < shortest_ns)
		bin_ns *= 2;
	return bin_ns;
}

static uint64_t whole_seconds(uint64_t ns)
{
	return ns / CLOCK_NS_PER_S * CLOCK_NS_PER_S;
}

MUST_USE static int collect_intervals(const struct series_part *parts, size_t n,
				      struct dated_intervals *ret_intervals, uint64_t *ret_bin_ns)
{
	struct dated_intervals intervals = { 0 };
	size_t n_all = 0;
	uint64_t bin_ns = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t of_part_ns = interval_ns_of(parts[i].series);
		n_all += parts[i].series->n;
		bin_ns = of_part_ns > bin_ns ? of_part_ns : bin_ns;
	}
	intervals.list = calloc(n_all > 0 ? n_all : 1, sizeof(*intervals.list));
	if (intervals.list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < parts[i].series->n; j++) {
			const struct time_series_interval *interval = &parts[i].series->list[j];
			uint64_t start_ns = whole_seconds(parts[i].start_ns + interval->start_ns);
			intervals.list[intervals.n++] = (struct dated_interval){
				.start_ns = start_ns,
				.end_ns = start_ns + interval->length_ns,
				.interval = interval,
			};
		}
	}
	*ret_intervals = intervals;
	*ret_bin_ns = bin_ns;
	return 0;
}

/* ---- adding ---- */

struct adder {
	struct hlog *hlog;
	struct histogram response, service;
};

MUST_USE static int adder_open(struct adder *ret_adder)
{
	struct adder adder = { 0 };
	int rc = hlog_open(&adder.hlog);
	if (rc == 0)
		rc = histogram_open(&adder.response);
	if (rc == 0)
		rc = histogram_open(&adder.service);
	if (rc == 0) {
		*ret_adder = adder;
		return 0;
	}
	histogram_close(&adder.response);
	hlog_close(adder.hlog);
	return rc;
}

static void adder_close(struct adder *adder)
{
	histogram_close(&adder->service);
	histogram_close(&adder->response);
	hlog_close(adder->hlog);
}

/* Adds n intervals of one bin to an empty interval. */
MUST_USE static int add_bin(struct adder *adder, const struct dated_interval *intervals, size_t n,
			    struct time_series_interval *sum)
{
	uint64_t end_ns = 0;
	int rc = 0;
	sum->start_ns = intervals[0].start_ns;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct time_series_interval *interval = intervals[i].interval;
		end_ns = intervals[i].end_ns > end_ns ? intervals[i].end_ns : end_ns;
		sum->n_echoes += interval->n_echoes;
		sum->n_unfinished += interval->n_unfinished;
		sum->bytes_verified += interval->bytes_verified;
		sum->n_failures += interval->n_failures;
		rc = hlog_unpack(adder->hlog, interval->response, &adder->response);
		if (rc == 0)
			rc = hlog_unpack(adder->hlog, interval->service, &adder->service);
	}
	sum->length_ns = end_ns - sum->start_ns;
	if (rc == 0)
		rc = hlog_pack(adder->hlog, &adder->response, &sum->response);
	if (rc == 0)
		rc = hlog_pack(adder->hlog, &adder->service, &sum->service);
	return rc;
}

/*
 * first_ns: the whole second in which the first part began. An interval that overlaps the next one,
 * because the client was stopped, is cut at the start of the next.
 */
MUST_USE static int add_bins(const struct dated_intervals *intervals, uint64_t first_ns,
			     struct time_series *series)
{
	struct adder adder;
	int rc = adder_open(&adder);
	if (rc < 0)
		return rc;
	for (size_t i = 0, n; rc == 0 && i < intervals->n; i += n) {
		const struct dated_interval *first = &intervals->list[i];
		for (n = 1; i + n < intervals->n && first[n].bin == first->bin; n++)
			continue;
		struct time_series_interval *sum = &series->list[series->n++];
		rc = add_bin(&adder, first, n, sum);
		sum->start_ns -= first_ns;
		if (series->n > 1 && sum[-1].start_ns + sum[-1].length_ns > sum->start_ns)
			sum[-1].length_ns = sum->start_ns - sum[-1].start_ns;
	}
	adder_close(&adder);
	return rc;
}

/*
 * Merges into intervals of series->interval_ns. The caller must free the list, also after a
 * failure.
 */
MUST_USE static int add_all(struct dated_intervals *intervals, uint64_t first_ns,
			    struct time_series *series)
{
	size_t n_bins;
	while ((n_bins = sort_into_bins(intervals, series->interval_ns)) > SERIES_MERGE_MAX)
		series->interval_ns *= 2; /* ends when all are in one bin */
	series->list = calloc(n_bins > 0 ? n_bins : 1, sizeof(*series->list));
	return series->list != NULL ? add_bins(intervals, first_ns, series) : -ENOMEM;
}

static bool is_too_large(const struct time_series *series)
{
	size_t n_bytes = 0;
	for (size_t i = 0; i < series->n; i++)
		n_bytes += time_series_interval_bytes(&series->list[i]);
	return series->n > 1 && n_bytes > TIME_SERIES_BYTES_MAX;
}

int series_merge(const struct series_part *parts, size_t n, struct time_series *ret_series)
{
	struct dated_intervals intervals;
	struct time_series series = { 0 };
	uint64_t first_ns = UINT64_MAX;
	int rc = collect_intervals(parts, n, &intervals, &series.interval_ns);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		uint64_t start_ns = whole_seconds(parts[i].start_ns);
		first_ns = start_ns < first_ns ? start_ns : first_ns;
	}
	rc = add_all(&intervals, first_ns, &series);
	while (rc == 0 && is_too_large(&series)) {
		uint64_t interval_ns = 2 * series.interval_ns;
		time_series_close(&series);
		series.interval_ns = interval_ns;
		rc = add_all(&intervals, first_ns, &series);
	}
	free(intervals.list);
	if (rc == 0)
		*ret_series = series;
	else
		time_series_close(&series);
	return rc;
}
