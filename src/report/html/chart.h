/* SPDX-License-Identifier: MIT */
/*
 * The charts and tables of a page, for all runs or for one of them.
 *
 * A chart is readable without colours (each run has its own mark, service time is dashed). Every
 * value in a chart is also in a table, from which page.js reads the values at the pointer.
 */
#ifndef REPORT_HTML_CHART_H
#define REPORT_HTML_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "report/html/page.h"
#include "report/html/scale.h"
#include "report/html/timeline.h"
#include "report/run.h"

/* What is drawn; made by page.c. */
struct view {
	FILE *out;
	const struct run *runs;
	size_t n;
	bool has_service[PAGE_RUNS_MAX]; /* its service times differ from its response times */
	struct timeline timelines[PAGE_RUNS_MAX];
	struct scale elapsed; /* elapsed time, for all timelines */
};

/* Writes the name of the i-th run as text. */
void chart_name(const struct view *view, size_t i);

/* Writes the legend symbol of the i-th run: its line with its mark. */
void chart_sign(const struct view *view, size_t i);

/* Begins a part of the page with this name. It scrolls by itself if it is too wide. */
void chart_scroll(const struct view *view, const char *name);

/* Percentile curves, and the same as a table. (chart_curve.c) */
void chart_curves(const struct view *view);
void chart_percentiles(const struct view *view);

/* Rates over time, failures over time, and the table of the i-th run. (chart_timeline.c) */
void chart_rates(const struct view *view);
void chart_failures(const struct view *view);
void chart_slices(const struct view *view, size_t i);

/* Heat map of each run: distribution of times over time. (chart_heat.c) */
void chart_heat(const struct view *view);

/* All known facts of each run. (facts.c) */
void chart_facts(const struct view *view);

#endif
