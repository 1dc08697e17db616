/* SPDX-License-Identifier: MIT */
#include "report/html/view.h"

#include <assert.h>
#include <string.h>

#include "report/html/format.h"
#include "stats/hlog.h"

void view_close(struct view *view)
{
	for (size_t i = 0; i < view->n; i++)
		timeline_close(&view->timelines[i]);
}

MUST_USE static int open_timelines(struct view *view, size_t *reterr_run)
{
	struct hlog *hlog;
	struct histogram work;
	int rc = hlog_open(&hlog);
	if (rc < 0)
		return rc;
	rc = histogram_open(&work);
	if (rc < 0)
		goto close_hlog;
	double end_s = 0;
	for (size_t i = 0; i < view->n && rc == 0; i++) {
		*reterr_run = i;
		rc = timeline_open(&view->runs[i].series, hlog, &work, &view->timelines[i]);
		if (rc == 0 && timeline_end_s(&view->timelines[i]) > end_s)
			end_s = timeline_end_s(&view->timelines[i]);
	}
	view->elapsed = scale_elapsed(end_s);
	if (rc < 0)
		view_close(view);
	histogram_close(&work);
close_hlog:
	hlog_close(hlog);
	return rc;
}

int view_open(FILE *out, const struct run *runs, size_t n, struct view *ret_view,
	      size_t *reterr_run)
{
	struct view view = { .out = out, .runs = runs, .n = n };
	assert(n >= 1 && n <= VIEW_RUNS_MAX);
	for (size_t i = 0; i < n; i++) {
		const struct result *result = &runs[i].result;
		/* In a closed loop a message is sent when it is due, so both times are equal. */
		view.has_service[i] = result->service.n > 0 &&
				      !histogram_same(&result->response, &result->service);
	}
	int rc = open_timelines(&view, reterr_run);
	if (rc == 0)
		*ret_view = view;
	return rc;
}

static const char *run_title(const struct run *run)
{
	if (run->name != NULL)
		return run->name;
	return run->target != NULL ? run->target : "run";
}

void view_put_name(const struct view *view, size_t i)
{
	bool has_namesake = false;
	for (size_t j = 0; j < view->n; j++)
		has_namesake |=
			j != i && strcmp(run_title(&view->runs[i]), run_title(&view->runs[j])) == 0;
	format_put_text(view->out, run_title(&view->runs[i]));
	if (has_namesake)
		fprintf(view->out, " (%zu)", i + 1);
}

void view_put_sign(const struct view *view, size_t i)
{
	fprintf(view->out,
		"<svg class=\"sign run-%zu\" aria-hidden=\"true\">"
		"<line class=\"line\" x2=\"100%%\" y1=\"50%%\" y2=\"50%%\"/>"
		"<use href=\"#mark-%zu\" class=\"mark\" x=\"50%%\" y=\"50%%\"/></svg> ",
		i + 1, i + 1);
}

void view_begin_scroll(const struct view *view, const char *name)
{
	fprintf(view->out,
		"<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">", name);
}

bool view_has_service(const struct view *view)
{
	for (size_t i = 0; i < view->n; i++) {
		if (view->has_service[i])
			return true;
	}
	return false;
}

bool view_has_timeline(const struct view *view)
{
	for (size_t i = 0; i < view->n; i++) {
		if (view->timelines[i].n > 0)
			return true;
	}
	return false;
}
