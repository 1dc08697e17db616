/* SPDX-License-Identifier: MIT */
#include "report/diff.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/compiler.h"

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

/* Writes the parameters that differ between the first runs of both sides, if both are known. */
static void write_differences(FILE *out, const struct sample *before, const struct sample *after)
{
	const struct run *old = &before->runs[0], *new = &after->runs[0];
	const struct {
		const char *what, *old, *new;
	} texts[] = {
		{ "command", old->command, new->command },
		{ "mode", old->mode, new->mode },
	};
	const struct {
		const char *what;
		uint64_t old, new;
	} counts[] = {
		{ "connections", old->n_connections, new->n_connections },
		{ "size", old->size, new->size },
		{ "depth", old->depth, new->depth },
		{ "rate wanted", old->rate_wanted, new->rate_wanted },
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i].old != NULL &&
		    texts[i].new != NULL &&strcmp(texts[i].old, texts[i].new) != 0)
			fprintf(out, "they differ in %s: %s, %s\n", texts[i].what, texts[i].old,
				texts[i].new);
	}
	if (old->format == new->format && old->churns != new->churns)
		fprintf(out, "they differ in churn: %s, %s\n", old->churns ? "on" : "off",
			new->churns ? "on" : "off");
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		if (counts[i].old != 0 && counts[i].new != 0 && counts[i].old != counts[i].new)
			fprintf(out, "they differ in %s: %" PRIu64 ", %" PRIu64 "\n",
				counts[i].what, counts[i].old, counts[i].new);
	}
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
		fprintf(out, "  the %s side does not know it\n", has_old ? "new" : "old");
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
	if (before->n < 2 || after->n < 2)
		fputs("give several runs of each side (OLD... vs NEW...) to see whether a "
		      "difference exceeds the noise\n",
		      out);
}
