/* SPDX-License-Identifier: MIT */
/*
 * Option rows and man page texts that ping and bench share.
 */
#ifndef CLI_COMMON_OPTIONS_H
#define CLI_COMMON_OPTIONS_H

#include "cli/command.h"

/* Man page texts about the JSON document, in this order: facts of the run, */
#define COMMON_JSON_FACTS                                                                       \
	"version, command_line, start (UTC, when the measuring began, or null), host, kernel, " \
	"cpu, cpus (that the client could run on), congestion_control, mss: of the run. "       \
	"format: of the document, 1; merged: how many runs it is the sum of."

/* counts, */
#define COMMON_JSON_COUNTS                                                                        \
	"seconds, interrupted, sent (echoes + failed + unfinished), echoes, failed, unfinished, " \
	"rate (per second), bytes, verified_bytes, missing_bytes, mismatches (connections), "     \
	"wrong_bytes, first_mismatch (a sentence, or null), connections_opened, errors (failed "  \
	"messages by name, the warm-up's too), connection_errors (by name): what became of it."

/* kernel RTT, */
#define COMMON_JSON_KERNEL                                                                       \
	"kernel_us: smoothed, deviation, min and retransmits, as the kernel knew them (tcp(7), " \
	"TCP_INFO), or null: of bench the means, the minimum and the sum of all connections, "   \
	"of ping those of the last one."

/* and the series. */
#define COMMON_JSON_SERIES                                                                         \
	"series: an item for each second, with start, seconds, echoes, verified_bytes, failures, " \
	"response and service (histograms, or null); their sum is the run."

#define COMMON_SIZE_ROW(size_most)                                                            \
	{                                                                                     \
		.letter = 's', .name = "size", .kind = OPTION_SIZE, .value_name = "SIZE",     \
		.preset = "64", .help = "bytes of a message",                                 \
		.details = "Send messages of SIZE bytes of payload: 64, 4k, 1M.", .least = 1, \
		.most = (size_most),                                                          \
	}

#define COMMON_WAIT_ROW                                                                       \
	{                                                                                     \
		.letter = 'W', .name = "wait", .kind = OPTION_DURATION, .value_name = "TIME", \
		.preset = "5s", .help = "a message that is not back by then has failed",      \
		.details = "Wait for a message for TIME at most, then give its "              \
			   "connection up; and for a connection, with status 3 if "           \
			   "it is the first. off: wait for messages without limit, and "      \
			   "45 s for a connection.",                                          \
	}

/* Man page text about signals before there is anything to report. */
#define COMMON_SIGNALS_BEFORE                                                                      \
	"Until it is connected there is nothing to report: INT, TERM and HUP end it by that "      \
	"signal (status 128+N), and QUIT prints what it is connecting to. A signal that was "      \
	"ignored when it was started stays ignored, as nohup(1) and shells do it for commands in " \
	"the background."

#define COMMON_JSON_ROW                                                                           \
	{                                                                                         \
		.name = "json", .kind = OPTION_FLAG, .help = "one JSON document instead of text", \
		.details = "Print one JSON document at the end and nothing else; it "             \
			   "holds every count of the times.",                                     \
	}

/* run_info_seed() reads the value. */
#define COMMON_SEED_ROW                                                                      \
	{                                                                                    \
		.name = "seed", .kind = OPTION_COUNT, .value_name = "N",                     \
		.help = "seed of the payload (default: random)",                             \
		.details = "The payload is a function of N, the connection and the offset. " \
			   "By default N is random; the result has it, so that the run can " \
			   "be repeated.",                                                   \
		.most = INT64_MAX,                                                           \
	}

#endif
