/* SPDX-License-Identifier: MIT */
/*
 * One or several runs as one self-contained HTML page: no network, and JavaScript only for reading
 * the curves with the pointer. Why: docs/decisions/0020-svg-charts.md.
 *
 *	page.c              from head to foot, with the caveats first
 *	view.h              what is shown: runs, timelines, names, legend symbols
 *	chart.h             the charts and tables
 *	plot.h              a drawing: axes, lines, marks
 *	scale.h             position of a value on an axis, and its labels
 *	percentile_curve.h  a histogram as a line
 *	timeline.h          a time series in slices
 *	format.h            numbers and texts from outside
 *	page.css            layout and colours
 *	page.js             the cross-hair
 *
 * The same runs give the same bytes. The contents of a run are not trusted.
 */
#ifndef REPORT_HTML_PAGE_H
#define REPORT_HTML_PAGE_H

#include <stddef.h>
#include <stdio.h>

#include "base/compiler.h"
#include "report/html/view.h"
#include "report/run.h"

/*
 * Writes the page of n runs, 1 to VIEW_RUNS_MAX. Write errors stay in `out` (ferror(3)). Returns
 * 0. On failure nothing is written: -ENOMEM, or the error of hlog_decode() for a string in the
 * series of runs[*reterr_run].
 */
MUST_USE int page_write(FILE *out, const struct run *runs, size_t n, size_t *reterr_run);

#endif
