/* SPDX-License-Identifier: MIT */
#include "report/diff.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/compiler.h"

/* Maximum number of parameters that can differ, and size of a value. */
#define DIFFERENCES_MAX 7
#define DIFFERENCE_SIZE 32

static const char *const shown[] = {
	"rate",         "echoes",      "min",
	"mean",         "p50",         "p90",
	"p99",          "p99.9",       "p99.99",
	"max",          "service.p50", "service.p99",
	"lateness.p99", "connect.p50", "connect.p99",
	"unfinished",   "failures",    "connection_errors",
	"mismatches",   "wrong_bytes", "missing_bytes",
};

/* ---- the runs ---- */

static bool is_inexact(const struct run *run)
{
	return run->format == RUN_HGRM || run->format == RUN_FORTIO;
}

static void write_side(FILE *out, const char *what, const struct sample *sample)
{
	fprintf(out, "%s: ", what);
	for (size_t i = 0; i < sample->n; i++)
		fprintf(out, "%s%s%s", i > 0 ? ", " : "", sample->runs[i].name,
			is_inexact(&sample->runs[i]) ? " (times are approximate)" : "");
	fputc('\n', out);
	for (size_t i = 0; i < sample->n; i++) {
		const struct run_caveats all[] = {
			run_measurement_caveats(&sample->runs[i]),
			run_failure_caveats(&sample->runs[i]),
		};
		for (size_t k = 0; k < ARRAY_LEN(all); k++) {
			if (all[k].text[0] != '\0')
				fprintf(out, "     %s: %s\n", sample->runs[i].name, all[k].text);
		}
	}
}

struct difference {
	const char *name;
	char old[DIFFERENCE_SIZE], new[DIFFERENCE_SIZE];
};

struct differences {
	struct difference list[DIFFERENCES_MAX];
	size_t n;
};

/* Adds a parameter if both values are known and differ. */
static void add_text(struct differences *found, const char *name, const char *old, const char *new)
{
	if (old == NULL || new == NULL || strcmp(old, new) == 0)
		return;
	struct difference *difference = &found->list[found->n++];
	difference->name = name;
	snprintf(difference->old, sizeof(difference->old), "%s", old);
	snprintf(difference->new, sizeof(difference->new), "%s", new);
}

static void add_count(struct differences *found, const char *name, uint64_t old, uint64_t new)
{
	char old_text[DIFFERENCE_SIZE], new_text[DIFFERENCE_SIZE];
	if (old == 0 || new == 0)
		return;
	snprintf(old_text, sizeof(old_text), "%" PRIu64, old);
	snprintf(new_text, sizeof(new_text), "%" PRIu64, new);
	add_text(found, name, old_text, new_text);
}

/* Finds the parameters that differ between the first runs of both sides. */
static struct differences find_differences(const struct sample *before, const struct sample *after)
{
	const struct run *old = &before->runs[0], *new = &after->runs[0];
	struct differences found = { .n = 0 };
	add_text(&found, "command", old->command, new->command);
	add_text(&found, "mode", old->mode, new->mode);
	if (old->format == new->format)
		add_text(&found, "churn", old->churns ? "on" : "off", new->churns ? "on" : "off");
	add_count(&found, "connections", old->n_connections, new->n_connections);
	add_count(&found, "size", old->size, new->size);
	add_count(&found, "depth", old->depth, new->depth);
	add_count(&found, "rate wanted", old->rate_wanted, new->rate_wanted);
	return found;
}

static void write_differences(FILE *out, const struct sample *before, const struct sample *after)
{
	const struct differences found = find_differences(before, after);
	for (size_t i = 0; i < found.n; i++)
		fprintf(out, "different %s: %s old, %s new\n", found.list[i].name,
			found.list[i].old, found.list[i].new);
}

/* ---- the table ---- */

static const char *noise_of(const struct sample *before, const struct sample_value *old,
			    const struct sample *after, const struct sample_value *new)
{
	if (before->n < 2 || after->n < 2)
		return "";
	return sample_is_beyond_noise(before, old, after, new) ? "  more than the noise"
							       : "  within the noise";
}

/* Returns whether the metric is a time and messages failed, which have no time. */
static bool leaves_failures_out(const struct sample *sample, const struct metric *metric)
{
	return metric->kind == METRIC_TIME && result_failures(&sample->sum) > 0;
}

/* Formats a value, with "*" if failed messages are missing from it; "-" if `value` is NULL. */
static struct metric_text value_text(const struct sample *sample, const struct metric *metric,
				     const double *value)
{
	struct metric_text text = { "-" };
	if (value == NULL)
		return text;
	const char *mark = leaves_failures_out(sample, metric) ? "*" : "";
	snprintf(text.text, sizeof(text.text), "%.32s%s", metric_text(metric, *value).text, mark);
	return text;
}

static void diff_write_row(FILE *out, const struct metric *metric, const struct sample *before,
			   const struct sample *after)
{
	struct sample_value old, new;
	bool has_old = sample_value(before, metric, &old),
	     has_new = sample_value(after, metric, &new);
	if (!has_old && !has_new)
		return;
	fprintf(out, "%-17s %14s %14s ", metric->name,
		value_text(before, metric, has_old ? &old.value : NULL).text,
		value_text(after, metric, has_new ? &new.value : NULL).text);
	if (has_old && has_new)
		fprintf(out, "%10s%s\n", metric_change(old.value, new.value).text,
			noise_of(before, &old, after, &new));
	else
		fprintf(out, "  not in the %s side\n", has_old ? "new" : "old");
}

/* Writes which differences exceed the noise. Both sides have several runs. */
static void write_noise(FILE *out, const struct sample *before, const struct sample *after)
{
	const char *between = "differences that exceed the noise: ";
	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		struct metric metric;
		struct sample_value old, new;
		bool is_there = metric_find(shown[i], strlen(shown[i]), &metric);
		assert(is_there);
		if (!sample_value(before, &metric, &old) || !sample_value(after, &metric, &new) ||
		    !sample_is_beyond_noise(before, &old, after, &new))
			continue;
		fprintf(out, "%s%s", between, metric.name);
		between = ", ";
	}
	fputs(between[0] == ',' ? "\n" : "no difference exceeds the noise\n", out);
}

void diff_write_text(FILE *out, const struct sample *before, const struct sample *after)
{
	write_side(out, "old", before);
	write_side(out, "new", after);
	write_differences(out, before, after);
	fprintf(out, "%-17s %14s %14s %10s\n", "", "old", "new", "change");
	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		struct metric metric;
		bool is_there = metric_find(shown[i], strlen(shown[i]), &metric);
		assert(is_there);
		diff_write_row(out, &metric, before, after);
	}
	uint64_t n_old = result_failures(&before->sum), n_new = result_failures(&after->sum);
	if (n_old > 0 || n_new > 0)
		fprintf(out, "* without failures: %" PRIu64 " old, %" PRIu64 " new\n", n_old,
			n_new);
	if (before->n > 1 && after->n > 1)
		write_noise(out, before, after);
	else
		fputs("give several runs of each side (OLD... vs NEW...) to see whether a "
		      "difference exceeds the noise\n",
		      out);
}

/* ---- JSON ---- */

static json_t *side_json(const struct sample *sample)
{
	json_t *json = json_array();
	for (size_t i = 0; i < sample->n; i++) {
		const struct run *run = &sample->runs[i];
		const struct run_caveats all[] = { run_measurement_caveats(run),
						   run_failure_caveats(run) };
		json_t *caveats = json_array();
		for (size_t k = 0; k < ARRAY_LEN(all); k++) {
			if (all[k].text[0] != '\0')
				json_array_append_new(caveats, json_string(all[k].text));
		}
		json_array_append_new(json, json_pack("{s:s, s:s?, s:b, s:o}", "file", run->name,
						      "target", run->target, "approximate",
						      is_inexact(run), "caveats", caveats));
	}
	return json;
}

static json_t *differences_json(const struct sample *before, const struct sample *after)
{
	const struct differences found = find_differences(before, after);
	json_t *json = json_array();
	for (size_t i = 0; i < found.n; i++)
		json_array_append_new(json, json_pack("{s:s, s:s, s:s}", "name", found.list[i].name,
						      "old", found.list[i].old, "new",
						      found.list[i].new));
	return json;
}

/* Times are in microseconds, as everywhere in our documents. */
static json_t *value_json(const struct metric *metric, bool is_known, double value)
{
	if (!is_known)
		return json_null();
	return json_real(metric->kind == METRIC_TIME ? value / 1e3 : value);
}

static json_t *figure_json(const struct metric *metric, const struct sample *before,
			   const struct sample *after)
{
	static const char *const unit_names[] = {
		[METRIC_TIME] = "us",
		[METRIC_RATE] = "per second",
		[METRIC_COUNT] = NULL,
		[METRIC_BYTES] = "bytes",
	};
	struct sample_value old = { 0 }, new = { 0 };
	bool has_old = sample_value(before, metric, &old),
	     has_new = sample_value(after, metric, &new);
	if (!has_old && !has_new)
		return NULL;
	bool has_change = has_old && has_new && old.value > 0;
	bool has_noise = has_old && has_new && before->n > 1 && after->n > 1;
	return json_pack("{s:s, s:s?, s:o, s:o, s:o, s:o}", "metric", metric->name, "unit",
			 unit_names[metric->kind], "old", value_json(metric, has_old, old.value),
			 "new", value_json(metric, has_new, new.value), "change_percent",
			 has_change ? json_real((new.value - old.value) / old.value * 100)
				    : json_null(),
			 "beyond_noise",
			 has_noise ? json_boolean(sample_is_beyond_noise(before, &old, after, &new))
				   : json_null());
}

static json_t *figures_json(const struct sample *before, const struct sample *after)
{
	json_t *json = json_array();
	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		struct metric metric;
		bool is_there = metric_find(shown[i], strlen(shown[i]), &metric);
		assert(is_there);
		json_t *figure = figure_json(&metric, before, after);
		if (figure != NULL)
			json_array_append_new(json, figure);
	}
	return json;
}

static json_t *limits_json(const struct diff_limit *limits, size_t n)
{
	static const char *const verdicts[] = {
		[THRESHOLD_HOLDS] = "kept",
		[THRESHOLD_FAILS] = "exceeded",
		[THRESHOLD_UNKNOWN] = "unknown",
	};
	json_t *json = json_array();
	for (size_t i = 0; i < n; i++) {
		const struct diff_limit *limit = &limits[i];
		bool holds = limit->verdict == THRESHOLD_HOLDS;
		json_array_append_new(json,
				      json_pack("{s:s, s:s, s:s?}", "limit", limit->threshold->text,
						"verdict", verdicts[limit->verdict], "sentence",
						holds ? NULL : limit->sentence.text));
	}
	return json;
}

int diff_write_json(FILE *out, const struct sample *before, const struct sample *after,
		    const struct diff_limit *limits, size_t n_limits)
{
	json_t *json =
		json_pack("{s:s, s:o, s:o, s:o, s:{s:I, s:I}, s:o, s:o}", "command", "diff", "old",
			  side_json(before), "new", side_json(after), "differences",
			  differences_json(before, after), "failures", "old",
			  (json_int_t)result_failures(&before->sum), "new",
			  (json_int_t)result_failures(&after->sum), "figures",
			  figures_json(before, after), "limits", limits_json(limits, n_limits));
	if (json == NULL)
		return -ENOMEM;
	/* write errors stay in `out` */
	ignore_result(json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12)));
	fputc('\n', out);
	json_decref(json);
	return 0;
}
