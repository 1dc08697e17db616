/* SPDX-License-Identifier: MIT */
/*
 * The charts and tables of a page, for all runs or for one of them.
 *
 * A chart is readable without colours (each run has its own mark, service time is dashed). Every
 * value in a chart is also in a table, from which page.js reads the values at the pointer.
 */
#ifndef REPORT_HTML_CHART_H
#define REPORT_HTML_CHART_H

#include <stddef.h>

#include "report/html/view.h"

/* Percentile curves, and the same as a table. (chart_curve.c) */
void chart_curves(const struct view *view);
void chart_percentiles(const struct view *view);

/* Rates over time, failures over time, and the table of the i-th run. (chart_timeline.c) */
void chart_rates(const struct view *view);
void chart_failures(const struct view *view);
void chart_slices(const struct view *view, size_t i);

/* Heat map of each run: distribution of times over time. (chart_heat.c) */
void chart_heat(const struct view *view);

/* All known facts of each run. (chart_facts.c) */
void chart_facts(const struct view *view);

#endif
