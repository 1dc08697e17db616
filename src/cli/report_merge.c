/* SPDX-License-Identifier: MIT */
#include "report/run_merge.h"

#include "base/err.h"
#include "base/log.h"
#include "cli/report_command.h"
#include "cli/report_files.h"

enum { OUTPUT, JSON, UNIT, N_OPTIONS };

static const struct option_row options[N_OPTIONS] = {
	[OUTPUT] = {
		.letter = 'o',
		.name = "output",
		.kind = OPTION_TEXT,
		.value_name = "FILE",
		.default_words = "standard output",
		.help = "output file",
		.details = "Write the sum to FILE instead of standard output. "
			   REPORT_OUTPUT_DETAILS,
	},
	[JSON] = {
		.name = "json",
		.kind = OPTION_FLAG,
		.help = "accepted; the output is always JSON",
		.details = "Has no effect: the output is always JSON.",
	},
	[UNIT] = REPORT_UNIT_ROW,
};

static enum exit_status merge_main(const struct arguments *arguments)
{
	struct report_files files;
	struct run sum;
	struct run_refusal why = { "" };
	const char *path = arguments->texts[OUTPUT] != NULL ? arguments->texts[OUTPUT] : "-";
	enum exit_status status = report_files_check("merge", arguments, path);
	if (status == STATUS_OK)
		status = report_files_read_runs(arguments->operands, arguments->n_operands,
						report_unit_ns(arguments->values[UNIT]), &files);
	if (status != STATUS_OK)
		return status;
	int rc = run_merge(files.runs, files.n, &sum, &why);
	report_files_close(&files);
	if (rc < 0) {
		log_error("%s", why.text[0] != '\0' ? why.text : err_text(rc).text);
		return why.text[0] != '\0' ? STATUS_USAGE : STATUS_MACHINE;
	}
	status = report_write_run(path, &sum);
	run_close(&sum);
	return status;
}

static const char *const description[] = {
	"Writes the sum of several results as one JSON document. Counts and histograms are added. "
	"No percentile is averaged: the percentiles of the sum are those of all values.",
	"The seconds of the sum are those in which at least one of the runs was running. So the "
	"rates of runs at the same time add up, and those of runs one after the other do not. "
	"Connections and wanted rates are those of the moment with the most of them.",
	"It fails if the parameters of the runs differ, if a run occurs twice, or if an input has "
	"no exact counts. A run occurs twice if its file is given twice, as a copy, or beside a "
	"sum that contains it. A sum names the runs that it contains.",
	NULL,
};

static const struct man_example examples[] = {
	{ "tcpecho report merge -o all.json machine-*.json", "One result of several machines." },
	{ "tcpecho report merge a.json b.json | tcpecho report show -", "The sum as text." },
	{ 0 },
};

static const char *const diagnostics[] = {
	"run.json: \"echoes\" and \"histogram\" contradict each other",
	"the size of a message differs: 64 in a.json, 1024 in b.json",
	"a.json and copy.json are the same run",
	"Each of these is status 2.",
	NULL,
};

const struct command report_merge_command = {
	.name = "merge",
	.parent = &report_command,
	.summary = "write the sum of several results as one JSON document",
	.operands = "FILE...",
	.options = options,
	.n_options = N_OPTIONS,
	.description = description,
	.has_page = true,
	.statuses = report_statuses,
	.examples = examples,
	.diagnostics = diagnostics,
	.run = merge_main,
};
