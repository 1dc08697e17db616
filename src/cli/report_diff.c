/* SPDX-License-Identifier: MIT */
#include "cli/report_diff.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "cli/report_files.h"
#include "net/file.h"
#include "report/diff.h"
#include "report/run_merge.h"
#include "report/threshold.h"

/* Separates the sides if they have several files. */
#define BETWEEN "vs"

/* Maximum number of thresholds in total; a text may contain several. */
#define THRESHOLDS_MAX 128

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
		log_error("diff compares two files, or several: OLD NEW, or OLD... vs NEW...");
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
			log_error("--fail-if: at most %d", THRESHOLDS_MAX);
			return STATUS_USAGE;
		}
		if (threshold_read(text, length, &all->list[all->n], &why) < 0) {
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

/* Logs every threshold that fails. A threshold that cannot be judged counts as failed. */
MUST_USE static enum exit_status judge_limits(const struct thresholds *all,
					      const struct sample *before,
					      const struct sample *after)
{
	enum exit_status status = STATUS_OK;
	for (size_t i = 0; i < all->n; i++) {
		struct threshold_text text;
		switch (threshold_judge(&all->list[i], before, after, &text)) {
		case THRESHOLD_HOLDS:
			break;
		case THRESHOLD_FAILS:
			log_error("%s", text.text);
			status = status == STATUS_OK ? STATUS_ECHO_FAILED : status;
			break;
		case THRESHOLD_UNKNOWN:
			log_error("%s", text.text);
			status = STATUS_USAGE;
			break;
		}
	}
	return status;
}

MUST_USE static enum exit_status compare(const struct thresholds *all, const struct sample *before,
					 const struct sample *after)
{
	struct file_draft out;
	int rc = file_draft("-", &out);
	if (rc == 0) {
		diff_write_text(out.file, before, after);
		rc = file_keep(&out, NULL);
	}
	if (rc < 0)
		return writer_status(rc, "-", NULL);
	if (all->n == 0)
		return STATUS_OK;
	/* Failures of the old side do not count against the new one. */
	enum exit_status of_old = judge_runs(before, true);
	enum exit_status of_new = judge_runs(after, allows_failures(all));
	enum exit_status of_limits = judge_limits(all, before, after);
	return of_old != STATUS_OK || of_new != STATUS_OK ? STATUS_ECHO_FAILED : of_limits;
}

MUST_USE static enum exit_status compare_files(const struct thresholds *all,
					       const struct report_files *old,
					       const struct report_files *new)
{
	struct sample before = { 0 }, after = { 0 };
	struct run_refusal why;
	int rc = run_merge_check(old->runs, old->n, &why);
	if (rc == 0)
		rc = run_merge_check(new->runs, new->n, &why);
	if (rc == -EBADMSG) {
		log_error("the files of a side are repetitions of one run, and these are not: %s",
			  why.text);
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
	enum exit_status status = compare(all, &before, &after);
	sample_close(&after);
	sample_close(&before);
	return status;
}

enum exit_status report_diff(char *const *paths, size_t n, uint64_t list_unit_ns,
			     const char *const *fail_if, size_t n_fail_if)
{
	static struct thresholds all; /* too large for a stack */
	struct report_files old, new;
	size_t n_old, n_between;
	enum exit_status status = find_sides(paths, n, &n_old, &n_between);
	for (size_t i = 0; status == STATUS_OK && i < n_fail_if; i++)
		status = add_thresholds(fail_if[i], &all);
	if (status == STATUS_OK)
		status = report_files_read(paths, n_old, list_unit_ns, &old);
	if (status != STATUS_OK)
		return status;
	size_t from = n_old + n_between;
	status = report_files_read(paths + from, n - from, list_unit_ns, &new);
	if (status == STATUS_OK) {
		status = compare_files(&all, &old, &new);
		report_files_close(&new);
	}
	report_files_close(&old);
	return status;
}
