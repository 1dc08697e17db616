/* SPDX-License-Identifier: MIT */
/*
 * What a page shows: its runs with their timelines, and the elements that stand for a run.
 */
#ifndef REPORT_HTML_VIEW_H
#define REPORT_HTML_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/compiler.h"
#include "report/html/scale.h"
#include "report/html/timeline.h"
#include "report/run.h"

/* Maximum number of runs on one page: more lines cannot be distinguished. */
#define VIEW_RUNS_MAX 8

struct view {
	FILE *out;
	const struct run *runs;
	size_t n;
	bool has_service[VIEW_RUNS_MAX]; /* its service times differ from its response times */
	struct timeline timelines[VIEW_RUNS_MAX];
	struct scale elapsed; /* elapsed time, for all timelines */
};

/*
 * Makes the view of n runs, which must outlive it; the caller must close *ret_view. Returns 0,
 * -ENOMEM, or the error of hlog_decode() for a string in the series of runs[*reterr_run].
 */
MUST_USE int view_open(FILE *out, const struct run *runs, size_t n, struct view *ret_view,
		       size_t *reterr_run);
void view_close(struct view *view);

/* Return whether a run has service times to show, and whether one has a timeline. */
bool view_has_service(const struct view *view);
bool view_has_timeline(const struct view *view);

/* Writes the name of the i-th run as text. */
void view_put_name(const struct view *view, size_t i);

/* Writes the legend symbol of the i-th run: its line with its mark. */
void view_put_sign(const struct view *view, size_t i);

/* Begins a part of the page with this name. It scrolls by itself if it is too wide. */
void view_begin_scroll(const struct view *view, const char *name);

#endif
