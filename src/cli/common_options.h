/* SPDX-License-Identifier: MIT */
/*
 * Option rows, man page texts and steps that ping, hold and bench share.
 */
#ifndef CLI_COMMON_OPTIONS_H
#define CLI_COMMON_OPTIONS_H

#include "base/compiler.h"
#include "cli/command.h"
#include "client/output.h"

/* Opens the output of a command that prints lines while it runs. The caller must close it. */
MUST_USE struct output *common_output(bool is_quiet, bool has_timestamps);

/*
 * Returns the exit status of a reported run: `verdict`, or with --strict STATUS_MACHINE if the
 * client was the limit (client_bound says why; "": it was not). Failures have priority.
 */
MUST_USE enum exit_status common_strict_status(bool is_strict, enum exit_status verdict,
					       const char *client_bound);

/* Man page texts about the JSON document, in this order: facts of the run, */
#define COMMON_JSON_FACTS                                                                      \
	"version, command_line, start (UTC, when measuring began, or null), host, kernel, "    \
	"cpu, cpus (that the client may use), congestion_control, mss: where and how it ran. " \
	"format: version of the document, 1; merged: number of runs that it sums up."

/* counts, */
#define COMMON_JSON_COUNTS                                                                        \
	"seconds, interrupted, sent (echoes + failed + unfinished), echoes, failed, unfinished, " \
	"rate (per second), bytes, verified_bytes, missing_bytes, mismatches (connections), "     \
	"wrong_bytes, first_mismatch (a sentence, or null), connections_opened, errors (failed "  \
	"messages by name, warm-up included), connection_errors (by name): the result."

/* kernel RTT, */
#define COMMON_JSON_KERNEL                                                                       \
	"kernel_us: smoothed, deviation, min and retransmits of the kernel (TCP_INFO, "          \
	"tcp(7)), or null. bench: means, minimum and sum of all connections. ping: of the last " \
	"connection."

/* and the series. */
#define COMMON_JSON_SERIES                                                                         \
	"series: an item for each second, with start, seconds, echoes, verified_bytes, failures, " \
	"response and service (histograms, or null). The sum of the items is the run."

#define COMMON_SIZE_ROW(size_most)                                                        \
	{                                                                                 \
		.letter = 's', .name = "size", .kind = OPTION_SIZE, .value_name = "SIZE", \
		.preset = "64", .help = "payload bytes per message",                      \
		.details = "Send messages of SIZE bytes: 64, 4k, 1M.", .least = 1,        \
		.most = (size_most),                                                      \
	}

#define COMMON_WAIT_ROW                                                                        \
	{                                                                                      \
		.letter = 'W', .name = "wait", .kind = OPTION_DURATION, .value_name = "TIME",  \
		.preset = "5s", .help = "timeout of a message",                                \
		.details = "A message fails if its echo is not back within TIME; its "         \
			   "connection is then closed. Opening a connection has the same "     \
			   "timeout; if the first connection fails, the status is 3. off: no " \
			   "timeout for messages, and 45 s for opening a connection.",         \
	}

/* Man page text about signals before there is anything to report. */
#define COMMON_SIGNALS_BEFORE                                                                    \
	"Before the first connection is open there is nothing to report: INT, TERM and HUP end " \
	"the program by that signal (status 128+N), and QUIT prints the address that it "        \
	"connects to. A signal that was ignored at the start stays ignored, as for nohup(1) "    \
	"and for background commands of a shell."

#define COMMON_JSON_ROW                                                                         \
	{                                                                                       \
		.name = "json", .kind = OPTION_FLAG,                                            \
		.help = "print one JSON document instead of text",                              \
		.details = "Print one JSON document at the end and nothing else. It has every " \
			   "count of the histograms.",                                          \
	}

#define COMMON_TIMESTAMPS_ROW                                                                    \
	{                                                                                        \
		.letter = 'D', .name = "timestamps", .kind = OPTION_FLAG,                        \
		.help = "print a timestamp before each line",                                    \
		.details =                                                                       \
			"Print the time before each line: seconds since 1970 and microseconds.", \
	}

#define COMMON_STRICT_ROW                                                                         \
	{                                                                                         \
		.name = "strict", .kind = OPTION_FLAG,                                            \
		.help = "exit with status 4 if the client was the limit",                         \
		.details = "Exit with status 4 if the client, not the server, was the limit: "    \
			   "its figures are then no measurement of the server. A failed echo is " \
			   "status 1 in any case.",                                               \
	}

/* run_info_seed() reads the value. */
#define COMMON_SEED_ROW                                                                      \
	{                                                                                    \
		.name = "seed", .kind = OPTION_COUNT, .value_name = "N",                     \
		.default_words = "random", .help = "seed of the payload",                    \
		.details = "The payload is a function of N, the connection and the offset. " \
			   "The result has the seed, so that a run can be repeated.",        \
		.most = INT64_MAX,                                                           \
	}

#endif
