/* SPDX-License-Identifier: MIT */
/*
 * One or several runs as one page of HTML that needs nothing else: no network, and no JavaScript
 * but for reading the curves with the pointer. Why so: docs/decisions/0020-charts-by-hand.md.
 *
 *	metrics_server.c     from the head to the foot, and what has to be said first
 *	chart.h    the charts and tables between them
 *	plot.h     a drawing: its axes, its lines, its marks
 *	scale.h    where a value stands, and what is written at the axis
 *	percentile_curve.h    a histogram as a line; timeline.h: a series in pieces
 *	page.css   how it looks; page.js: the cross-hair
 *
 * The same runs give the same bytes. Nothing that is in a run is trusted.
 */
#ifndef REPORT_HTML_PAGE_H
#define REPORT_HTML_PAGE_H

#include <stddef.h>
#include <stdio.h>

#include "base/compiler.h"
#include "report/run.h"

/* Runs on one page: of more, nobody could tell the lines apart. */
#define PAGE_RUNS_MAX 8

/*
 * Writes the page of n runs, 1 at least. Errors of writing stay with `out`, for its owner
 * (ferror(3)). Returns 0; or with nothing written -ENOMEM, or what hlog_decode() says of a string
 * in the series of runs[*reterr_run].
 */
MUST_USE int page_write(FILE *out, const struct run *runs, size_t n, size_t *reterr_run);

#endif
