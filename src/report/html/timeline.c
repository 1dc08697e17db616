/* SPDX-License-Identifier: MIT */
#include "report/html/timeline.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "report/html/scale.h"

static size_t heat_row(const struct histogram_bucket *bucket)
{
	double middle = ((double)bucket->lowest_ns + (double)bucket->highest_ns) / 2;
	if (middle < 1)
		return 0;
	double row = TIMELINE_ROWS_PER_DECADE * scale_log10(middle);
	return row < TIMELINE_ROWS ? (size_t)row : TIMELINE_ROWS - 1;
}

static void count_times(struct timeline_slice *slice, const struct histogram *times)
{
	struct histogram_bucket bucket;
	for (size_t at = 0; histogram_next(times, &at, &bucket);)
		slice->rows[heat_row(&bucket)] += bucket.n;
	slice->p50_ns = histogram_percentile_ns(times, 50);
	slice->p99_ns = histogram_percentile_ns(times, 99);
	slice->max_ns = times->max_ns;
}

/* Adds n intervals, at least one, to a slice. */
MUST_USE static int sum_slice(const struct time_series_interval *list, size_t n, struct hlog *hlog,
			      struct histogram *work, struct timeline_slice *slice)
{
	histogram_reset(work);
	slice->start_s = clock_s(list[0].start_ns);
	for (size_t i = 0; i < n; i++) {
		double length_s = clock_s(list[i].length_ns);
		slice->end_s = clock_s(list[i].start_ns) + length_s;
		slice->measured_s += length_s;
		slice->n_echoes += list[i].n_echoes;
		slice->n_failures += list[i].n_failures;
		int rc = list[i].response != NULL ? hlog_decode(hlog, list[i].response, work) : 0;
		if (rc < 0)
			return rc;
	}
	count_times(slice, work);
	return 0;
}

/*
 * Returns the position of an interval in lengths of the first; rounded, because files round starts.
 */
static uint64_t position_of(const struct time_series *series, size_t i)
{
	const struct time_series_interval *first = &series->list[0];
	uint64_t each_ns = first->length_ns > 0 ? first->length_ns : 1;
	return (first[i].start_ns - first->start_ns + each_ns / 2) / each_ns;
}

/*
 * Returns the number of intervals in the next slice: 1 if there are few, else those of n_positions
 * positions.
 */
static size_t count_in_slice(const struct time_series *series, uint64_t n_positions, size_t from)
{
	size_t n = 1;
	if (series->n <= TIMELINE_SLICES_MAX)
		return n;
	uint64_t slice = position_of(series, from) / n_positions;
	while (from + n < series->n && position_of(series, from + n) / n_positions == slice)
		n++;
	return n;
}

int timeline_open(const struct time_series *series, struct hlog *hlog, struct histogram *work,
		  struct timeline *ret_timeline)
{
	struct timeline timeline = { 0 };
	if (series->n == 0) {
		*ret_timeline = timeline;
		return 0;
	}
	size_t n_most = series->n < TIMELINE_SLICES_MAX ? series->n : TIMELINE_SLICES_MAX;
	timeline.slices = calloc(n_most, sizeof(*timeline.slices));
	if (timeline.slices == NULL)
		return -ENOMEM;
	uint64_t n_positions = position_of(series, series->n - 1) / TIMELINE_SLICES_MAX + 1;
	for (size_t from = 0, n; from < series->n; from += n) {
		n = count_in_slice(series, n_positions, from);
		assert(timeline.n < n_most);
		timeline.sum = n > timeline.sum ? n : timeline.sum;
		int rc = sum_slice(series->list + from, n, hlog, work,
				   &timeline.slices[timeline.n++]);
		if (rc < 0) {
			timeline_close(&timeline);
			return rc;
		}
	}
	*ret_timeline = timeline;
	return 0;
}

void timeline_close(struct timeline *timeline)
{
	free(timeline->slices);
	*timeline = (struct timeline){ 0 };
}

double timeline_end_s(const struct timeline *timeline)
{
	double end_s = 0;
	for (size_t i = 0; i < timeline->n; i++) {
		double s = timeline->slices[i].end_s;
		end_s = s > end_s ? s : end_s;
	}
	return end_s;
}

double timeline_rate(const struct timeline_slice *slice)
{
	return slice->measured_s > 0 ? (double)slice->n_echoes / slice->measured_s : 0;
}

double timeline_failure_rate(const struct timeline_slice *slice)
{
	return slice->measured_s > 0 ? (double)slice->n_failures / slice->measured_s : 0;
}
