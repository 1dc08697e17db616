/* SPDX-License-Identifier: MIT */
#include "cli/report_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "report/run_read.h"

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
		log_error("%zu files are too many, at most %d can be read (merge some of them "
			  "first)",
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
	log_error("%.300s: %s", path, rc == -ENOMEM ? err_text(rc).text : why.text);
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
