/* SPDX-License-Identifier: MIT */
#include "report/html/plot.h"

#include <math.h>

/* A shorter pause, in units, is ignored: it cannot be seen, and times in files are rounded. */
#define PAUSE_MIN 0.5

static void put_scale(FILE *out, const char *axis, const struct scale *scale)
{
	fprintf(out, " data-%s=\"%s %.12g %.12g\"", axis, scale->is_log ? "log" : "linear",
		scale->low, scale->high);
}

static void put_grid(FILE *out, const struct plot *plot)
{
	for (size_t i = 0; i < plot->y_ticks.n; i++) {
		const struct scale_tick *tick = &plot->y_ticks.list[i];
		double y = 100 * (1 - tick->at);
		fprintf(out,
			"<line class=\"grid\" x2=\"100%%\" y1=\"%.2f%%\" y2=\"%.2f%%\"/>"
			"<text class=\"y\" x=\"-8\" y=\"%.2f%%\" dy=\".33em\">%s</text>\n",
			y, y, y, tick->label.text);
	}
	for (size_t i = 0; i < plot->x_ticks.n; i++) {
		const struct scale_tick *tick = &plot->x_ticks.list[i];
		double x = 100 * tick->at;
		fprintf(out,
			"<line class=\"grid\" x1=\"%.2f%%\" x2=\"%.2f%%\" y2=\"100%%\"/>"
			"<text class=\"x%s\" x=\"%.2f%%\" y=\"100%%\" dy=\"1.8em\">%s</text>\n",
			x, x, tick->is_minor ? " minor" : "", x, tick->label.text);
	}
}

void plot_open(FILE *out, const struct plot *plot)
{
	if (plot->y_title != NULL)
		fprintf(out, "<p class=\"axis\">%s</p>\n", plot->y_title);
	fprintf(out,
		"<div class=\"plot\"><svg id=\"%s\" role=\"img\" aria-labelledby=\"title-%s\" "
		"aria-describedby=\"about-%s\"",
		plot->id, plot->id, plot->id);
	put_scale(out, "x", &plot->x);
	put_scale(out, "y", &plot->y);
	fprintf(out, "><desc id=\"about-%s\">%s</desc>\n", plot->id, plot->about);
	put_grid(out, plot);
}

void plot_close(FILE *out, const struct plot *plot)
{
	fprintf(out, "</svg></div>\n<p class=\"axis under\">%s</p>\n", plot->x_title);
}

void plot_shapes_open(FILE *out)
{
	fprintf(out, "<svg viewBox=\"0 0 %.0f %.0f\" preserveAspectRatio=\"none\">\n", PLOT_EXTENT,
		PLOT_EXTENT);
}

void plot_shapes_close(FILE *out)
{
	fputs("</svg>\n", out);
}

void plot_mark(FILE *out, size_t run, const char *class, double x, double y)
{
	fprintf(out,
		"<use href=\"#mark-%zu\" class=\"mark run-%zu %s\" x=\"%.2f%%\" y=\"%.2f%%\"/>\n",
		run + 1, run + 1, class, 100 * x, 100 * (1 - y));
}

void plot_timeline(FILE *out, const struct plot *plot, const struct timeline *timeline,
		   const char *class, double (*value)(const struct timeline_slice *slice))
{
	fprintf(out, "<path class=\"%s\" d=\"", class);
	bool goes_on = false;
	double last = 0;
	for (size_t i = 0; i < timeline->n; i++) {
		const struct timeline_slice *slice = &timeline->slices[i];
		double from = PLOT_EXTENT * scale_at(&plot->x, slice->start_s);
		double to = PLOT_EXTENT * scale_at(&plot->x, slice->end_s);
		double y = PLOT_EXTENT * (1 - scale_at(&plot->y, value(slice)));
		bool is_drawn = !isnan(value(slice));
		if (is_drawn && goes_on && from < last + PAUSE_MIN)
			fprintf(out, "H%.1fV%.1fH%.1f", from, y, to);
		else if (is_drawn)
			fprintf(out, "M%.1f %.1fH%.1f", from, y, to);
		goes_on = is_drawn;
		last = to;
	}
	fputs("\"/>\n", out);
}
