/* SPDX-License-Identifier: MIT */
#include "report/html/course.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "report/html/decade.h"

static size_t row_of(const struct histogram_bucket *bucket)
{
	double middle = ((double)bucket->lowest_ns + (double)bucket->highest_ns) / 2;
	if (middle < 1)
		return 0;
	double row = COURSE_ROWS_PER_DECADE * decade_log(middle);
	return row < COURSE_ROWS ? (size_t)row : COURSE_ROWS - 1;
}

static void count_times(struct course_piece *piece, const struct histogram *times)
{
	struct histogram_bucket bucket;
	for (size_t at = 0; histogram_next(times, &at, &bucket);)
		piece->rows[row_of(&bucket)] += bucket.n;
	piece->p50_ns = histogram_percentile_ns(times, 50);
	piece->p99_ns = histogram_percentile_ns(times, 99);
	piece->max_ns = times->max_ns;
}

/* Adds these intervals, one at least, up. */
MUST_USE static int add_up(const struct time_series_interval *list, size_t n, struct hlog *hlog,
			   struct histogram *work, struct course_piece *piece)
{
	histogram_reset(work);
	piece->start_s = clock_s(list[0].start_ns);
	for (size_t i = 0; i < n; i++) {
		double length_s = clock_s(list[i].length_ns);
		piece->end_s = clock_s(list[i].start_ns) + length_s;
		piece->measured_s += length_s;
		piece->n_echoes += list[i].n_echoes;
		piece->n_failures += list[i].n_failures;
		int rc = list[i].response != NULL ? hlog_decode(hlog, list[i].response, work) : 0;
		if (rc < 0)
			return rc;
	}
	count_times(piece, work);
	return 0;
}

/* Where an interval is, counted in lengths of the first: rounded, as starts in files are. */
static uint64_t place_of(const struct time_series *series, size_t i)
{
	const struct time_series_interval *first = &series->list[0];
	uint64_t each_ns = first->length_ns > 0 ? first->length_ns : 1;
	return (first[i].start_ns - first->start_ns + each_ns / 2) / each_ns;
}

/* How many from that one on are a piece: one while they are few, else those of so many places. */
static size_t count_in_piece(const struct time_series *series, uint64_t n_places, size_t from)
{
	size_t n = 1;
	if (series->n <= COURSE_PIECES_MOST)
		return n;
	uint64_t piece = place_of(series, from) / n_places;
	while (from + n < series->n && place_of(series, from + n) / n_places == piece)
		n++;
	return n;
}

int course_open(const struct time_series *series, struct hlog *hlog, struct histogram *work,
		struct course *ret_course)
{
	struct course course = { 0 };
	if (series->n == 0) {
		*ret_course = course;
		return 0;
	}
	size_t n_most = series->n < COURSE_PIECES_MOST ? series->n : COURSE_PIECES_MOST;
	course.pieces = calloc(n_most, sizeof(*course.pieces));
	if (course.pieces == NULL)
		return -ENOMEM;
	uint64_t n_places = place_of(series, series->n - 1) / COURSE_PIECES_MOST + 1;
	for (size_t from = 0, n; from < series->n; from += n) {
		n = count_in_piece(series, n_places, from);
		assert(course.n < n_most);
		course.sum = n > course.sum ? n : course.sum;
		int rc = add_up(series->list + from, n, hlog, work, &course.pieces[course.n++]);
		if (rc < 0) {
			course_close(&course);
			return rc;
		}
	}
	*ret_course = course;
	return 0;
}

void course_close(struct course *course)
{
	free(course->pieces);
	*course = (struct course){ 0 };
}

double course_end_s(const struct course *course)
{
	double end_s = 0;
	for (size_t i = 0; i < course->n; i++) {
		double s = course->pieces[i].end_s;
		end_s = s > end_s ? s : end_s;
	}
	return end_s;
}

double course_rate(const struct course_piece *piece)
{
	return piece->measured_s > 0 ? (double)piece->n_echoes / piece->measured_s : 0;
}

double course_failure_rate(const struct course_piece *piece)
{
	return piece->measured_s > 0 ? (double)piece->n_failures / piece->measured_s : 0;
}
