/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "base/err.h"
#include "base/log.h"
#include "cli/report_command.h"
#include "cli/report_files.h"
#include "net/file.h"
#include "report/html/page.h"

enum { OUTPUT, UNIT, N_OPTIONS };

static const struct option_row options[N_OPTIONS] = {
	[OUTPUT] = {
		.letter = 'o',
		.name = "output",
		.kind = OPTION_TEXT,
		.value_name = "FILE",
		.help = "page to write (required)",
		.details = "Write the page to FILE. " REPORT_OUTPUT_DETAILS,
	},
	[UNIT] = REPORT_UNIT_ROW,
};

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

static enum exit_status html_main(const struct arguments *arguments)
{
	struct report_files files;
	const char *output = arguments->texts[OUTPUT];
	enum exit_status status =
		report_files_check("html", arguments, output != NULL ? output : "-");
	if (status != STATUS_OK)
		return status;
	if (output == NULL) {
		log_error("html needs an output file (write -o FILE, or -o - for standard output)");
		return STATUS_USAGE;
	}
	if (arguments->n_operands > VIEW_RUNS_MAX) {
		log_error(
			"too many files: %zu, at most %d fit on a page (merge some of them first)",
			arguments->n_operands, VIEW_RUNS_MAX);
		return STATUS_USAGE;
	}
	status = report_files_read_runs(arguments->operands, arguments->n_operands,
					report_unit_ns(arguments->values[UNIT]), &files);
	if (status != STATUS_OK)
		return status;
	status = write_page(&files, arguments->operands, output);
	report_files_close(&files);
	return status;
}

static const char *const description[] = {
	"Draws up to eight results over each other on one page that needs no network and no "
	"JavaScript: response and service times by percentile, on the logarithmic scale of "
	"HdrHistogram; rates, failures and latency over time; and the facts of the runs. The same "
	"files give the same page.",
	NULL,
};

static const struct man_example examples[] = {
	{ "tcpecho report html -o page.html old.json new.json", "Both as curves on one page." },
	{ 0 },
};

const struct command report_html_command = {
	.name = "html",
	.parent = &report_command,
	.summary = "draw results as one HTML page",
	.operands = "FILE...",
	.options = options,
	.n_options = N_OPTIONS,
	.description = description,
	.has_page = true,
	.statuses = report_statuses,
	.examples = examples,
	.run = html_main,
};
