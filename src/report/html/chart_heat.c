/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "base/compiler.h"
#include "report/html/chart.h"
#include "report/html/plot.h"

/* Maximum number of rows: fewer than can be distinguished, enough to show two peaks. */
#define ROWS_MAX 48

/*
 * Shades, the palest first: minimum count per cell for each. The first set that reaches the maximum
 * is used.
 */
#define LEVELS 8
static const double bounds[][LEVELS] = {
	{ 1, 2, 3, 5, 7, 10, 15, 20 },           { 1, 2, 5, 10, 20, 50, 100, 200 },
	{ 1, 3, 10, 30, 100, 300, 1000, 3000 },  { 1, 5, 20, 100, 500, 2000, 10000, 50000 },
	{ 1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7 }, { 1, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12, 1e14 },
};

struct heat {
	struct plot plot;
	size_t rows_each; /* timeline rows per row of the map */
	const double *bounds;
};

/* Returns the number of timeline rows per row of the map. */
static size_t rows_each(const struct scale *times)
{
	static const size_t choices[] = { 1, 2, 4, 8, 20 };
	double rows = TIMELINE_ROWS_PER_DECADE * scale_log10(times->high / times->low);
	size_t i = 0;
	while (i + 1 < ARRAY_LEN(choices) && rows / (double)choices[i] > ROWS_MAX)
		i++;
	return choices[i];
}

static uint64_t count_at(const struct timeline_slice *slice, size_t row, size_t n_rows)
{
	uint64_t n = 0;
	for (size_t i = row; i < row + n_rows && i < TIMELINE_ROWS; i++)
		n += slice->rows[i];
	return n;
}

static int level_of(const struct heat *heat, uint64_t n)
{
	int level = 0;
	while (level + 1 < LEVELS && (double)n >= heat->bounds[level + 1])
		level++;
	return level;
}

/* All maps get the same shades and axes, so that they can be compared. */
static struct heat heat_of(const struct view *view)
{
	uint64_t min_ns = UINT64_MAX, max_ns = 0, max = 0;
	for (size_t i = 0; i < view->n; i++) {
		const struct timeline *timeline = &view->timelines[i];
		const struct histogram *times = &view->runs[i].result.response;
		if (timeline->n == 0 || times->n == 0)
			continue;
		min_ns = times->min_ns < min_ns ? times->min_ns : min_ns;
		max_ns = times->max_ns > max_ns ? times->max_ns : max_ns;
	}
	struct heat heat = { .plot.y = scale_log_times(min_ns, max_ns) };
	heat.rows_each = rows_each(&heat.plot.y);
	for (size_t i = 0; i < view->n; i++) {
		for (size_t j = 0; j < view->timelines[i].n; j++) {
			for (size_t row = 0; row < TIMELINE_ROWS; row += heat.rows_each) {
				const struct timeline_slice *slice = &view->timelines[i].slices[j];
				uint64_t n = count_at(slice, row, heat.rows_each);
				max = n > max ? n : max;
			}
		}
	}
	size_t i = 0;
	while (i + 1 < ARRAY_LEN(bounds) && (double)max >= 4 * bounds[i][LEVELS - 1])
		i++;
	heat.bounds = bounds[i];
	return heat;
}

/* Returns the lower edge of a row, in units from the top. */
static double edge_of(const struct scale *times, size_t row)
{
	double low = scale_log10(times->low), high = scale_log10(times->high);
	double at = ((double)row / TIMELINE_ROWS_PER_DECADE - low) / (high - low);
	if (at < 0)
		return PLOT_EXTENT;
	return at < 1 ? PLOT_EXTENT * (1 - at) : 0;
}

/* Draws the cells of one shade. Vertical neighbours become one rectangle. */
static void put_level(FILE *out, const struct heat *heat, const struct timeline *timeline,
		      int level)
{
	const struct scale *times = &heat->plot.y;
	fprintf(out, "<path class=\"heat-%d\" d=\"", level + 1);
	for (size_t i = 0; i < timeline->n; i++) {
		const struct timeline_slice *slice = &timeline->slices[i];
		double from = PLOT_EXTENT * scale_at(&heat->plot.x, slice->start_s);
		double to = PLOT_EXTENT * scale_at(&heat->plot.x, slice->end_s);
		for (size_t row = 0, n; row < TIMELINE_ROWS; row += n) {
			size_t first = row;
			n = heat->rows_each;
			for (; row < TIMELINE_ROWS; row += n) {
				uint64_t count = count_at(slice, row, n);
				if (count == 0 || level_of(heat, count) != level)
					break;
			}
			double top = edge_of(times, row), bottom = edge_of(times, first);
			if (row > first && bottom > top)
				fprintf(out, "M%.1f %.1fH%.1fV%.1fH%.1fZ", from, top, to, bottom,
					from);
		}
	}
	fputs("\"/>\n", out);
}

/* Writes the legend of the shades. */
static void put_shades(const struct view *view, const struct heat *heat)
{
	fputs("<p class=\"shades\">echoes in a cell, at least: ", view->out);
	for (int level = 0; level < LEVELS; level++)
		fprintf(view->out,
			"<span><svg class=\"swatch\" aria-hidden=\"true\"><rect width=\"100%%\" "
			"height=\"100%%\" class=\"heat-%d\"/></svg>%s</span> ",
			level + 1, format_round_count(heat->bounds[level]).text);
	for (int is_p99 = 0; is_p99 <= 1; is_p99++)
		fprintf(view->out,
			"<span><svg class=\"sign\" aria-hidden=\"true\">"
			"<line x2=\"100%%\" y1=\"50%%\" y2=\"50%%\" class=\"over %s\"/>"
			"</svg>%s</span> ",
			is_p99 ? "p99" : "p50", is_p99 ? "p99" : "p50");
	fputs("</p>\n", view->out);
}

static double p50_of(const struct timeline_slice *slice)
{
	return slice->n_echoes > 0 ? (double)slice->p50_ns : NAN;
}

static double p99_of(const struct timeline_slice *slice)
{
	return slice->n_echoes > 0 ? (double)slice->p99_ns : NAN;
}

static void put_map(const struct view *view, const struct heat *heat, size_t i)
{
	FILE *out = view->out;
	const struct timeline *timeline = &view->timelines[i];
	struct plot plot = heat->plot;
	char id[32];
	snprintf(id, sizeof(id), "heat-of-%zu", i + 1);
	plot.id = id;
	fprintf(out, "<figure class=\"chart run-%zu\" data-tables=\"pieces-%zu\">\n", i + 1, i + 1);
	fprintf(out, "<figcaption id=\"title-%s\">", id);
	view_put_sign(view, i);
	view_put_name(view, i);
	fputs(", response time, logarithmic</figcaption>\n", out);
	plot_open(out, &plot);
	plot_shapes_open(out);
	for (int level = 0; level < LEVELS; level++)
		put_level(out, heat, timeline, level);
	plot_timeline(out, &plot, timeline, "over halo", p50_of);
	plot_timeline(out, &plot, timeline, "over halo", p99_of);
	plot_timeline(out, &plot, timeline, "over p50", p50_of);
	plot_timeline(out, &plot, timeline, "over p99", p99_of);
	plot_shapes_close(out);
	plot_close(out, &plot);
	fputs("</figure>\n", out);
}

void chart_heat(const struct view *view)
{
	struct heat heat = heat_of(view);
	heat.plot.about = "A darker cell has more echoes with that time; "
			  "percentiles are in the tables above.";
	heat.plot.x_title = "since the measuring began";
	heat.plot.x = view->elapsed;
	heat.plot.x_ticks = scale_ticks_of_elapsed(&heat.plot.x);
	heat.plot.y_ticks = scale_ticks_of_times(&heat.plot.y);
	put_shades(view, &heat);
	for (size_t i = 0; i < view->n; i++) {
		if (view->timelines[i].n > 0 && view->runs[i].result.response.n > 0)
			put_map(view, &heat, i);
	}
}
