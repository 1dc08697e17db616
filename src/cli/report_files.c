/* SPDX-License-Identifier: MIT */
#include "cli/report_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "cli/option.h"
#include "net/file.h"
#include "report/run_read.h"
#include "report/run_write.h"

/* ---- options ---- */

const struct exit_status_row report_statuses[] = {
	{ STATUS_OK, "done" },
	{ STATUS_USAGE, "the command line is wrong, or a file is not valid" },
	{ STATUS_MACHINE, "this machine could not do it: no permission, no room, no memory" },
	{ 0 },
};

static const struct {
	const char *name;
	uint64_t ns;
} units[] = { { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 }, { "s", 1000000000 } };

const char *report_unit_name(size_t i)
{
	return i < ARRAY_LEN(units) ? units[i].name : NULL;
}

uint64_t report_unit_ns(size_t i)
{
	return units[i].ns;
}

enum exit_status report_files_check(const char *command, const struct arguments *arguments,
				    const char *output)
{
	if (arguments->n_operands == 0) {
		log_error("%s needs a FILE (- is standard input)", command);
		return STATUS_USAGE;
	}
	for (size_t i = 0; i < arguments->n_operands; i++) {
		const char *path = arguments->operands[i];
		if (!file_is_same(path, output))
			continue;
		log_error("%.300s is an input and the output (write the result to another file)",
			  path);
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

/* ---- files ---- */

enum exit_status report_write_run(const char *path, const struct run *run)
{
	struct file_draft draft;
	int rc = file_draft(path, &draft);
	if (rc == 0) {
		rc = run_write_json(draft.file, run);
		if (rc == 0)
			rc = file_keep(&draft, NULL);
		else
			file_drop(&draft);
	}
	return rc == 0 ? STATUS_OK : writer_status(rc, path, NULL);
}

void report_files_close(struct report_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		run_close(&files->runs[i]);
	free(files->runs);
	*files = (struct report_files){ 0 };
}

MUST_USE static enum exit_status check_paths(char *const *paths, size_t n)
{
	size_t n_stdin = 0;
	for (size_t i = 0; i < n; i++)
		n_stdin += strcmp(paths[i], "-") == 0;
	if (n_stdin > 1) {
		log_error("-: standard input can be read only once");
		return STATUS_USAGE;
	}
	if (n > REPORT_FILES_MAX) {
		log_error("too many files: %zu, at most %d can be read (merge some of them first)",
			  n, REPORT_FILES_MAX);
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

MUST_USE static enum exit_status read_file(const char *path, uint64_t list_unit_ns,
					   struct run *ret_run)
{
	struct run_refusal why;
	int rc = run_read_file(path, list_unit_ns, ret_run, &why);
	if (rc == 0)
		return STATUS_OK;
	log_error("%.300s: %s", option_shown(path), rc == -ENOMEM ? err_text(rc).text : why.text);
	return rc == -ENOMEM ? STATUS_MACHINE : STATUS_USAGE;
}

enum exit_status report_files_read(char *const *paths, size_t n, uint64_t list_unit_ns,
				   struct report_files *ret_files)
{
	struct report_files files = { 0 };
	enum exit_status status = check_paths(paths, n);
	if (status != STATUS_OK)
		return status;
	files.runs = calloc(n, sizeof(*files.runs));
	if (files.runs == NULL) {
		log_error("%s", err_text(-ENOMEM).text);
		return STATUS_MACHINE;
	}
	for (size_t i = 0; status == STATUS_OK && i < n; i++) {
		status = read_file(paths[i], list_unit_ns, &files.runs[i]);
		files.n += status == STATUS_OK;
	}
	if (status == STATUS_OK)
		*ret_files = files;
	else
		report_files_close(&files);
	return status;
}

enum exit_status report_files_read_runs(char *const *paths, size_t n, uint64_t list_unit_ns,
					struct report_files *ret_files)
{
	struct report_files files;
	enum exit_status status = report_files_read(paths, n, list_unit_ns, &files);
	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; i < files.n; i++) {
		if (files.runs[i].format != RUN_CHECK)
			continue;
		log_error("%.300s: the verdicts of check have no times (report show and diff read "
			  "them)",
			  paths[i]);
		report_files_close(&files);
		return STATUS_USAGE;
	}
	*ret_files = files;
	return STATUS_OK;
}
