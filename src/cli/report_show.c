/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/log.h"
#include "cli/report_command.h"
#include "cli/report_files.h"
#include "net/file.h"
#include "report/show.h"

enum { JSON, UNIT, N_OPTIONS };

static const struct option_row options[N_OPTIONS] = {
	[JSON] = {
		.name = "json",
		.kind = OPTION_FLAG,
		.help = "print the JSON document instead of text",
		.details = "Print the JSON document of one FILE instead of text.",
	},
	[UNIT] = REPORT_UNIT_ROW,
};

MUST_USE static enum exit_status show_verdicts_json(const struct run *run)
{
	struct file_draft out;
	int rc = file_draft("-", &out);
	if (rc == 0) {
		rc = show_write_verdicts(out.file, run, VERDICT_JSON);
		if (rc == 0)
			rc = file_keep(&out, NULL);
		else
			file_drop(&out);
	}
	return rc == 0 ? STATUS_OK : writer_status(rc, "-", NULL);
}

MUST_USE static enum exit_status show_json(const struct report_files *files, char *const *paths)
{
	if (files->n > 1) {
		log_error("option --json takes one file, %zu are given (see 'tcpecho report merge "
			  "--help')",
			  files->n);
		return STATUS_USAGE;
	}
	const struct run *run = &files->runs[0];
	if (run->format == RUN_CHECK)
		return show_verdicts_json(run);
	/* In our document the values would look exact. */
	if (run->format != RUN_TCPECHO) {
		log_error("%.300s: option --json shows only results of tcpecho, and this is one of "
			  "%s",
			  paths[0], show_format_name(run->format));
		return STATUS_USAGE;
	}
	return report_write_run("-", run);
}

MUST_USE static enum exit_status show_text(const struct report_files *files)
{
	struct file_draft out;
	int rc = file_draft("-", &out);
	for (size_t i = 0; rc == 0 && i < files->n; i++) {
		if (files->n > 1)
			fprintf(out.file, "%s==> %s <==\n", i > 0 ? "\n" : "", files->runs[i].name);
		show_write_text(out.file, &files->runs[i]);
	}
	if (rc == 0)
		rc = file_keep(&out, NULL);
	return rc == 0 ? STATUS_OK : writer_status(rc, "-", NULL);
}

static enum exit_status show_main(const struct arguments *arguments)
{
	struct report_files files;
	char *const *paths = arguments->operands;
	enum exit_status status = report_files_check("show", arguments, "-");
	if (status == STATUS_OK)
		status = report_files_read(paths, arguments->n_operands,
					   report_unit_ns(arguments->values[UNIT]), &files);
	if (status != STATUS_OK)
		return status;
	status = arguments->values[JSON] ? show_json(&files, paths) : show_text(&files);
	report_files_close(&files);
	return status;
}

static const char *const description[] = {
	"Prints each result as its run printed it at the end, then the facts of the run: "
	"when it began, the version and the command line. The verdicts of check are printed as "
	"check prints them.",
	NULL,
};

static const struct man_example examples[] = {
	{ "tcpecho report show run.json", "What was measured, and where." },
	{ "tcpecho report show --json run.json", "The JSON document, in today's format." },
	{ 0 },
};

const struct command report_show_command = {
	.name = "show",
	.parent = &report_command,
	.summary = "print results as text, with the facts of the run",
	.operands = "FILE...",
	.options = options,
	.n_options = N_OPTIONS,
	.description = description,
	.has_page = true,
	.statuses = report_statuses,
	.examples = examples,
	.run = show_main,
};
