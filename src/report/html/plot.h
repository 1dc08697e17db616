/* SPDX-License-Identifier: MIT */
/*
 * A drawing: a rectangle with two axes, in SVG that scales with the page.
 *
 * The outer <svg> has no viewBox. Grid lines, labels and marks are placed in per cent, so that text
 * and marks keep their size on every screen and on paper. Lines and areas are in an inner <svg>
 * with a viewBox of PLOT_EXTENT units, which is stretched to the full size.
 */
#ifndef REPORT_HTML_PLOT_H
#define REPORT_HTML_PLOT_H

#include <stddef.h>
#include <stdio.h>

#include "report/html/scale.h"
#include "report/html/timeline.h"

#define PLOT_EXTENT 1000.0

/* All texts are constants of ours, not from a run. */
struct plot {
	const char *id;      /* id of the drawing; its name is in title-ID and about-ID */
	const char *about;   /* description for screen readers */
	const char *x_title; /* under the axis */
	const char *y_title; /* above the axis; NULL: in the caption */
	struct scale x, y;
	struct scale_ticks x_ticks, y_ticks;
};

/* Begins a drawing: writes the grid and its labels. */
void plot_open(FILE *out, const struct plot *plot);
void plot_close(FILE *out, const struct plot *plot);

/* Begin and end the inner <svg> for lines and areas. */
void plot_shapes_open(FILE *out);
void plot_shapes_close(FILE *out);

/* Draws the mark of a run (numbered from 0) with a class ("response"), at x and y from 0 to 1. */
void plot_mark(FILE *out, size_t run, const char *class, double x, double y);

/*
 * Draws a line through one value of each slice of a timeline, with a class ("run-1 line"). The line
 * is interrupted where the value is NAN and at visible pauses between slices.
 */
void plot_timeline(FILE *out, const struct plot *plot, const struct timeline *timeline,
		   const char *class, double (*value)(const struct timeline_slice *slice));

#endif
