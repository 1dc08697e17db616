/* SPDX-License-Identifier: MIT */
/*
 * What a page consists of: charts and tables, each of all runs or of one of them.
 *
 * A chart is readable without its colours (each run has a mark of its own, service time is dashed),
 * and every value that it shows stands in a table too: that is where page.js reads what is under
 * the pointer.
 */
#ifndef REPORT_HTML_CHART_H
#define REPORT_HTML_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "report/html/timeline.h"
#include "report/html/page.h"
#include "report/html/scale.h"
#include "report/run.h"

/* What is to be drawn, made by metrics_server.c. */
struct view {
	FILE *out;
	const struct run *runs;
	size_t n;
	bool has_service[PAGE_RUNS_MAX]; /* a service time that is not its response time */
	struct timeline timelines[PAGE_RUNS_MAX];
	struct scale elapsed; /* of all courses */
};

/* Writes what the i-th run is called, as text. */
void chart_name(const struct view *view, size_t i);

/* Writes the sign of the i-th run: its line with its mark. */
void chart_sign(const struct view *view, size_t i);

/* Begins a part of the page, of that name, that scrolls by itself where it is too wide. */
void chart_scroll(const struct view *view, const char *name);

/* Which value each percentile is: the curves, and the same in numbers. (chart_curve.c) */
void chart_curves(const struct view *view);
void chart_percentiles(const struct view *view);

/* Rates over time, failures over time; a table of the i-th run's. (chart_timeline.c) */
void chart_rates(const struct view *view);
void chart_failures(const struct view *view);
void chart_pieces(const struct view *view, size_t i);

/* How often each time was, over time, of each run. (chart_heat.c) */
void chart_heat(const struct view *view);

/* All that is known of each run. (run_info.c) */
void chart_facts(const struct view *view);

#endif
