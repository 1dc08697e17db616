/* SPDX-License-Identifier: MIT */
#include "report/verdict_report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "report/html/format.h"

/* Longest name of a check, for aligned text. */
#define NAME_WIDTH 16

const char *verdict_format_name(size_t i)
{
	static const char *const names[VERDICT_FORMATS] = { "text", "tap", "junit", "json" };
	return i < VERDICT_FORMATS ? names[i] : NULL;
}

/* ---- text ---- */

/* SGR sequences (ECMA-48) for each verdict. */
static const char *const colours[VERDICTS] = { "\033[32m", "\033[33m", "\033[31m", "\033[2m",
					       "\033[36m" };

static void write_text_result(FILE *out, const struct verdict_run *run,
			      const struct check_result *result)
{
	fprintf(out, "%s%s%s %-*s ", run->has_colour ? colours[result->verdict] : "",
		verdict_name(result->verdict), run->has_colour ? "\033[0m" : "", NAME_WIDTH,
		result->name);
	if (result->expected[0] != '\0')
		fprintf(out, "expected %s, got ", result->expected);
	fputs(result->actual, out);
	if (result->is_surprise)
		fputs(" (the profile expects a failure)", out);
	if (result->means[0] != '\0')
		fprintf(out, ": %s", result->means);
	fputc('\n', out);
}

static size_t count_surprises(const struct verdict_run *run)
{
	size_t n = 0;
	for (size_t i = 0; i < run->n; i++)
		n += run->results[i].is_surprise;
	return n;
}

static void write_text_end(FILE *out, const struct verdict_run *run)
{
	static const char *const words[VERDICTS] = { "passed", "warned", "failed", "skipped",
						     "expected to fail" };
	const char *between = "";
	for (enum verdict verdict = 0; verdict < VERDICTS; verdict++) {
		size_t count = verdict_count(run->results, run->n, verdict);
		if (count == 0 && verdict != VERDICT_PASS && verdict != VERDICT_FAIL)
			continue;
		fprintf(out, "%s%zu %s", between, count, words[verdict]);
		between = ", ";
	}
	if (count_surprises(run) > 0)
		fprintf(out, ", %zu better than expected", count_surprises(run));
	if (run->is_interrupted)
		fprintf(out, "; interrupted, %zu of %zu checks ended", run->n, run->n_selected);
	fprintf(out, " (%s, seed %" PRIu64 ")\n", run->target, run->seed);
}

/* Returns whether a result makes the exit status 1 (without --strict). */
static bool is_failure(const struct check_result *result)
{
	return result->verdict == VERDICT_FAIL || result->is_surprise;
}

/* ---- TAP 14 (testanything.org) ---- */

/* Writes a text as a YAML scalar in double quotes. */
static void write_yaml(FILE *out, const char *key, const char *text)
{
	fprintf(out, "  %s: \"", key);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputs("\"\n", out);
}

/* A number sign would begin a directive. */
static void write_tap_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '#' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void write_tap_result(FILE *out, const struct check_result *result, size_t number)
{
	bool is_ok = !is_failure(result) && result->verdict != VERDICT_TODO;
	fprintf(out, "%s %zu - %s", is_ok ? "ok" : "not ok", number, result->name);
	if (result->verdict == VERDICT_SKIP) {
		fputs(" # SKIP ", out);
		write_tap_text(out, result->actual);
	} else if (result->verdict == VERDICT_TODO)
		fputs(" # TODO expected by the profile", out);
	fputs("\n  ---\n", out);
	write_yaml(out, "verdict", verdict_name(result->verdict));
	if (result->expected[0] != '\0')
		write_yaml(out, "expected", result->expected);
	write_yaml(out, "actual", result->actual);
	if (result->means[0] != '\0')
		write_yaml(out, "means", result->means);
	if (result->has_offset)
		fprintf(out, "  offset: %" PRIu64 "\n", result->offset);
	fprintf(out, "  duration_ms: %.3f\n  ...\n", (double)result->took_ns / 1e6);
}

/* ---- JUnit XML ---- */

static void write_junit_sentence(FILE *out, const struct check_result *result)
{
	if (result->is_surprise)
		fputs("better than the profile expects: ", out);
	if (result->expected[0] != '\0') {
		fputs("expected ", out);
		format_put_text(out, result->expected);
		fputs(", got ", out);
	}
	format_put_text(out, result->actual);
	if (result->means[0] != '\0') {
		fputs(": ", out);
		format_put_text(out, result->means);
	}
}

static void write_junit_case(FILE *out, const struct check_result *result)
{
	fputs("  <testcase classname=\"tcpecho.check\" name=\"", out);
	format_put_text(out, result->name);
	fprintf(out, "\" time=\"%.6f\">\n", clock_s(result->took_ns));
	if (is_failure(result)) {
		fputs("    <failure message=\"", out);
		write_junit_sentence(out, result);
		fputs("\"/>\n", out);
	} else if (result->verdict == VERDICT_SKIP || result->verdict == VERDICT_TODO) {
		fputs("    <skipped message=\"", out);
		write_junit_sentence(out, result);
		fputs("\"/>\n", out);
	} else {
		fprintf(out, "    <system-out>%s: ", verdict_name(result->verdict));
		write_junit_sentence(out, result);
		fputs("</system-out>\n", out);
	}
	fputs("  </testcase>\n", out);
}

static void write_junit(FILE *out, const struct verdict_run *run)
{
	size_t n_failed = verdict_count(run->results, run->n, VERDICT_FAIL) + count_surprises(run);
	size_t n_skipped = verdict_count(run->results, run->n, VERDICT_SKIP) +
			   verdict_count(run->results, run->n, VERDICT_TODO);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"tcpecho check ", out);
	format_put_text(out, run->target);
	fprintf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%d\" skipped=\"%zu\">\n",
		run->n + run->is_interrupted, n_failed, run->is_interrupted, n_skipped);
	for (size_t i = 0; i < run->n; i++)
		write_junit_case(out, &run->results[i]);
	if (run->is_interrupted)
		fprintf(out,
			"  <testcase classname=\"tcpecho.check\" name=\"interrupted\">\n"
			"    <error message=\"%zu of %zu checks ended\"/>\n  </testcase>\n",
			run->n, run->n_selected);
	fputs("</testsuite>\n", out);
}

/* ---- JSON ---- */

static json_t *text_or_null(const char *text)
{
	return text[0] != '\0' ? json_string(text) : json_null();
}

/* Microseconds, or null if unknown. */
static json_t *us_or_null(uint64_t ns)
{
	return ns != 0 ? json_real(clock_us(ns)) : json_null();
}

static json_t *result_json(const struct check_result *result)
{
	return json_pack(
		"{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:f}", "name", result->name, "verdict",
		verdict_name(result->verdict), "unexpected", result->is_surprise, "expected",
		text_or_null(result->expected), "actual", text_or_null(result->actual), "means",
		text_or_null(result->means), "offset",
		result->has_offset ? json_integer((json_int_t)result->offset) : json_null(),
		"seconds", clock_s(result->took_ns));
}

static json_t *counts_json(const struct verdict_run *run)
{
	json_t *counts = json_object();
	for (enum verdict verdict = 0; verdict < VERDICTS; verdict++)
		json_object_set_new(
			counts, verdict_name(verdict),
			json_integer((json_int_t)verdict_count(run->results, run->n, verdict)));
	return counts;
}

static int write_json(FILE *out, const struct verdict_run *run)
{
	json_t *list = json_array();
	for (size_t i = 0; i < run->n; i++) {
		if (json_array_append_new(list, result_json(&run->results[i])) < 0) {
			json_decref(list);
			return -ENOMEM;
		}
	}
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:I, s:s, s:b, s:o, s:o, s:i, s:o, s:o}", "command", "check",
		"target", run->target, "address", run->address, "seed", (json_int_t)run->seed,
		"start", units_timestamp(run->started_ns).text, "interrupted", run->is_interrupted,
		"connect_us", us_or_null(run->connect_ns), "round_trip_us", us_or_null(run->rtt_ns),
		"selected", (int)run->n_selected, "counts", counts_json(run), "checks", list);
	if (json == NULL)
		return -ENOMEM;
	int rc = json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	json_decref(json);
	fputc('\n', out);
	return rc < 0 && !ferror(out) ? -ENOMEM : 0;
}

/* ---- all formats ---- */

void verdict_write_head(FILE *out, enum verdict_format format, const struct verdict_run *run)
{
	if (format == VERDICT_TAP)
		fprintf(out, "TAP version 14\n1..%zu\n", run->n_selected);
}

void verdict_write_result(FILE *out, enum verdict_format format, const struct verdict_run *run,
			  const struct check_result *result, size_t number)
{
	if (format == VERDICT_TEXT)
		write_text_result(out, run, result);
	else if (format == VERDICT_TAP)
		write_tap_result(out, result, number);
}

int verdict_write_end(FILE *out, enum verdict_format format, const struct verdict_run *run)
{
	switch (format) {
	case VERDICT_TEXT:
		write_text_end(out, run);
		break;
	case VERDICT_TAP:
		if (run->is_interrupted)
			fputs("Bail out! interrupted\n", out);
		break;
	case VERDICT_JUNIT:
		write_junit(out, run);
		break;
	case VERDICT_JSON:
		return write_json(out, run);
	case VERDICT_FORMATS:
		break;
	}
	return 0;
}
