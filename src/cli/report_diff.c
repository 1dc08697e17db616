/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "cli/report_command.h"
#include "cli/report_files.h"
#include "net/file.h"
#include "report/diff.h"
#include "report/run_merge.h"
#include "report/threshold.h"
#include "report/verdict_diff.h"

/* Separates the sides if they have several files. */
#define BETWEEN "vs"

/* Maximum number of thresholds in total; a text may contain several. */
#define THRESHOLDS_MAX 128

enum { FAIL_IF, JSON, UNIT, N_OPTIONS };

static const struct option_row options[N_OPTIONS] = {
	[FAIL_IF] = {
		.name = "fail-if",
		.kind = OPTION_LIST,
		.value_name = "LIMIT",
		.default_words = "none",
		.help = "status 1 if true, as 'p99>+10%'",
		.details = "Exit with status 1 and a message if LIMIT is true for the new side. "
			   "The option can be given several times, and a value can have several "
			   "limits with commas between them.",
	},
	[JSON] = {
		.name = "json",
		.kind = OPTION_FLAG,
		.help = "print one JSON document instead of text",
		.details = "Print one JSON document with all figures and verdicts instead of text.",
	},
	[UNIT] = REPORT_UNIT_ROW,
};

/* ---- the command line ---- */

/* Finds the number of old files, and whether a separator follows them. */
MUST_USE static enum exit_status find_sides(char *const *paths, size_t n, size_t *ret_n_old,
					    size_t *ret_n_between)
{
	size_t n_between = 0, at = 0;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(paths[i], BETWEEN) == 0) {
			n_between++;
			at = i;
		}
	}
	if (n_between == 0 && n == 2)
		at = 1;
	else if (n_between != 1 || at == 0 || at + 1 == n) {
		log_error("diff needs two sides (write OLD NEW, or OLD... vs NEW...)");
		return STATUS_USAGE;
	}
	*ret_n_old = at;
	*ret_n_between = n_between;
	return STATUS_OK;
}

struct thresholds {
	struct threshold list[THRESHOLDS_MAX];
	size_t n;
};

/* Adds the thresholds of one text, separated by commas. */
MUST_USE static enum exit_status add_thresholds(const char *text, struct thresholds *all)
{
	for (;;) {
		struct threshold_text why = { "" };
		size_t length = strcspn(text, ",");
		if (all->n == THRESHOLDS_MAX) {
			log_error("--fail-if: too many limits, at most %d", THRESHOLDS_MAX);
			return STATUS_USAGE;
		}
		if (threshold_parse(text, length, &all->list[all->n], &why) < 0) {
			log_error("--fail-if %s", why.text);
			return STATUS_USAGE;
		}
		all->n++;
		if (text[length] == '\0')
			return STATUS_OK;
		text += length + 1;
	}
}

/* ---- the verdict ---- */

/* A threshold on failures limits them; without one, no failure is allowed. */
static bool allows_failures(const struct thresholds *all)
{
	for (size_t i = 0; i < all->n; i++) {
		if (metric_is_of_failures(&all->list[i].metric))
			return true;
	}
	return false;
}

/* Checks that runs are valid measurements of the server and, unless may_fail, without failures. */
MUST_USE static enum exit_status judge_runs(const struct sample *sample, bool may_fail)
{
	enum exit_status status = STATUS_OK;
	for (size_t i = 0; i < sample->n; i++) {
		const struct run *run = &sample->runs[i];
		struct run_caveats caveats[] = { run_measurement_caveats(run), { "" } };
		if (!may_fail || run->result.n_echoes == 0)
			caveats[1] = run_failure_caveats(run);
		for (size_t k = 0; k < ARRAY_LEN(caveats); k++) {
			if (caveats[k].text[0] == '\0')
				continue;
			log_error("--fail-if: %.200s: %s", run->name, caveats[k].text);
			status = STATUS_ECHO_FAILED;
		}
	}
	return status;
}

/* Judges every threshold, before anything is written. */
static void judge_limits(const struct thresholds *all, const struct sample *before,
			 const struct sample *after, struct diff_limit *ret_limits)
{
	for (size_t i = 0; i < all->n; i++) {
		struct diff_limit *limit = &ret_limits[i];
		limit->threshold = &all->list[i];
		limit->verdict = threshold_check(limit->threshold, before, after, &limit->sentence);
	}
}

/* Logs every threshold that fails. One that cannot be judged is an error of the command line. */
MUST_USE static enum exit_status log_limits(const struct diff_limit *limits, size_t n)
{
	enum exit_status status = STATUS_OK;
	for (size_t i = 0; i < n; i++) {
		if (limits[i].verdict == THRESHOLD_HOLDS)
			continue;
		log_error("%s", limits[i].sentence.text);
		if (limits[i].verdict == THRESHOLD_UNKNOWN)
			status = STATUS_USAGE;
		else if (status == STATUS_OK)
			status = STATUS_ECHO_FAILED;
	}
	return status;
}

MUST_USE static enum exit_status compare(const struct thresholds *all, bool is_json,
					 const struct sample *before, const struct sample *after)
{
	static struct diff_limit limits[THRESHOLDS_MAX]; /* too large for a stack */
	struct file_draft out;
	judge_limits(all, before, after, limits);
	int rc = file_draft("-", &out);
	if (rc == 0 && is_json)
		rc = diff_write_json(out.file, before, after, limits, all->n);
	else if (rc == 0)
		diff_write_text(out.file, before, after);
	if (rc == 0)
		rc = file_keep(&out, NULL);
	if (rc < 0)
		return writer_status(rc, "-", NULL);
	if (all->n == 0)
		return STATUS_OK;
	/* Failures of the old side do not count against the new one. */
	enum exit_status of_old = judge_runs(before, true);
	enum exit_status of_new = judge_runs(after, allows_failures(all));
	enum exit_status of_limits = log_limits(limits, all->n);
	return of_old != STATUS_OK || of_new != STATUS_OK ? STATUS_ECHO_FAILED : of_limits;
}

MUST_USE static enum exit_status compare_files(const struct thresholds *all, bool is_json,
					       const struct report_files *old,
					       const struct report_files *new)
{
	struct sample before = { 0 }, after = { 0 };
	struct run_refusal why;
	int rc = run_merge_check(old->runs, old->n, &why);
	if (rc == 0)
		rc = run_merge_check(new->runs, new->n, &why);
	if (rc == -EBADMSG) {
		log_error("the files of a side must be repetitions of one run: %s", why.text);
		return STATUS_USAGE;
	}
	if (rc == 0)
		rc = sample_open(old->runs, old->n, &before, &why);
	if (rc == 0) {
		rc = sample_open(new->runs, new->n, &after, &why);
		if (rc < 0)
			sample_close(&before);
	}
	if (rc < 0) {
		log_error("%s", rc == -ENOMEM ? err_text(rc).text : why.text);
		return rc == -ENOMEM ? STATUS_MACHINE : STATUS_USAGE;
	}
	enum exit_status status = compare(all, is_json, &before, &after);
	sample_close(&after);
	sample_close(&before);
	return status;
}

static bool has_verdicts(const struct report_files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		if (files->runs[i].format == RUN_CHECK)
			return true;
	}
	return false;
}

/* Compares the verdicts of two results of `check`. */
MUST_USE static enum exit_status compare_verdicts(const struct thresholds *all, bool is_json,
						  const struct report_files *old,
						  const struct report_files *new)
{
	struct file_draft out;
	size_t n_worse = 0;
	if (!has_verdicts(old) || !has_verdicts(new)) {
		log_error("one side has the verdicts of check, the other has not");
		return STATUS_USAGE;
	}
	if (old->n != 1 || new->n != 1) {
		log_error("verdicts of check are compared one by one: give OLD and NEW");
		return STATUS_USAGE;
	}
	if (all->n > 0) {
		log_error("option --fail-if does not apply to verdicts of check: a worse one is "
			  "status 1");
		return STATUS_USAGE;
	}
	int rc = file_draft("-", &out);
	if (rc == 0) {
		rc = verdict_diff_write(out.file, is_json, old->runs, new->runs, &n_worse);
		if (rc == 0)
			rc = file_keep(&out, NULL);
		else
			file_drop(&out);
	}
	if (rc < 0)
		return writer_status(rc, "-", NULL);
	if (new->runs->is_interrupted)
		log_error("%.200s was interrupted: what it did not check may be worse",
			  new->runs->name);
	return n_worse > 0 || new->runs->is_interrupted ? STATUS_ECHO_FAILED : STATUS_OK;
}

static enum exit_status diff_main(const struct arguments *arguments)
{
	static struct thresholds all; /* too large for a stack */
	struct report_files old, new;
	char *const *paths = arguments->operands;
	size_t n = arguments->n_operands, n_old, n_between;
	uint64_t unit_ns = report_unit_ns(arguments->values[UNIT]);
	enum exit_status status = report_files_check("diff", arguments, "-");
	if (status == STATUS_OK)
		status = find_sides(paths, n, &n_old, &n_between);
	for (size_t i = 0; status == STATUS_OK && i < arguments->n_list; i++)
		status = add_thresholds(arguments->list[i], &all);
	if (status == STATUS_OK)
		status = report_files_read(paths, n_old, unit_ns, &old);
	if (status != STATUS_OK)
		return status;
	size_t from = n_old + n_between;
	status = report_files_read(paths + from, n - from, unit_ns, &new);
	if (status == STATUS_OK) {
		status = has_verdicts(&old) || has_verdicts(&new)
				 ? compare_verdicts(&all, arguments->values[JSON], &old, &new)
				 : compare_files(&all, arguments->values[JSON], &old, &new);
		report_files_close(&new);
	}
	report_files_close(&old);
	return status;
}

/* ---- the man page ---- */

static const char *const description[] = {
	"Compares two results, or two sides with several results each; then the word vs is between "
	"the sides: old-*.json vs new-*.json. The files of a side are repetitions of one run. To "
	"compare runs of several machines that ran together, merge them first.",
	"Times are those of all values of a side. Counts are averages over its runs. With several "
	"runs on each side the output says whether a difference exceeds the noise, which means "
	"that no run of one side lies within the range of the other.",
	"Two results of check --json are compared too: a line for each check whose verdict is not "
	"the same. The status is 1 if one became worse (PASS, then WARN, then FAIL; TODO counts as "
	"PASS), or if the new one was interrupted.",
	NULL,
};

static const char *const limits[] = {
	"METRIC>LIMIT is true if the new value is above LIMIT, METRIC<LIMIT if it is below.",
	"METRIC is rate, echoes, unfinished, failures, connection_errors, mismatches, wrong_bytes, "
	"missing_bytes; or of the response times min, mean, max or a percentile such as p50, p99 "
	"or p99.99; or of other times service.p99, connect.p99, lateness.p99 and so on.",
	"LIMIT is +10% or -5%, relative to the old value; +200us or -1k, a difference to it; or "
	"2ms or 10k, an absolute value. Times need a unit. Other values may have k, M or G behind "
	"them.",
	"A metric that a side does not have is an error.",
	"Beside the limits, --fail-if fails if a run of either side is no measurement of the "
	"server (the client was the limit) or was interrupted, and if messages of the new side "
	"failed, unless a LIMIT on failures, connection_errors, mismatches, wrong_bytes or "
	"missing_bytes allows it.",
	NULL,
};

static const char *const json[] = {
	"old, new: lists of the files of each side: file, target, and caveats, sentences that say "
	"why the run is no measurement. failures: failed messages of all runs of a side.",
	"differences: parameters that differ, each with name, old and new.",
	"figures: each with metric, unit, old, new (null if the side does not have it), "
	"change_percent (null if old is 0) and beyond_noise (null without several runs per side).",
	"limits: each limit of --fail-if with its verdict (kept, exceeded, unknown) and a "
	"sentence, or null.",
	NULL,
};

static const struct exit_status_row statuses[] = {
	{ STATUS_OK, "done, and every limit was kept" },
	{ STATUS_ECHO_FAILED, "a limit of --fail-if is exceeded, or a run is no measurement" },
	{ STATUS_USAGE, "the command line is wrong, or a file is not valid" },
	{ STATUS_MACHINE, "this machine could not do it: no permission, no room, no memory" },
	{ 0 },
};

static const struct man_section sections[] = {
	{ "LIMITS", limits },
	{ "JSON", json },
	{ 0 },
};

static const struct man_example examples[] = {
	{ "tcpecho report diff --fail-if 'p99>+10%,rate<-5%' old.json new.json",
	  "Status 1 if it became slower." },
	{ "tcpecho report diff old-*.json vs new-*.json",
	  "Several runs per side: which differences exceed the noise?" },
	{ 0 },
};

static const char *const diagnostics[] = {
	"p99>+10%: p99 is 250.0 us, was 200.0 us: +25.0 %, more than the runs' own noise",
	"Status 1.",
	"the size of a message differs: 64 in a.json, 1024 in b.json",
	"Status 2: two files of one side are not repetitions of one run.",
	NULL,
};

const struct command report_diff_command = {
	.name = "diff",
	.parent = &report_command,
	.summary = "compare two results, or several of two sides",
	.operands = "OLD_FILE NEW_FILE",
	.options = options,
	.n_options = N_OPTIONS,
	.description = description,
	.has_page = true,
	.sections = sections,
	.statuses = statuses,
	.examples = examples,
	.diagnostics = diagnostics,
	.run = diff_main,
};
