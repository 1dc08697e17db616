/* SPDX-License-Identifier: MIT */
#include "cli/report_command.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "cli/report_diff.h"
#include "cli/report_files.h"
#include "cli/report_html.h"
#include "net/file.h"
#include "report/run_merge.h"
#include "report/run_write.h"
#include "report/show.h"

enum { JSON, OUTPUT, FAIL_IF, UNIT, N_OPTIONS };

/* Units of a percentile list, in the order of the words of --unit. */
static const struct {
	const char *name;
	uint64_t ns;
} units[] = { { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 }, { "s", 1000000000 } };

static const char *unit_choice(size_t i)
{
	return i < ARRAY_LEN(units) ? units[i].name : NULL;
}

static const struct option_row options[N_OPTIONS] = {
	[JSON] = {
		.name = "json",
		.kind = OPTION_FLAG,
		.help = "show: the document again instead of text",
		.details = "Of show, with one FILE: print the JSON document instead of text.",
	},
	[OUTPUT] = {
		.letter = 'o',
		.name = "output",
		.kind = OPTION_TEXT,
		.value_name = "FILE",
		.help = "merge, html: where the sum goes (default: standard output), or the page",
		.details = "Of merge: write the sum to FILE instead of standard output. Of html: "
			   "write the page to FILE. The result replaces FILE once it is whole; "
			   "owner, group and mode stay. Where a new file cannot take its place (a "
			   "mounted file, a directory that is not writable, a link), FILE is "
			   "overwritten if there is room for the result. - and /dev/stdout are "
			   "standard output, /dev/fd/N is descriptor N.",
	},
	[FAIL_IF] = {
		.name = "fail-if",
		.kind = OPTION_LIST,
		.value_name = "LIMIT",
		.help = "diff: status 1 if so, as p99>+10%, rate<-5% or max>20ms",
		.details = "Of diff: end with status 1, and say so, if the new side is beyond "
			   "LIMIT. It may be given several times, or hold several with commas "
			   "between them.",
	},
	[UNIT] = {
		.name = "unit",
		.kind = OPTION_CHOICE,
		.value_name = "UNIT",
		.preset = "ms",
		.help = "of the values of an .hgrm, which does not say it",
		.details = "The unit of the values in a list of percentiles, as of wrk2 or of an "
			   ".hgrm: ms, us, ns or s.",
		.choice = unit_choice,
	},
};

static uint64_t unit_ns(const struct arguments *arguments)
{
	return units[arguments->values[UNIT]].ns;
}

/* Writes a run to a file; "-" is standard output. */
MUST_USE static enum exit_status write_to(const char *path, const struct run *run)
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

/* ---- show ---- */

MUST_USE static enum exit_status show_json(const struct report_files *files, char *const *paths)
{
	if (files->n > 1) {
		log_error(
			"--json is of one file: what it prints is one document (merge adds several "
			"to one)");
		return STATUS_USAGE;
	}
	const struct run *run = &files->runs[0];
	/* In our document the values would look exact. */
	if (run->format != RUN_TCPECHO) {
		log_error("%.300s: it is of %s, and only what tcpecho measured is written as its "
			  "document",
			  paths[0], show_format_name(run->format));
		return STATUS_USAGE;
	}
	return write_to("-", run);
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

static enum exit_status show(const struct arguments *arguments, char *const *paths, size_t n)
{
	struct report_files files;
	enum exit_status status = report_files_read(paths, n, unit_ns(arguments), &files);
	if (status != STATUS_OK)
		return status;
	status = arguments->values[JSON] ? show_json(&files, paths) : show_text(&files);
	report_files_close(&files);
	return status;
}

/* ---- merge ---- */

static enum exit_status merge(const struct arguments *arguments, char *const *paths, size_t n)
{
	struct report_files files;
	struct run sum;
	struct run_refusal why = { "" };
	enum exit_status status = report_files_read(paths, n, unit_ns(arguments), &files);
	if (status != STATUS_OK)
		return status;
	int rc = run_merge(files.runs, files.n, &sum, &why);
	report_files_close(&files);
	if (rc < 0) {
		log_error("%s", why.text[0] != '\0' ? why.text : err_text(rc).text);
		return why.text[0] != '\0' ? STATUS_USAGE : STATUS_MACHINE;
	}
	const char *path = arguments->texts[OUTPUT];
	status = write_to(path != NULL ? path : "-", &sum);
	run_close(&sum);
	return status;
}

/* ---- diff ---- */

static enum exit_status diff(const struct arguments *arguments, char *const *paths, size_t n)
{
	return report_diff(paths, n, unit_ns(arguments), arguments->list, arguments->n_list);
}

/* ---- html ---- */

static enum exit_status html(const struct arguments *arguments, char *const *paths, size_t n)
{
	return report_html(paths, n, unit_ns(arguments), arguments->texts[OUTPUT]);
}

/* ---- the command line ---- */

#define OPTION_BIT(i) (1U << (i))

/* The operations of report. A new one needs one more row and its name in OPERANDS. */
static const struct {
	const char *name;
	enum exit_status (*run)(const struct arguments *arguments, char *const *paths, size_t n);
	unsigned int options; /* its options in addition to --unit */
} operations[] = {
	{ "show", show, OPTION_BIT(JSON) },
	{ "merge", merge, OPTION_BIT(OUTPUT) },
	{ "diff", diff, OPTION_BIT(FAIL_IF) },
	{ "html", html, OPTION_BIT(OUTPUT) },
};

#define OPERANDS "show|merge|diff|html FILE..."

MUST_USE static enum exit_status check_options(const struct arguments *arguments, size_t operation)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		bool fits = i == UNIT || (operations[operation].options & OPTION_BIT(i)) != 0;
		if (!fits && arguments->sources[i] == SOURCE_COMMAND_LINE) {
			log_error("--%s is nothing that %s has (`tcpecho report --help` says what "
				  "it is of)",
				  options[i].name, operations[operation].name);
			return STATUS_USAGE;
		}
	}
	return STATUS_OK;
}

/* Refuses an output that is also an input: the input would be lost. */
MUST_USE static enum exit_status check_output(const struct arguments *arguments)
{
	const char *output = arguments->texts[OUTPUT] != NULL ? arguments->texts[OUTPUT] : "-";
	for (size_t i = 1; i < arguments->n_operands; i++) {
		const char *path = arguments->operands[i];
		if (!file_is_same(path, output))
			continue;
		log_error("%.300s is an input and the output (write the result to another file)",
			  path);
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

static enum exit_status report_main(const struct arguments *arguments)
{
	if (arguments->n_operands == 0) {
		log_error("report what? (write `tcpecho report " OPERANDS "`)");
		return STATUS_USAGE;
	}
	const char *name = arguments->operands[0];
	for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
		if (strcmp(operations[i].name, name) != 0)
			continue;
		enum exit_status status = check_options(arguments, i);
		if (status != STATUS_OK)
			return status;
		if (arguments->n_operands == 1) {
			log_error("%s needs a FILE (- is standard input)", name);
			return STATUS_USAGE;
		}
		status = check_output(arguments);
		return status != STATUS_OK ? status
					   : operations[i].run(arguments, arguments->operands + 1,
							       arguments->n_operands - 1);
	}
	log_error("report %.300s: there is no such report (write `tcpecho report " OPERANDS "`)",
		  name);
	return STATUS_USAGE;
}

/* ---- the man page ---- */

static const char *const description[] = {
	"Shows, adds, compares and draws results: those that ping and bench write with --json, and "
	"those of other tools. Which tool a file is of is told by its content; - is standard "
	"input.",
	"show prints each as it was printed when it ran, and the facts of the run.",
	"merge prints the sum of several as one document. Counts and histograms are added and no "
	"percentile is averaged: those of the sum are those of all its values. Its seconds are "
	"those in which at least one of the runs ran, so the rates of generators that ran together "
	"add up, and those of runs one after the other do not; connections and wanted rates are "
	"those of the moment that had most. What was run differently, what is there twice and what "
	"is not known exactly is refused. A run is there twice when it is the same file, or a copy "
	"of it, or within a sum that it stands beside; a sum says which runs it is of.",
	"diff sets two results beside each other, or several of two sides: OLD... vs NEW... The "
	"files of one side are repetitions of one run (of generators that ran together, merge them "
	"first). Times are those of all values of a side, counts are those of a run on the "
	"average; and it says whether a difference is larger than the noise, that is whether no "
	"run of one side lies within the range of the other.",
	"html draws up to eight of them over each other, as one page that needs no network and no "
	"JavaScript: times by percentile, on the scale that HdrHistogram's are known by, response "
	"and service time; rates, failures and latency over time; and all facts. The same files "
	"give the same page.",
	NULL,
};

static const char *const limits[] = {
	"METRIC>LIMIT fails when the new value is above LIMIT, METRIC<LIMIT when it is below.",
	"METRIC is rate, echoes, unfinished, failures, connection_errors, mismatches, wrong_bytes, "
	"missing_bytes, or of the response times min, mean, max or a percentile as p50, p99 or "
	"p99.99; of other times service.p99, connect.p99, lateness.p99 and so on.",
	"LIMIT is +10% or -5%, a part of the old value; +200us or -1k, so much more or less; or "
	"2ms or 10k, a value by itself. Times have a unit; others may have k, M or G behind them.",
	"A metric that a side does not know is an error and not a pass.",
	"Beside the limits, --fail-if fails when a run of either side is no measurement of its "
	"server (the client was the limit) or was interrupted, and when messages of the new side "
	"failed, unless a LIMIT on failures, connection_errors, mismatches, wrong_bytes or "
	"missing_bytes says how many may.",
	NULL,
};

static const char *const formats[] = {
	"The JSON of ping and bench; one of before there was a \"format\" as far as it goes.",
	"Interval logs of HdrHistogram (.hlog, 1.2 and 1.3), with three digits and in nanoseconds. "
	"Lines without a tag or with the tag response are response times, with the tag service "
	"service times; others are left out, unless there is a single other tag and nothing else.",
	"Lists of percentiles of HdrHistogram (.hgrm), and what wrk2 prints with -L and -U. They "
	"do not say their unit: milliseconds are assumed, see --unit. Values between two lines are "
	"taken to be that of the second.",
	"The JSON of fortio. Values of a bucket are taken to be spread evenly. It measures from "
	"when it sent a request: service time.",
	"The maximum size of a file is 256 MiB. No file of tcpecho is larger.",
	NULL,
};

static const struct exit_status_row statuses[] = {
	{ STATUS_OK, "done, and every limit was kept" },
	{ STATUS_ECHO_FAILED, "a LIMIT of --fail-if was passed, or a run is no measurement" },
	{ STATUS_USAGE, "the command line is wrong, or a file is not what it should be" },
	{ STATUS_MACHINE, "this machine could not do it: no permission, no room, no memory" },
	{ 0 },
};

static const struct man_section sections[] = {
	{ "LIMITS", limits },
	{ "FILES THAT ARE READ", formats },
	{ 0 },
};

static const struct man_example examples[] = {
	{ "tcpecho report show run.json", "What was measured, and where." },
	{ "tcpecho report merge -o all.json machine-*.json", "One result of many machines." },
	{ "tcpecho report diff --fail-if 'p99>+10%,rate<-5%' old.json new.json",
	  "Status 1 if it became slower." },
	{ "tcpecho report html -o page.html old.json new.json",
	  "Both as curves, to be looked at." },
	{ "tcpecho report diff old-*.json vs new-*.json",
	  "Several runs of each: what is more than noise?" },
	{ 0 },
};

static const char *const diagnostics[] = {
	"p99>+10%: p99 is 250.0 us, was 200.0 us: +25.0 %, more than the runs' own noise",
	"That is status 1. Each of the following is status 2.",
	"run.json: \"echoes\" and \"histogram\" contradict each other",
	"the size of a message differs: 64 in a.json, 1024 in b.json",
	"a.json and copy.json are the same run",
	NULL,
};

const struct command report_command = {
	.name = "report",
	.summary = "show, add, compare and draw results",
	.operands = OPERANDS,
	.options = options,
	.n_options = N_OPTIONS,
	.description = description,
	.has_page = true,
	.sections = sections,
	.statuses = statuses,
	.examples = examples,
	.diagnostics = diagnostics,
	.run = report_main,
};
