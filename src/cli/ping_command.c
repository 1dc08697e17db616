/* SPDX-License-Identifier: MIT */
#include "cli/ping_command.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "cli/common_options.h"
#include "cli/hold_command.h"
#include "cli/option.h"
#include "cli/run_info.h"
#include "cli/target.h"
#include "client/hold/hold_loop.h"
#include "client/output.h"
#include "client/ping.h"
#include "report/run_write.h"
#include "report/summary.h"
#include "stats/recorder.h"

enum {
	COUNT,
	INTERVAL,
	SIZE,
	WAIT,
	DEADLINE,
	CONNECT_EACH,
	SPIN,
	SEED,
	QUIET,
	TIMESTAMPS,
	JSON,
	STRICT,
	IPV4,
	IPV6,
	HOLD,
	DURATION,
	METRICS,
	N_OPTIONS
};

static const struct option_row options[N_OPTIONS] = {
	[COUNT] = {
		.letter = 'c',
		.name = "count",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.default_words = "unlimited",
		.help = "stop after N messages",
		.details = "End when N messages have come back or failed. Without --count and "
			   "--deadline, ^C ends the run.",
		.least = 1,
		.most = UINT64_MAX,
	},
	[INTERVAL] = {
		.letter = 'i',
		.name = "interval",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "1s",
		.help = "time between messages",
		.details = "Send a message every TIME. 0: send the next message when the last one "
			   "is back. A message that is not back when the next one is due delays "
			   "it, and messages due in the meantime are left out.",
	},
	[SIZE] = COMMON_SIZE_ROW(PING_SIZE_MAX),
	[WAIT] = COMMON_WAIT_ROW,
	[DEADLINE] = {
		.letter = 'w',
		.name = "deadline",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "off",
		.help = "end after TIME",
		.details = "End TIME after the first message. It also limits opening the first "
			   "connection. A message in flight is unfinished then, or failed if it "
			   "has waited for longer than --wait. With --count, the status is 1 if "
			   "fewer messages came back.",
	},
	[CONNECT_EACH] = {
		.name = "connect-each",
		.kind = OPTION_FLAG,
		.help = "open a new connection for each message",
		.details = "Open a new connection for each message. The connect time is not part "
			   "of the round-trip time and is shown beside it.",
	},
	[SPIN] = {
		.name = "spin",
		.kind = OPTION_FLAG,
		.help = "poll instead of sleeping; uses a whole core",
		.details = "Poll the socket instead of sleeping until the echo arrives. The "
			   "round-trip time is then without the wake-up on this machine. It uses "
			   "a whole core.",
	},
	[SEED] = COMMON_SEED_ROW,
	[QUIET] = {
		.letter = 'q',
		.name = "quiet",
		.kind = OPTION_FLAG,
		.help = "print only the summary",
		.details = "Print no line for each message.",
	},
	[TIMESTAMPS] = COMMON_TIMESTAMPS_ROW,
	[JSON] = COMMON_JSON_ROW,
	[STRICT] = COMMON_STRICT_ROW,
	[IPV4] = TARGET_IPV4_ROW,
	[IPV6] = TARGET_IPV6_ROW,
	[HOLD] = {
		.name = "hold",
		.kind = OPTION_FLAG,
		.help = "same as 'tcpecho hold'",
		.details = "Do what tcpecho-hold(1) does. --count is then the number of "
			   "connections (default: 1), --interval the time between heartbeats.",
	},
	[DURATION] = {
		.letter = 'd',
		.name = "duration",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "off",
		.help = "with --hold: end after TIME",
		.details = "With --hold: end after TIME.",
	},
	[METRICS] = {
		.name = "metrics",
		.kind = OPTION_TEXT,
		.value_name = "ADDRESS",
		.default_words = "off",
		.help = "with --hold: serve metrics",
		.details = "With --hold: serve the figures for Prometheus at /metrics.",
	},
};

static const struct option_group groups[] = {
	{ "messages", COUNT },
	{ "output", QUIET },
	{ "server address", IPV4 },
	{ "connections that stay open (alias of tcpecho hold)", HOLD },
	{ 0 },
};

/* Makes a run from the result. The caller must close *ret_run, also on failure. */
MUST_USE static int ping_make_run(const struct arguments *arguments,
				  const struct ping_config *config, const struct ping_report *found,
				  struct recorder *recorder, struct run *ret_run)
{
	*ret_run = (struct run){
		.n_merged = 1,
		.n_connections = 1,
		.size = config->size,
		.depth = 1,
		.n_threads = 1,
		.seed = config->seed,
		.churns = config->connect_each,
		.result = found->result,
		.wanted_ns = config->duration_ns,
		.is_interrupted = found->is_interrupted,
		.cpu_share = found->cpu_share,
		.deviation_ns = found->deviation_ns,
		.has_kernel = found->has_kernel,
		.kernel = found->kernel,
	};
	int rc = recorder_finish(recorder, &ret_run->series);
	if (rc == 0)
		rc = run_info_copy("ping", &ret_run->command);
	if (rc == 0)
		rc = run_info_copy("closed", &ret_run->mode);
	if (rc == 0)
		rc = run_info_copy(found->served_by.text, &ret_run->target);
	if (rc == 0 && found->client_bound[0] != '\0')
		rc = run_info_copy(found->client_bound, &ret_run->client_bound);
	if (rc == 0)
		rc = run_info_gather(&ret_run->facts, &ping_command, arguments, found->start_ns,
				     found->has_kernel ? &found->sending : NULL);
	return rc;
}

MUST_USE static enum exit_status ping_report_run(const struct arguments *arguments,
						 const struct run *run, struct output *output)
{
	FILE *out;
	int rc = output_begin_report(output, &out);
	if (rc == 0 && arguments->values[JSON])
		rc = run_write_json(out, run);
	else if (rc == 0) {
		summary_write_text(out, run);
		summary_write_verdict(out, run);
	}
	return output_end_report(output, rc);
}

/* ---- --hold ---- */

/* The options of ping that hold has too. */
static const struct {
	size_t ping, hold;
} hold_rows[] = {
	{ COUNT, HOLD_CONNECTIONS }, { INTERVAL, HOLD_INTERVAL },     { SIZE, HOLD_SIZE },
	{ WAIT, HOLD_WAIT },         { DURATION, HOLD_DURATION },     { SEED, HOLD_SEED },
	{ QUIET, HOLD_QUIET },       { TIMESTAMPS, HOLD_TIMESTAMPS }, { JSON, HOLD_JSON },
	{ METRICS, HOLD_METRICS },   { STRICT, HOLD_STRICT },         { IPV4, HOLD_IPV4 },
	{ IPV6, HOLD_IPV6 },
};

MUST_USE static enum exit_status check_hold(const struct arguments *arguments)
{
	const uint64_t *values = arguments->values;
	if (values[CONNECT_EACH] || values[SPIN]) {
		log_error("--hold and --%s exclude each other",
			  values[SPIN] ? options[SPIN].name : options[CONNECT_EACH].name);
		return STATUS_USAGE;
	}
	if (values[COUNT] > HOLD_CONNECTIONS_MAX) {
		log_error("--count: --hold has at most %d connections", HOLD_CONNECTIONS_MAX);
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

/*
 * Runs the alias of `tcpecho hold`. The command line has priority over TCPECHO_PING_*, and that
 * over TCPECHO_HOLD_*.
 */
MUST_USE static enum exit_status ping_hold(const struct arguments *arguments)
{
	char name[] = "hold", *words[] = { name, NULL };
	struct arguments hold;
	enum exit_status status = check_hold(arguments);
	if (status == STATUS_OK && option_parse(&hold_command, 1, words, &hold) != OPTION_RUN)
		status = STATUS_USAGE;
	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; i < ARRAY_LEN(hold_rows); i++) {
		size_t from = hold_rows[i].ping, to = hold_rows[i].hold;
		if (arguments->sources[from] == SOURCE_PRESET)
			continue;
		hold.values[to] = arguments->values[from];
		hold.texts[to] = arguments->texts[from];
		hold.sources[to] = arguments->sources[from];
	}
	if (arguments->values[DEADLINE] != 0)
		hold.values[HOLD_DURATION] = arguments->values[DEADLINE];
	hold.operands = arguments->operands;
	hold.n_operands = arguments->n_operands;
	return hold_command.run(&hold);
}

/* Refuses options that need --hold. */
MUST_USE static enum exit_status check_without_hold(const struct arguments *arguments)
{
	static const int of_hold[] = { DURATION, METRICS };
	for (size_t i = 0; i < ARRAY_LEN(of_hold); i++) {
		if (arguments->sources[of_hold[i]] == SOURCE_COMMAND_LINE) {
			log_error("--%s needs --hold", options[of_hold[i]].name);
			return STATUS_USAGE;
		}
	}
	return STATUS_OK;
}

MUST_USE static enum exit_status ping_and_report(const struct arguments *arguments,
						 const struct ping_config *asked)
{
	const uint64_t *values = arguments->values;
	struct ping_config config = *asked;
	struct recorder recorder;
	struct ping_report found;
	int rc = recorder_open(&recorder);
	if (rc < 0) {
		log_error("cannot start: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	config.recorder = &recorder;
	config.output = common_output(values[QUIET] || values[JSON], values[TIMESTAMPS]);
	enum exit_status status = ping_run(&config, &found);
	if (status == STATUS_OK) {
		struct run run;
		rc = ping_make_run(arguments, &config, &found, &recorder, &run);
		status = rc == 0 ? ping_report_run(arguments, &run, config.output) : STATUS_MACHINE;
		if (rc < 0)
			log_error("cannot make the summary: %s", err_text(rc).text);
		run_close(&run);
		if (status == STATUS_OK)
			status = common_strict_status(values[STRICT], found.verdict,
						      found.client_bound);
	}
	output_close(config.output);
	recorder_close(&recorder);
	return status;
}

static enum exit_status ping_main(const struct arguments *arguments)
{
	const uint64_t *values = arguments->values;
	if (values[HOLD])
		return ping_hold(arguments);
	struct ping_config config = {
		.count = values[COUNT],
		.interval_ns = values[INTERVAL],
		.wait_ns = values[WAIT],
		.duration_ns = values[DEADLINE],
		.size = values[SIZE],
		.seed = run_info_seed(arguments, SEED),
		.connect_each = values[CONNECT_EACH],
		.spin = values[SPIN],
	};
	enum exit_status status = check_without_hold(arguments);
	if (status == STATUS_OK)
		status = target_read(&ping_command, arguments, IPV4, IPV6, &config.server,
				     &config.family);
	if (status != STATUS_OK)
		return status;
	return ping_and_report(arguments, &config);
}

/* ---- the man page ---- */

static const char *const description[] = {
	"Sends one message at a time to an echo server, waits for its echo, compares every byte "
	"and prints the round-trip time, as ping(8) does with packets. Any TCP echo server will "
	"do. A server that is no echo server is detected and ends the run.",
	"The round-trip time is measured from the first byte sent to the last byte received; it is "
	"never halved. The summary also shows the kernel RTT of the same connection (TCP_INFO, "
	"tcp(7)): the time until the other kernel has acknowledged. Our figure also contains the "
	"server process and the wake-ups on both sides; --spin avoids the wake-up on this side.",
	"To watch connections that stay open for a long time, use tcpecho-hold(1).",
	TARGET_PARAGRAPH,
	NULL,
};

static const char *const signals[] = {
	"INT (^C), TERM: end with the summary. A message that is in flight is unfinished and "
	"counts with its age so far; if it has waited for longer than --wait, it has failed.",
	"QUIT (^\\): print a line of figures and continue.",
	COMMON_SIGNALS_BEFORE,
	NULL,
};

static const char *const diagnostics[] = {
	"seq=3: no reply within 5s: 0 of 64 bytes came back",
	"seq=3: the server ended the connection: 12 of 64 bytes came back",
	"seq=3: connection reset by peer: 0 of 64 bytes came back",
	"seq=3: byte 130 differs: sent 0x41, got 0x40 (one bit flipped)",
	("Each of these is status 1. The next message is sent on a new connection, to any address "
	 "of the name, which is resolved again if the last address fails."),
	"between two messages: the server ended the connection",
	"No message was in flight: it is a connection error, and status 1 too.",
	"ended early: 192.0.2.7:80 is not an echo server",
	"The first reply shows another kind of server: no further message is sent.",
	"No echo at all is status 1, however the run ended.",
	NULL,
};

static const char *const json[] = {
	COMMON_JSON_FACTS,
	"command, target, mode (closed), connections, size, depth, threads, seed, churn (with "
	"--connect-each), rate_wanted, warmup_seconds: the parameters of the run, as for "
	"tcpecho-bench(1).",
	COMMON_JSON_COUNTS,
	"response_us (round trips), connect_us: min, mean, p50, p90, p99, p99.9, p99.99 and max in "
	"microseconds, or null if empty. service_us, lateness_us: null, because only bench "
	"has them. client_bound: why the client was the limit, or null. client_cpu_share: share of "
	"a core that its thread used.",
	COMMON_JSON_KERNEL,
	"histogram, connect_histogram: every count of these times, in the compressed text of "
	"HdrHistogram. service_histogram, lateness_histogram: null.",
	COMMON_JSON_SERIES,
	"With --hold it is another document; see tcpecho-hold(1).",
	NULL,
};

static const struct man_section sections[] = {
	{ "SIGNALS", signals },
	{ "JSON", json },
	{ 0 },
};

static const struct man_example examples[] = {
	{ "tcpecho ping", "The server on this machine, once a second." },
	{ "tcpecho ping -c 1000 -i 0 -q --spin echo.example.org 7",
	  "A thousand round trips one after the other, and only the summary." },
	{ "tcpecho ping -c 10 --connect-each --json 192.0.2.7 9877",
	  "Connect time and round-trip time, as JSON." },
	{ 0 },
};

const struct command ping_command = {
	.name = "ping",
	.summary = "send one echo at a time and print its round-trip time",
	.operands = "[HOST [PORT]]",
	.options = options,
	.n_options = N_OPTIONS,
	.groups = groups,
	.description = description,
	.has_page = true,
	.sections = sections,
	.examples = examples,
	.diagnostics = diagnostics,
	.run = ping_main,
};
