/* SPDX-License-Identifier: MIT */
#include "cli/report_command.h"

#include <stddef.h>

#include "cli/report_files.h"

static const char *const description[] = {
	"Shows, merges, compares and draws results: those that ping and bench write with --json, "
	"and those of other tools. The format of a FILE is found by its content. - is standard "
	"input.",
	NULL,
};

static const char *const formats[] = {
	"The JSON of ping and bench. In a document without \"format\", from before version 1, "
	"what is missing is left out.",
	"Interval logs of HdrHistogram (.hlog, versions 1.2 and 1.3) with three digits and in "
	"nanoseconds. Lines without a tag or with the tag response are response times, lines with "
	"the tag service are service times. Other tags are left out, unless there is a single "
	"other tag and nothing else.",
	"Percentile lists of HdrHistogram (.hgrm), and the output of wrk2 -L and -U. They do not "
	"contain their unit: milliseconds are assumed, see --unit. Values between two lines are "
	"assumed to be equal to the second.",
	"The JSON of fortio. The values of a bucket are assumed to be evenly spread. Its times "
	"begin when a request is sent: they are service times.",
	"The maximum size of a file is 256 MiB. No file of tcpecho is larger.",
	NULL,
};

static const struct exit_status_row statuses[] = {
	{ STATUS_OK, "done, and every limit was kept" },
	{ STATUS_ECHO_FAILED,
	  "diff: a limit of --fail-if is exceeded, or a run is no measurement" },
	{ STATUS_USAGE, "the command line is wrong, or a file is not valid" },
	{ STATUS_MACHINE, "this machine could not do it: no permission, no room, no memory" },
	{ 0 },
};

static const struct man_section sections[] = {
	{ "FILE FORMATS", formats },
	{ 0 },
};

static const struct man_example examples[] = {
	{ "tcpecho report show run.json", "What was measured, and where." },
	{ "tcpecho report merge -o all.json machine-*.json", "One result of several machines." },
	{ "tcpecho report diff old.json new.json", "What has changed." },
	{ "tcpecho report html -o page.html old.json new.json", "Both as curves on one page." },
	{ 0 },
};

const struct command report_command = {
	.name = "report",
	.summary = "show, merge, compare and draw results",
	.operands = "COMMAND [OPTION]... FILE...",
	.description = description,
	.has_page = true,
	.sections = sections,
	.statuses = statuses,
	.examples = examples,
};
