/* SPDX-License-Identifier: MIT */
#include "cli/ping_command.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "cli/common_options.h"
#include "cli/run_info.h"
#include "cli/target.h"
#include "client/hold/hold_loop.h"
#include "client/output.h"
#include "client/ping.h"
#include "report/hold_report.h"
#include "stats/recorder.h"
#include "report/run_write.h"
#include "report/summary.h"

enum {
	COUNT,
	INTERVAL,
	SIZE,
	WAIT,
	DEADLINE,
	QUIET,
	TIMESTAMPS,
	JSON,
	CONNECT_EACH,
	SPIN,
	STRICT,
	SEED,
	HOLD,
	DURATION,
	METRICS,
	IPV4,
	IPV6,
	N_OPTIONS
};

static const struct option_row options[N_OPTIONS] = {
	[COUNT] = {
		.letter = 'c',
		.name = "count",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.help = "stop after N messages (default: unlimited); with --hold, connections",
		.details = "End when N messages have come back or failed. Without it, and without "
			   "--deadline, ^C ends it. "
			   "With --hold: hold N connections, at most 100000; one if it is not "
			   "given.",
		.least = 1,
		.most = UINT64_MAX,
	},
	[INTERVAL] = {
		.letter = 'i',
		.name = "interval",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "1s",
		.help = "from one message to the next",
		.details = "Send a message every TIME; with 0, the next as soon as the last is "
			   "back. One that comes back later than the next is due delays that, and "
			   "what was due meanwhile is left out. With --hold it is the heartbeat of "
			   "each connection, and off is a single one, when it is opened: to see "
			   "how long a silent connection lives.",
	},
	[SIZE] = COMMON_SIZE_ROW(PING_SIZE_MAX),
	[WAIT] = COMMON_WAIT_ROW,
	[DEADLINE] = {
		.letter = 'w',
		.name = "deadline",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "off",
		.help = "end after TIME, whatever is under way",
		.details = "End TIME after the first message; connecting takes no longer either. A "
			   "message that is under way then is "
			   "unfinished, or failed if it has waited for longer than --wait. With "
			   "--count, status 1 if fewer messages came back until then. With --hold "
			   "it is --duration.",
	},
	[QUIET] = {
		.letter = 'q',
		.name = "quiet",
		.kind = OPTION_FLAG,
		.help = "only the summary",
		.details = "Print no line for each message.",
	},
	[TIMESTAMPS] = {
		.letter = 'D',
		.name = "timestamps",
		.kind = OPTION_FLAG,
		.help = "the time before each line",
		.details = "Print the time before each line: seconds since 1970, and microseconds.",
	},
	[JSON] = COMMON_JSON_ROW,
	[CONNECT_EACH] = {
		.name = "connect-each",
		.kind = OPTION_FLAG,
		.help = "a new connection for each message",
		.details = "Open a new connection for each message; the time to connect is told "
			   "apart from the round trip.",
	},
	[SPIN] = {
		.name = "spin",
		.kind = OPTION_FLAG,
		.help = "wait awake: the least latency, a whole core",
		.details = "Look for the message again and again instead of sleeping until it is "
			   "there. That leaves out how long this machine takes to wake up, and "
			   "takes a whole core.",
	},
	[STRICT] = {
		.name = "strict",
		.kind = OPTION_FLAG,
		.help = "status 4 if the client was the limit",
		.details = "End with status 4 if the client, not the server, was the limit: it was "
			   "stopped, or waited for its processor. Its figures are then no "
			   "measurement of the server. Failures are status 1 all the same.",
	},
	[SEED] = COMMON_SEED_ROW,
	[HOLD] = {
		.name = "hold",
		.kind = OPTION_FLAG,
		.help = "hold connections for long, and say what they die of",
		.details = "Hold -c connections, each with a heartbeat every -i, and report each "
			   "that dies: the cause, how old it was, and its local address, by "
			   "which others know it. It is opened again, after 100 ms at first and "
			   "at most 5 s.",
	},
	[DURATION] = {
		.letter = 'd',
		.name = "duration",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "off",
		.help = "with --hold: how long",
		.details = "End after TIME; off: only by a signal. The first connection takes no "
			   "longer either. Of --hold.",
	},
	[METRICS] = {
		.name = "metrics",
		.kind = OPTION_TEXT,
		.value_name = "ADDRESS",
		.help = "with --hold: figures for Prometheus at http://ADDRESS/metrics",
		.details = "Serve the figures by HTTP, in the text format of Prometheus: PORT, "
			   "HOST:PORT, [V6]:PORT, :PORT or unix:/path. Of --hold.",
	},
	[IPV4] = TARGET_IPV4_ROW,
	[IPV6] = TARGET_IPV6_ROW,
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
	else if (rc == 0)
		summary_write_text(out, run);
	return output_end_report(output, rc);
}

/* Opens the output of ping and hold. It is static because it is too large for a stack. */
MUST_USE static struct output *open_output(const struct arguments *arguments)
{
	static struct output output;
	const uint64_t *values = arguments->values;
	output_open(&output, values[QUIET] || values[JSON], values[TIMESTAMPS]);
	return &output;
}

/* Returns the exit status of a reported run. Failures have priority over --strict. */
MUST_USE static enum exit_status ping_status_of(const struct arguments *arguments,
						enum exit_status verdict, const char *client_bound)
{
	if (verdict != STATUS_OK || !arguments->values[STRICT] || client_bound[0] == '\0')
		return verdict;
	log_error("the client was the limit: %s", client_bound);
	return STATUS_MACHINE;
}

/* ---- --hold ---- */

MUST_USE static enum exit_status report_hold(const struct arguments *arguments,
					     const struct hold_config *config,
					     const struct hold_report *found)
{
	const struct hold_report_facts endurance = {
		.target = found->served_by.text,
		.size = config->size,
		.interval_ns = config->interval_ns,
		.seed = config->seed,
		.wanted_ns = config->duration_ns,
		.is_interrupted = found->is_interrupted,
		.client_bound = found->client_bound[0] != '\0' ? found->client_bound : NULL,
		.disconnects = &found->disconnects,
	};
	FILE *out;
	int rc = output_begin_report(config->output, &out);
	if (rc == 0 && arguments->values[JSON])
		rc = hold_report_write_json(out, &endurance);
	else if (rc == 0)
		hold_report_write_text(out, &endurance);
	return output_end_report(config->output, rc);
}

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

MUST_USE static enum exit_status hold_main(const struct arguments *arguments)
{
	const uint64_t *values = arguments->values;
	const char *metrics = arguments->texts[METRICS];
	struct addr_spec page = { 0 };
	struct hold_config config = {
		.n_connections = values[COUNT] != 0 ? values[COUNT] : 1,
		.interval_ns = values[INTERVAL],
		.wait_ns = values[WAIT],
		.size = values[SIZE],
		.seed = run_info_seed(arguments, SEED),
		.duration_ns = values[DEADLINE] != 0 ? values[DEADLINE] : values[DURATION],
		.metrics = metrics != NULL ? &page : NULL,
	};
	enum exit_status status = check_hold(arguments);
	if (status == STATUS_OK)
		status = target_read(&ping_command, arguments, IPV4, IPV6, &config.server,
				     &config.family);
	if (status != STATUS_OK)
		return status;
	int rc = metrics != NULL ? addr_parse(metrics, &page) : 0;
	if (rc < 0) {
		log_error("--metrics %.300s: %s", metrics, err_text(rc).text);
		return STATUS_USAGE;
	}
	struct hold_report found;
	config.output = open_output(arguments);
	status = hold_run(&config, &found);
	if (status == STATUS_OK) {
		status = report_hold(arguments, &config, &found);
		disconnects_close(&found.disconnects);
		if (status == STATUS_OK)
			status = ping_status_of(arguments, found.verdict, found.client_bound);
	}
	output_close(config.output);
	return status;
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
	struct ping_config config = *asked;
	struct recorder recorder;
	struct ping_report found;
	int rc = recorder_open(&recorder);
	if (rc < 0) {
		log_error("cannot start: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	config.recorder = &recorder;
	config.output = open_output(arguments);
	enum exit_status status = ping_run(&config, &found);
	if (status == STATUS_OK) {
		struct run run;
		rc = ping_make_run(arguments, &config, &found, &recorder, &run);
		enum exit_status told =
			rc == 0 ? ping_report_run(arguments, &run, config.output) : STATUS_MACHINE;
		if (rc < 0)
			log_error("cannot make the summary: %s", err_text(rc).text);
		run_close(&run);
		status = told == STATUS_OK
				 ? ping_status_of(arguments, found.verdict, found.client_bound)
				 : told;
	}
	output_close(config.output);
	recorder_close(&recorder);
	return status;
}

static enum exit_status ping_main(const struct arguments *arguments)
{
	const uint64_t *values = arguments->values;
	if (values[HOLD])
		return hold_main(arguments);
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

static const char *const description[] = {
	"Sends a message to an echo server, waits until it is back, compares every byte, and tells "
	"how long it took; again and again, as ping(8) does it with packets. Any TCP echo will do; "
	"a server that answers something else is told from one.",
	"A round trip is a round trip, from the first byte sent to the last byte back, never "
	"halved. Beside it stands what the kernel knows of the same connection (tcp(7), "
	"TCP_INFO): how long the other kernel took to acknowledge. What ours has more is the "
	"other program, and waking up on both sides; waiting awake leaves out our own.",
	"It can also hold connections for long, through what stands between: balancers, proxies, "
	"address translation, upgrades. Each has a heartbeat, on a beat of its own, that is "
	"compared like any message, and one more as soon as it is opened. What one dies of is "
	"said when it happens: (ended) a FIN, (reset) an RST, (timeout) no reply in time, "
	"(unreachable) no way there, (wrong) a byte that is wrong; (refused) stands for one that "
	"cannot be opened again. It is opened again on any address of the name, which is looked up "
	"again. Status 0 means that none died and that heartbeats came back. A server that is no "
	"echo ends the run.",
	TARGET_PARAGRAPH,
	NULL,
};

static const char *const signals[] = {
	"INT (^C), TERM: end, with the summary. A message that is under way is unfinished, and "
	"counts with its age; if it has waited for longer than --wait, it failed.",
	"QUIT (^\\): print a line of figures, and go on.",
	COMMON_SIGNALS_BEFORE,
	NULL,
};

static const char *const diagnostics[] = {
	"seq=3: no reply within 5s: 0 of 64 bytes came back",
	"seq=3: the server ended the connection: 12 of 64 bytes came back",
	"seq=3: connection reset by peer: 0 of 64 bytes came back",
	"seq=3: byte 130 differs: sent 0x41, got 0x40 (one bit flipped)",
	"connection 7 lost (ended): the server ended the connection; 2.503 s old, ...",
	("Each of these is status 1, and the next message goes out on a new connection, to any "
	 "address of the name, which is looked up again where the last address fails."),
	"between two messages: the server ended the connection",
	"No message was under way: it is a connection error, and status 1 as well.",
	"ended early: 192.0.2.7:80 is not an echo server",
	"The first reply showed another kind of server: no further message is sent.",
	"No echo at all is status 1, however the run ended.",
	NULL,
};

static const char *const json[] = {
	COMMON_JSON_FACTS,
	"command, target, mode (closed), connections, size, depth, threads, seed, churn (of "
	"--connect-each), rate_wanted, warmup_seconds: what was run, as bench has it.",
	COMMON_JSON_COUNTS,
	"response_us (the round trips), connect_us: min, mean, p50, p90, p99, p99.9, p99.99 and "
	"max in microseconds, or null where there were none; service_us, lateness_us: null, for "
	"only bench has them. client_bound: why the client was the limit, or null; "
	"client_cpu_share: of a core, of its thread.",
	COMMON_JSON_KERNEL,
	"histogram, connect_histogram: every count of these times, in the compressed text of "
	"HdrHistogram; service_histogram, lateness_histogram: null.",
	COMMON_JSON_SERIES,
	"With --hold it is another document: of deaths, by cause. heartbeats = echoes + failed + "
	"unfinished (lost is failed under its older name); interrupted, seconds_wanted, "
	"client_bound as above.",
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
	  "A thousand round trips one after the other, and what they took." },
	{ "tcpecho ping -c 10 --connect-each --json 192.0.2.7 9877",
	  "How long connecting and an echo take, for a program to read." },
	{ "tcpecho ping --hold -c 100 -i 10s -D balancer.example.org 7",
	  "A hundred connections through a balancer, while it is upgraded." },
	{ "tcpecho ping --hold -i off -W 10s --metrics :9878 echo.example.org 7",
	  "How long a silent connection lives; with figures for Prometheus." },
	{ 0 },
};

const struct command ping_command = {
	.name = "ping",
	.summary = "one echo at a time, verified, and how long it took",
	.operands = "[HOST [PORT]]",
	.options = options,
	.n_options = N_OPTIONS,
	.description = description,
	.has_page = true,
	.sections = sections,
	.examples = examples,
	.diagnostics = diagnostics,
	.run = ping_main,
};
