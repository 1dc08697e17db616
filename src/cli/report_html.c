/* SPDX-License-Identifier: MIT */
#include "cli/report_html.h"

#include <errno.h>

#include "base/err.h"
#include "base/log.h"
#include "cli/report_files.h"
#include "net/file.h"
#include "report/html/page.h"

/* A file whose time series cannot be decoded is refused like one that cannot be read. */
MUST_USE static enum exit_status write_page(const struct report_files *files, char *const *paths,
					    const char *output)
{
	struct file_draft draft;
	size_t wrong = 0;
	int rc = file_draft(output, &draft);
	if (rc < 0)
		goto cannot_write;
	rc = page_write(draft.file, files->runs, files->n, &wrong);
	if (rc < 0) {
		file_drop(&draft);
		log_error("%.300s: %s", paths[wrong], err_text(rc).text);
		return rc == -ENOMEM ? STATUS_MACHINE : STATUS_USAGE;
	}
	rc = file_keep(&draft, NULL);
	if (rc == 0)
		return STATUS_OK;
cannot_write:
	return writer_status(rc, output, NULL);
}

enum exit_status report_html(char *const *paths, size_t n, uint64_t list_unit_ns,
			     const char *output)
{
	struct report_files files;
	if (output == NULL) {
		log_error("html needs to know where the page goes (-o PAGE)");
		return STATUS_USAGE;
	}
	if (n > VIEW_RUNS_MAX) {
		log_error("%zu runs are too many, at most %d can be told apart on one page (merge "
			  "some of them first)",
			  n, VIEW_RUNS_MAX);
		return STATUS_USAGE;
	}
	enum exit_status status = report_files_read(paths, n, list_unit_ns, &files);
	if (status != STATUS_OK)
		return status;
	status = write_page(&files, paths, output);
	report_files_close(&files);
	return status;
}
