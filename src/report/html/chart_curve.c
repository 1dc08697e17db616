/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/compiler.h"
#include "report/html/chart.h"
#include "report/html/percentile_curve.h"
#include "report/html/plot.h"

/* ---- the curves ---- */

/* Returns the axes for everything that is drawn. */
static struct plot plot_of(const struct view *view)
{
	uint64_t n = 0, min_ns = UINT64_MAX, typical_ns = UINT64_MAX, max_ns = 0;
	for (size_t i = 0; i < view->n; i++) {
		const struct result *result = &view->runs[i].result;
		const struct histogram *drawn[] = { &result->response, &result->service };
		for (size_t j = 0; j < (view->has_service[i] ? 2 : 1); j++) {
			if (drawn[j]->n == 0)
				continue;
			uint64_t median_ns = histogram_percentile_ns(drawn[j], 50);
			uint64_t own_min_ns = histogram_min_ns(drawn[j]);
			n = drawn[j]->n > n ? drawn[j]->n : n;
			min_ns = own_min_ns < min_ns ? own_min_ns : min_ns;
			typical_ns = median_ns < typical_ns ? median_ns : typical_ns;
			max_ns = drawn[j]->max_ns > max_ns ? drawn[j]->max_ns : max_ns;
		}
	}
	struct plot plot = {
		.id = "percentiles",
		.about = "A line for each run; their values are in the table below.",
		.x_title = "share of the echoes that took no longer",
		.x = scale_percentiles(n),
		.y = scale_times(min_ns, typical_ns, max_ns),
	};
	plot.x_ticks = scale_ticks_of_percentiles(&plot.x);
	plot.y_ticks = scale_ticks_of_times(&plot.y);
	plot.y_title = plot.y.is_log ? "time, logarithmic" : "time";
	return plot;
}

static void put_curve(FILE *out, const struct plot *plot, const struct histogram *times, size_t run,
		      const char *kind)
{
	static struct curve_point corners[CURVE_POINTS_MAX]; /* too large for a stack */
	size_t n = curve_corners(times, &plot->x, &plot->y, corners);
	fprintf(out, "<path class=\"line run-%zu %s\" d=\"M%.1f %.1f", run + 1, kind, corners[0].x,
		corners[0].y);
	for (size_t i = 1; i < n; i++)
		fprintf(out, "H%.1fV%.1f", corners[i].x, corners[i].y);
	fputs("\"/>\n", out);
}

/* Draws a mark at each label of the axis that the curve reaches. */
static void put_curve_marks(FILE *out, const struct plot *plot, const struct histogram *times,
			    size_t run, const char *kind)
{
	double end = curve_end(times->n);
	for (int decades = 0; decades <= SCALE_DECADES_MAX && decades <= end; decades++) {
		double percent = 100 - 100 / scale_power_of_10(decades);
		double ns = (double)histogram_percentile_ns(times, percent);
		if (decades <= plot->x.high)
			plot_mark(out, run, kind, scale_at(&plot->x, decades),
				  scale_at(&plot->y, ns));
	}
}

void chart_curves(const struct view *view)
{
	struct plot plot = plot_of(view);
	fputs("<figure class=\"chart tall\" data-tables=\"values\">\n", view->out);
	plot_open(view->out, &plot);
	plot_shapes_open(view->out);
	for (size_t i = 0; i < view->n; i++) {
		const struct result *result = &view->runs[i].result;
		if (view->has_service[i])
			put_curve(view->out, &plot, &result->service, i, "service");
		if (result->response.n > 0)
			put_curve(view->out, &plot, &result->response, i, "response");
	}
	plot_shapes_close(view->out);
	for (size_t i = 0; i < view->n; i++) {
		const struct result *result = &view->runs[i].result;
		if (view->has_service[i])
			put_curve_marks(view->out, &plot, &result->service, i, "service");
		if (result->response.n > 0)
			put_curve_marks(view->out, &plot, &result->response, i, "response");
	}
	plot_close(view->out, &plot);
	fputs("</figure>\n", view->out);
}

/* ---- the table ---- */

#define COLUMNS_MAX (4 * VIEW_RUNS_MAX)

struct column {
	size_t run;
	const char *kind;
	const struct histogram *times;
	bool is_drawn;
};

struct columns {
	size_t n;
	struct column list[COLUMNS_MAX];
	struct scale percentiles;
};

static void add_column(struct columns *columns, size_t run, const char *kind,
		       const struct histogram *times, bool is_drawn)
{
	if (times->n > 0)
		columns->list[columns->n++] = (struct column){ run, kind, times, is_drawn };
}

static struct columns columns_of(const struct view *view)
{
	struct columns columns = { .percentiles = plot_of(view).x };
	for (size_t i = 0; i < view->n; i++) {
		const struct result *result = &view->runs[i].result;
		add_column(&columns, i, "response", &result->response, true);
		if (view->has_service[i])
			add_column(&columns, i, "service", &result->service, true);
		add_column(&columns, i, "lateness", &result->lateness, false);
		add_column(&columns, i, "connecting", &result->connect, false);
	}
	return columns;
}

static void put_curve_head(const struct view *view, const struct columns *columns)
{
	fputs("<thead>\n", view->out);
	if (view->n > 1) {
		fputs("<tr><td></td>", view->out);
		for (size_t i = 0, n; i < columns->n; i += n) {
			size_t run = columns->list[i].run;
			for (n = 0; i + n < columns->n && columns->list[i + n].run == run;)
				n++;
			fprintf(view->out,
				"<th scope=\"colgroup\" colspan=\"%zu\" class=\"run-%zu\">", n,
				run + 1);
			view_put_sign(view, run);
			view_put_name(view, run);
			fputs("</th>", view->out);
		}
		fputs("</tr>\n", view->out);
	}
	fputs("<tr><th scope=\"col\">share</th>", view->out);
	for (size_t i = 0; i < columns->n; i++) {
		const struct column *column = &columns->list[i];
		fprintf(view->out, "<th scope=\"col\" class=\"run-%zu %s\"%s>%s</th>",
			column->run + 1, column->kind, column->is_drawn ? " data-drawn" : "",
			column->kind);
	}
	fputs("</tr>\n</thead>\n", view->out);
}

static void put_time(FILE *out, const struct column *column, uint64_t ns)
{
	fprintf(out, "<td class=\"run-%zu %s\"><data value=\"%llu\">%s</data></td>",
		column->run + 1, column->kind, (unsigned long long)ns, format_time(ns).text);
}

/*
 * Writes the row of the percentile that one of `one_of` values exceeds, with this number of
 * decimals.
 */
static void put_percentile(FILE *out, const struct columns *columns, double one_of, int decimals)
{
	double percent = 100 - 100 / one_of, decades = scale_log10(one_of);
	if (decades > columns->percentiles.high)
		return;
	fprintf(out, "<tr data-x=\"%.1f\"><th scope=\"row\">%.*f%%%s</th>",
		PLOT_EXTENT * scale_at(&columns->percentiles, decades), decimals, percent,
		decades > 0 ? "" : " (min)");
	for (size_t i = 0; i < columns->n; i++) {
		const struct column *column = &columns->list[i];
		if (decades <= curve_end(column->times->n))
			put_time(out, column, histogram_percentile_ns(column->times, percent));
		else
			fprintf(out, "<td class=\"run-%zu %s\"></td>", column->run + 1,
				column->kind);
	}
	fputs("</tr>\n", out);
}

static void put_totals(FILE *out, const struct columns *columns)
{
	fputs("<tr><th scope=\"row\">max</th>", out);
	for (size_t i = 0; i < columns->n; i++)
		put_time(out, &columns->list[i], columns->list[i].times->max_ns);
	fputs("</tr>\n<tr><th scope=\"row\">mean</th>", out);
	for (size_t i = 0; i < columns->n; i++)
		put_time(out, &columns->list[i], histogram_mean_ns(columns->list[i].times));
	fputs("</tr>\n<tr><th scope=\"row\">number</th>", out);
	for (size_t i = 0; i < columns->n; i++)
		fprintf(out, "<td class=\"run-%zu %s\">%s</td>", columns->list[i].run + 1,
			columns->list[i].kind, format_count(columns->list[i].times->n).text);
	fputs("</tr>\n", out);
}

void chart_percentiles(const struct view *view)
{
	struct columns columns = columns_of(view);
	if (columns.n == 0)
		return;
	view_begin_scroll(view, "times in numbers");
	fputs("<table id=\"values\">\n", view->out);
	put_curve_head(view, &columns);
	fputs("<tbody>\n", view->out);
	put_percentile(view->out, &columns, 1, 0);
	put_percentile(view->out, &columns, 1 / 0.75, 0);
	put_percentile(view->out, &columns, 2, 0);
	put_percentile(view->out, &columns, 4, 0);
	for (int decades = 1; decades <= SCALE_DECADES_MAX; decades++) {
		put_percentile(view->out, &columns, scale_power_of_10(decades),
			       decades > 2 ? decades - 2 : 0);
		put_percentile(view->out, &columns, 2 * scale_power_of_10(decades),
			       decades > 1 ? decades - 1 : 0);
	}
	put_totals(view->out, &columns);
	fputs("</tbody>\n</table></div>\n", view->out);
}
