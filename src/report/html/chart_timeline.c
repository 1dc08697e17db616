/* SPDX-License-Identifier: MIT */
#include "report/html/chart.h"
#include "report/html/plot.h"

/* Number of marks on a line over time. */
#define MARKS 7

/* ---- charts ---- */

/* Begins the figure, and names the tables from which page.js reads values at the pointer. */
static void open_figure(const struct view *view)
{
	fputs("<figure class=\"chart\" data-tables=\"", view->out);
	for (size_t i = 0; i < view->n; i++) {
		if (view->timelines[i].n > 0)
			fprintf(view->out, "pieces-%zu ", i + 1);
	}
	fputs("\">\n", view->out);
}

/* Draws marks at equal distances. The marks of each run are between those of the others. */
static void put_timeline_marks(const struct view *view, const struct plot *plot, size_t run,
			       double (*value)(const struct timeline_slice *slice))
{
	const struct timeline *timeline = &view->timelines[run];
	for (size_t i = 0; i < MARKS; i++) {
		double part = ((double)i + ((double)run + 0.5) / (double)view->n) / MARKS;
		size_t at = (size_t)(part * (double)timeline->n);
		if (timeline->n < MARKS && i != run % MARKS)
			continue;
		const struct timeline_slice *slice = &timeline->slices[at];
		double middle_s = (slice->start_s + slice->end_s) / 2;
		plot_mark(view->out, run, "course", scale_at(&plot->x, middle_s),
			  scale_at(&plot->y, value(slice)));
	}
}

/* Draws a line with marks for each run. */
static void draw(const struct view *view, struct plot *plot,
		 double (*value)(const struct timeline_slice *slice))
{
	char class[32];
	plot->x_title = "since the measuring began";
	plot->x = view->elapsed;
	plot->x_ticks = scale_ticks_of_elapsed(&plot->x);
	plot->y_ticks = scale_ticks_of_counts(&plot->y);
	open_figure(view);
	plot_open(view->out, plot);
	plot_shapes_open(view->out);
	for (size_t i = 0; i < view->n; i++) {
		snprintf(class, sizeof(class), "line run-%zu", i + 1);
		if (view->timelines[i].n > 0)
			plot_timeline(view->out, plot, &view->timelines[i], class, value);
	}
	plot_shapes_close(view->out);
	for (size_t i = 0; i < view->n; i++) {
		if (view->timelines[i].n > 0)
			put_timeline_marks(view, plot, i, value);
	}
	plot_close(view->out, plot);
	fputs("</figure>\n", view->out);
}

static double max_of(const struct view *view, double (*value)(const struct timeline_slice *slice))
{
	double max = 0;
	for (size_t i = 0; i < view->n; i++) {
		for (size_t j = 0; j < view->timelines[i].n; j++) {
			double at = value(&view->timelines[i].slices[j]);
			max = at > max ? at : max;
		}
	}
	return max;
}

void chart_rates(const struct view *view)
{
	struct plot plot = {
		.id = "rates",
		.about = "A line for each run; their values are in the tables below.",
		.y_title = "echoes per second",
		.y = scale_counts(max_of(view, timeline_rate), 0.001),
	};
	draw(view, &plot, timeline_rate);
}

void chart_failures(const struct view *view)
{
	double max = max_of(view, timeline_failure_rate);
	if (max <= 0) {
		fputs("<p>Nothing failed.</p>\n", view->out);
		return;
	}
	struct plot plot = {
		.id = "failures",
		.about = "A line for each run; their values are in the tables below.",
		.y_title = "failures per second",
		.y = scale_counts(max, 0.001),
	};
	draw(view, &plot, timeline_failure_rate);
}

/* ---- the table ---- */

static void put_times(FILE *out, const struct timeline_slice *slice)
{
	if (slice->n_echoes == 0)
		fputs("<td></td><td></td><td></td>", out);
	else
		fprintf(out, "<td>%s</td><td>%s</td><td>%s</td>", format_time(slice->p50_ns).text,
			format_time(slice->p99_ns).text, format_time(slice->max_ns).text);
}

void chart_slices(const struct view *view, size_t i)
{
	FILE *out = view->out;
	const struct timeline *timeline = &view->timelines[i];
	if (timeline->n == 0)
		return;
	fprintf(out, "<details class=\"run-%zu\"><summary>", i + 1);
	if (view->n > 1)
		view_put_name(view, i);
	fputs(view->n > 1 ? " in numbers" : "In numbers", out);
	if (timeline->sum > 1)
		fprintf(out, ", up to %zu intervals in each row", timeline->sum);
	fputs("</summary>\n", out);
	view_begin_scroll(view, "the course in numbers");
	fprintf(out,
		"<table id=\"pieces-%zu\" data-run=\"%zu\">\n<thead><tr><th scope=\"col\">from</th>"
		"<th scope=\"col\">echoes</th><th scope=\"col\">failures</th>"
		"<th scope=\"col\">p50</th><th scope=\"col\">p99</th><th scope=\"col\">max</th>"
		"</tr></thead>\n<tbody>\n",
		i + 1, i + 1);
	for (size_t j = 0; j < timeline->n; j++) {
		const struct timeline_slice *slice = &timeline->slices[j];
		double middle_s = (slice->start_s + slice->end_s) / 2;
		fprintf(out, "<tr data-x=\"%.1f\"><th scope=\"row\">%s</th><td>%s</td><td>%s</td>",
			PLOT_EXTENT * scale_at(&view->elapsed, middle_s),
			format_seconds(slice->start_s).text, format_rate(timeline_rate(slice)).text,
			format_count(slice->n_failures).text);
		put_times(out, slice);
		fputs("</tr>\n", out);
	}
	fputs("</tbody>\n</table></div></details>\n", out);
}
