/* SPDX-License-Identifier: MIT */
/*
 * A drawing: a rectangle with two axes, in SVG that grows and shrinks with the page.
 *
 * The outer <svg> has no viewBox: lines of the grid, names at the axes and marks are placed in per
 * cent of it, so that type and marks keep their size from a telephone to a sheet of paper. Lines
 * and areas are in an inner one of PLOT_EXTENT units each way, which is stretched over it.
 */
#ifndef REPORT_HTML_PLOT_H
#define REPORT_HTML_PLOT_H

#include <stddef.h>
#include <stdio.h>

#include "report/html/timeline.h"
#include "report/html/scale.h"

#define PLOT_EXTENT 1000.0

/* All texts are our own, nothing of a run. */
struct plot {
	const char *id;      /* of the drawing; title-ID and about-ID are what it is named by */
	const char *about;   /* for those who do not see it */
	const char *x_title; /* under the axis */
	const char *y_title; /* above the axis; NULL: the caption says it */
	struct scale x, y;
	struct scale_ticks x_ticks, y_ticks;
};

/* Begins a drawing: the grid, and what is written at it. */
void plot_open(FILE *out, const struct plot *plot);
void plot_close(FILE *out, const struct plot *plot);

/* The part in units, for lines and areas: between these two. */
void plot_shapes_open(FILE *out);
void plot_shapes_close(FILE *out);

/* A mark of the run of that number, from 0 on, of a class ("response"), at a place of 0 to 1. */
void plot_mark(FILE *out, size_t run, const char *class, double x, double y);

/*
 * A line of a value of each piece of a course, of a class ("run-1 line"). It breaks where a value
 * is NAN, which is none, and where a pause between two pieces can be seen.
 */
void plot_course(FILE *out, const struct plot *plot, const struct timeline *timeline,
		 const char *class, double (*value)(const struct timeline_slice *piece));

#endif
