/* SPDX-License-Identifier: MIT */
#include "report/html/page.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "report/html/assets.h"
#include "report/html/chart.h"
#include "report/html/format.h"
#include "version.h"

/* With more runs the page is printed in landscape: a table has two columns per run. */
#define NARROW_MAX 3

/* ---- head ---- */

static void put_page_head(const struct view *view)
{
	FILE *out = view->out;
	fprintf(out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"style-src '%s'; script-src '%s'; img-src data:; base-uri 'none'; "
		"form-action 'none'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n"
		"<link rel=\"icon\" href=\"data:,\">\n<title>",
		assets_css_hash, assets_js_hash);
	for (size_t i = 0; i < view->n; i++) {
		fputs(i > 0 ? ", " : "", out);
		view_put_name(view, i);
	}
	fprintf(out, " – tcpecho report</title>\n<style>%s</style>\n</head>\n", assets_css);
	fprintf(out, "<body>\n%s", assets_marks);
}

/* Writes "2 failed, 1 connection error, 3 unfinished". */
static void put_failures(FILE *out, const struct result *result)
{
	uint64_t n_failed = result_failed(result), n_errors = result_connection_errors(result);
	const struct {
		uint64_t n;
		const char *what;
	} counts[] = {
		{ n_failed, "failed" },
		{ result_failures(result) - n_failed, "never sent" },
		{ n_errors, n_errors == 1 ? "connection error" : "connection errors" },
		{ result->n_unfinished, "unfinished" },
	};
	const char *before = "";
	if (result->n_failures == 0 && n_errors == 0) {
		fputs("nothing failed", out);
		before = ", ";
	}
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		if (counts[i].n == 0)
			continue;
		fprintf(out, "%s%s %s", before, format_count(counts[i].n).text, counts[i].what);
		before = ", ";
	}
}

/* Writes the result as a sentence. */
static void put_sentence(const struct view *view, size_t i)
{
	FILE *out = view->out;
	const struct result *result = &view->runs[i].result;
	const struct histogram *times = &result->response;
	double seconds = clock_s(result->elapsed_ns);
	fprintf(out, "%s echo%s", format_count(result->n_echoes).text,
		result->n_echoes == 1 ? "" : "es");
	if (seconds > 0)
		fprintf(out, " in %s, %s", format_seconds(seconds).text,
			format_rate(result_rate(result)).text);
	fputs("; ", out);
	if (times->n > 0)
		fprintf(out, "p50 %s, p99 %s, p99.9 %s, max %s; ",
			format_time(histogram_percentile_ns(times, 50)).text,
			format_time(histogram_percentile_ns(times, 99)).text,
			format_time(histogram_percentile_ns(times, 99.9)).text,
			format_time(times->max_ns).text);
	put_failures(out, result);
}

static void put_runs(const struct view *view)
{
	fputs("<ul class=\"runs\">\n", view->out);
	for (size_t i = 0; i < view->n; i++) {
		fprintf(view->out, "<li class=\"run-%zu\">", i + 1);
		view_put_sign(view, i);
		if (view->n > 1) {
			fputs("<b>", view->out);
			view_put_name(view, i);
			fputs("</b> ", view->out);
		}
		put_sentence(view, i);
		fputs("</li>\n", view->out);
	}
	fputs("</ul>\n", view->out);
}

/* ---- notes: what a reader must know first ---- */

/* Begins a note about a run. */
static void begin_note(const struct view *view, size_t i, const char *kind)
{
	fprintf(view->out, "<li class=\"%s run-%zu\">", kind, i + 1);
	if (view->n > 1) {
		fputs("<b>", view->out);
		view_put_name(view, i);
		fputs("</b>: ", view->out);
	}
}

static void put_warnings(const struct view *view, size_t i)
{
	FILE *out = view->out;
	const struct run *run = &view->runs[i];
	const struct result *result = &run->result;
	struct run_caveats caveats = run_measurement_caveats(run);
	if (caveats.text[0] != '\0') {
		begin_note(view, i, "warning");
		format_put_text(out, caveats.text);
		fputs("</li>\n", out);
	}
	if (result->n_echoes == 0) {
		begin_note(view, i, "warning");
		fputs("no message came back</li>\n", out);
	}
	if (result->n_mismatches > 0) {
		begin_note(view, i, "warning");
		fprintf(out, "no faithful echo: %s wrong byte%s on %s connection%s; first: ",
			format_count(result->wrong_bytes).text, units_s(result->wrong_bytes),
			format_count(result->n_mismatches).text, units_s(result->n_mismatches));
		format_put_text(out, result->first_mismatch);
		fputs("</li>\n", out);
	}
	if (result_missing(result) > 0) {
		begin_note(view, i, "warning");
		fprintf(out, "%s byte%s did not come back</li>\n",
			format_count(result_missing(result)).text, units_s(result_missing(result)));
	}
}

static void put_remarks(const struct view *view, size_t i)
{
	static const char *const inexact[] = {
		[RUN_TCPECHO] = NULL,
		[RUN_HLOG] = "from an HdrHistogram log: every count, and nothing about the client",
		[RUN_HGRM] = "from a list of percentiles: what lies between two lines of it is "
			     "taken to be the second",
		[RUN_FORTIO] = "from fortio: within each coarse bucket the values are "
			       "taken to be spread evenly",
		[RUN_CHECK] = NULL,
	};
	FILE *out = view->out;
	const struct run *run = &view->runs[i];
	if (inexact[run->format] != NULL) {
		begin_note(view, i, "remark");
		fprintf(out, "%s</li>\n", inexact[run->format]);
	}
	if (run->n_merged > 1) {
		begin_note(view, i, "remark");
		fprintf(out, "the sum of %s runs</li>\n", format_count(run->n_merged).text);
	}
	if (run->result.response.n == 0) {
		begin_note(view, i, "remark");
		fputs("nothing came back: there is no time to be drawn</li>\n", out);
	}
	/* The number of these values is unknown for a run from a file. */
	if (run->result.response.max_ns > histogram_highest_ns(HISTOGRAM_BUCKETS - 1)) {
		begin_note(view, i, "remark");
		fputs("what took longer than an hour is drawn as an hour</li>\n", out);
	}
}

static void put_notes(const struct view *view)
{
	fputs("<ul class=\"notes\">\n", view->out);
	for (size_t i = 0; i < view->n; i++)
		put_warnings(view, i);
	for (size_t i = 0; i < view->n; i++)
		put_remarks(view, i);
	fputs("</ul>\n", view->out);
}

/* ---- the legend: check boxes that page.css evaluates ---- */

static void put_legend(const struct view *view)
{
	FILE *out = view->out;
	if (view->n == 1 && !view_has_service(view))
		return;
	fputs("<fieldset class=\"legend\"><legend>Shown</legend>\n", out);
	for (size_t i = 0; view->n > 1 && i < view->n; i++) {
		fprintf(out,
			"<label><input type=\"checkbox\" id=\"show-%zu\" checked "
			"autocomplete=\"off\">",
			i + 1);
		view_put_sign(view, i);
		fprintf(out, "<span id=\"name-%zu\">", i + 1);
		view_put_name(view, i);
		fputs("</span></label>\n", out);
	}
	if (view_has_service(view))
		fputs("<label><input type=\"checkbox\" id=\"show-response\" checked "
		      "autocomplete=\"off\"><svg class=\"sign\" aria-hidden=\"true\"><line "
		      "class=\"line response\" x2=\"100%\" y1=\"50%\" y2=\"50%\"/></svg> "
		      "<span>response</span></label>\n"
		      "<label><input type=\"checkbox\" id=\"show-service\" checked "
		      "autocomplete=\"off\"><svg class=\"sign\" aria-hidden=\"true\"><line "
		      "class=\"line service\" x2=\"100%\" y1=\"50%\" y2=\"50%\"/></svg> "
		      "<span>service</span></label>\n",
		      out);
	fputs("</fieldset>\n", out);
}

/* ---- sections ---- */

static void put_percentiles(const struct view *view)
{
	fputs("<section>\n<h2 id=\"title-percentiles\">Latency by percentile</h2>\n"
	      "<p>Each step to the right leaves a tenth of the echoes, the slowest.",
	      view->out);
	if (view_has_service(view))
		fputs(" Response time counts from when a message was due, service time from when "
		      "it was sent.",
		      view->out);
	fputs("</p>\n", view->out);
	chart_curves(view);
	chart_percentiles(view);
	fputs("</section>\n", view->out);
}

static void put_over_time(const struct view *view)
{
	fputs("<section>\n<h2 id=\"title-rates\">Rate over time</h2>\n", view->out);
	chart_rates(view);
	fputs("</section>\n<section>\n<h2 id=\"title-failures\">Failures over time</h2>\n",
	      view->out);
	chart_failures(view);
	for (size_t i = 0; i < view->n; i++)
		chart_slices(view, i);
	fputs("</section>\n<section>\n<h2>Latency over time</h2>\n", view->out);
	chart_heat(view);
	fputs("</section>\n", view->out);
}

static void put_body(const struct view *view)
{
	FILE *out = view->out;
	fprintf(out, "<main%s>\n<header>\n<h1>", view->n > NARROW_MAX ? " class=\"many\"" : "");
	if (view->n == 1)
		view_put_name(view, 0);
	else
		fprintf(out, "%zu runs", view->n);
	fputs("</h1>\n", out);
	put_notes(view);
	put_runs(view);
	fputs("</header>\n", out);
	put_legend(view);
	put_percentiles(view);
	if (view_has_timeline(view))
		put_over_time(view);
	else
		fputs("<section>\n<h2>Over time</h2>\n<p>When each echo came is not known.</p>\n"
		      "</section>\n",
		      out);
	fputs("<section>\n<h2>Facts</h2>\n", out);
	chart_facts(view);
	fprintf(out,
		"</section>\n<footer>drawn by tcpecho %s</footer>\n</main>\n"
		"<div id=\"readout\" role=\"status\" hidden></div>\n<script>%s</script>\n"
		"</body>\n</html>\n",
		TCPECHO_VERSION, assets_js);
}

int page_write(FILE *out, const struct run *runs, size_t n, size_t *reterr_run)
{
	struct view view;
	int rc = view_open(out, runs, n, &view, reterr_run);
	if (rc < 0)
		return rc;
	put_page_head(&view);
	put_body(&view);
	view_close(&view);
	return 0;
}
