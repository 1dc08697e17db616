/* SPDX-License-Identifier: MIT */
#include "report/diff.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/compiler.h"

static const char *const shown[] = {
	"rate",         "echoes",      "min",         "mean",     "p50",         "p90",
	"p99",          "p99.9",       "p99.99",      "max",      "service.p50", "service.p99",
	"lateness.p99", "connect.p50", "connect.p99", "failures", "mismatches",  "missing_bytes",
};

/* ---- what is compared ---- */

static bool is_inexact(const struct run *run)
{
	return run->format == RUN_HGRM || run->format == RUN_FORTIO;
}

static void write_side(FILE *out, const char *what, const struct side *side)
{
	fprintf(out, "%s: ", what);
	for (size_t i = 0; i < side->n; i++)
		fprintf(out, "%s%s%s", i > 0 ? ", " : "", side->runs[i].name,
			is_inexact(&side->runs[i]) ? " (times are approximate)" : "");
	fputc('\n', out);
}

/* What the two were asked for, where it is known and not the same: by the first of each. */
static void write_differences(FILE *out, const struct side *before, const struct side *after)
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

static const char *noise_of(const struct side *before, const struct side_value *old,
			    const struct side *after, const struct side_value *new)
{
	if (before->n < 2 || after->n < 2)
		return "";
	return side_is_beyond_noise(before, old, after, new) ? "  more than the noise"
							     : "  within the noise";
}

static void write_row(FILE *out, const struct metric *metric, const struct side *before,
		      const struct side *after)
{
	struct side_value old, new;
	bool has_old = side_value(before, metric, &old), has_new = side_value(after, metric, &new);
	if (!has_old && !has_new)
		return;
	fprintf(out, "%-14s %14s %14s ", metric->name,
		has_old ? metric_text(metric, old.value).text : "-",
		has_new ? metric_text(metric, new.value).text : "-");
	if (has_old && has_new)
		fprintf(out, "%10s%s\n", metric_change(old.value, new.value).text,
			noise_of(before, &old, after, &new));
	else
		fprintf(out, "  the %s side does not know it\n", has_old ? "new" : "old");
}

void diff_write_text(FILE *out, const struct side *before, const struct side *after)
{
	write_side(out, "old", before);
	write_side(out, "new", after);
	write_differences(out, before, after);
	fprintf(out, "%-14s %14s %14s %10s\n", "", "old", "new", "change");
	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		struct metric metric;
		bool is_there = metric_find(shown[i], strlen(shown[i]), &metric);
		assert(is_there);
		write_row(out, &metric, before, after);
	}
	if (before->n < 2 || after->n < 2)
		fputs("how large the noise is, several runs of each side would say "
		      "(OLD... vs NEW...)\n",
		      out);
}
