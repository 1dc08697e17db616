/* SPDX-License-Identifier: MIT */
#include "cli/bench_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "base/units.h"
#include "cli/bench_manual.h"
#include "cli/common_options.h"
#include "cli/run_info.h"
#include "cli/target.h"
#include "client/load/bench.h"
#include "net/file.h"
#include "net/io.h"
#include "net/writer.h"
#include "stats/recorder.h"
#include "report/run_write.h"
#include "report/summary.h"

enum {
	CONNECTIONS,
	SIZE,
	DEPTH,
	RATE,
	CHURN,
	DURATION,
	WARMUP,
	START_AT,
	THREADS,
	SEED,
	WAIT,
	NO_RECONNECT,
	RESET,
	SOURCE,
	IPV4,
	IPV6,
	JSON,
	HLOG,
	QUIET,
	PROGRESS,
	MAX_P99,
	MIN_RATE,
	STRICT,
	N_OPTIONS
};

static const struct option_row options[N_OPTIONS] = {
	[CONNECTIONS] = {
		.letter = 'c',
		.name = "connections",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.preset = "1",
		.help = "number of connections",
		.details = "Open N connections. The load begins when all of them are open.",
		.least = 1,
		.most = BENCH_CONNECTIONS_MAX,
	},
	[SIZE] = COMMON_SIZE_ROW(BENCH_SIZE_MAX),
	[DEPTH] = {
		.letter = 'p',
		.name = "depth",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.preset = "1",
		.help = "messages in flight per connection",
		.details = "Keep up to N messages in flight on each connection. It does not apply "
			   "to --churn, where each connection has one message.",
		.least = 1,
		.most = BENCH_DEPTH_MAX,
	},
	[RATE] = {
		.letter = 'r',
		.name = "rate",
		.kind = OPTION_RATE,
		.value_name = "RATE",
		.default_words = "off",
		.help = "open loop with RATE messages/s",
		.details = "Send RATE messages per second over all connections together, at times "
			   "that are fixed in advance: 500, 10k. A message that cannot be sent on "
			   "time, because earlier echoes are late, counts from its intended send "
			   "time (response time). The time from the actual send (service time) "
			   "and the schedule lag of the client are shown beside it. Without "
			   "--rate, each connection sends its next message when the last one is "
			   "back.",
		.least = 1,
		.most = 1000000000,
	},
	[CHURN] = {
		.name = "churn",
		.kind = OPTION_FLAG,
		.help = "open a new connection for each message",
		.details = "Open a connection for each message and close it when the message is "
			   "back: first our FIN, then the server's, for which --wait is the "
			   "timeout too. The response time begins with connecting, the round trip "
			   "with sending. The connect time is shown beside them.",
	},
	[DURATION] = {
		.letter = 'd',
		.name = "duration",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "10s",
		.help = "measure for TIME",
		.details = "Measure for TIME after the warm-up. Every message that was due in this "
			   "time counts, however late it comes back.",
	},
	[WARMUP] = {
		.name = "warmup",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "1s",
		.help = "run for TIME before measuring",
		.details = "Run the load for TIME before measuring begins.",
	},
	[START_AT] = {
		.name = "start-at",
		.kind = OPTION_TEXT,
		.value_name = "TIME",
		.default_words = "now",
		.help = "start time: date, @SECONDS or +5s",
		.details = "Connect at once, and begin to send at TIME, so that several machines "
			   "begin together: a date with its offset from UTC "
			   "(2026-11-26T12:00:00Z, 2026-11-26T14:00:00.5+02:00), seconds since "
			   "1970 (@1795694400.25), or a time from now (+5s). If connections are "
			   "not open by then, the load begins when they are, and the result says "
			   "how late that was. The warm-up begins at TIME.",
	},
	[THREADS] = {
		.letter = 'w',
		.name = "threads",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.preset = "1",
		.help = "number of client threads",
		.details = "Divide the connections among N threads. No more threads than "
			   "connections are started.",
		.least = 1,
		.most = BENCH_THREADS_MAX,
	},
	[SEED] = COMMON_SEED_ROW,
	[WAIT] = COMMON_WAIT_ROW,
	[NO_RECONNECT] = {
		.name = "no-reconnect",
		.kind = OPTION_FLAG,
		.help = "do not reopen a failed connection",
		.details = "Do not reopen a connection that has failed. The run ends when none is "
			   "left.",
	},
	[RESET] = {
		.name = "reset",
		.kind = OPTION_FLAG,
		.help = "with --churn: close connections by RST",
		.details = "With --churn: close a connection by RST when its message is back, and "
			   "do not wait for the server's FIN. Its port is free at once; after a "
			   "FIN it is in TIME_WAIT for a minute. The server sees a reset.",
	},
	[SOURCE] = {
		.name = "source",
		.kind = OPTION_TEXT,
		.value_name = "ADDRESS,...",
		.default_words = "any",
		.help = "local addresses, in turn",
		.details = "Connect from ADDRESS, an address of this machine; from several, "
			   "separated by commas, in turn. One address has about 28,000 ports for "
			   "connections to one server.",
	},
	[IPV4] = TARGET_IPV4_ROW,
	[IPV6] = TARGET_IPV6_ROW,
	[JSON] = COMMON_JSON_ROW,
	[HLOG] = {
		.name = "hlog",
		.kind = OPTION_TEXT,
		.value_name = "FILE",
		.default_words = "none",
		.help = "write an HdrHistogram log to FILE",
		.details = "Write the histograms of response and service times of each second to "
			   "FILE, in the log format of HdrHistogram (version 1.3).",
	},
	[QUIET] = {
		.letter = 'q',
		.name = "quiet",
		.kind = OPTION_FLAG,
		.help = "print no progress",
		.details = "Print no progress line. On a terminal there is one each second.",
	},
	[PROGRESS] = {
		.name = "progress",
		.kind = OPTION_FLAG,
		.help = "print progress without a terminal too",
		.details = "Print a progress line each second even if standard error is no "
			   "terminal: the state of the run, then the seconds measured, the rate, "
			   "echoes, failures, and p50 and p99 of the last second. --quiet has "
			   "priority.",
	},
	[MAX_P99] = {
		.name = "max-p99",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "off",
		.help = "status 1 if p99 exceeds TIME",
		.details = "Exit with status 1 if the 99th percentile of the response times "
			   "exceeds TIME.",
	},
	[MIN_RATE] = {
		.name = "min-rate",
		.kind = OPTION_RATE,
		.value_name = "RATE",
		.default_words = "off",
		.help = "status 1 below RATE echoes/s",
		.details = "Exit with status 1 if fewer than RATE echoes per second came back.",
		.most = 1000000000,
	},
	[STRICT] = COMMON_STRICT_ROW,
};

static const struct option_group groups[] = {
	{ "load", CONNECTIONS },
	{ "connections", WAIT },
	{ "output", JSON },
	{ "limits", MAX_P99 },
	{ 0 },
};

/* ---- output files ---- */

/* Opens the log before the run, so that an error is reported before the wait. */
MUST_USE static enum exit_status begin_hlog(const char *path, struct file_draft *ret_hlog)
{
	if (path == NULL)
		return STATUS_OK;
	if (file_is_same("/dev/stdout", path)) {
		log_error("--hlog %.300s: standard output is used for the result (write the log to "
			  "another file)",
			  path);
		return STATUS_USAGE;
	}
	int rc = file_draft(path, ret_hlog);
	if (rc == 0)
		return STATUS_OK;
	log_error("cannot write %.300s: %s", path, err_text(rc).text);
	return STATUS_MACHINE;
}

MUST_USE static enum exit_status finish_hlog(struct file_draft *hlog, const char *path,
					     const struct run *run, struct writer_wait *wait)
{
	int rc = run_write_hlog(hlog->file, run);
	if (rc == 0)
		rc = file_keep(hlog, wait);
	return rc == 0 ? STATUS_OK : writer_status(rc, path, wait);
}

MUST_USE static enum exit_status write_summary(const struct arguments *arguments,
					       const struct run *run, struct output *output)
{
	FILE *out;
	int rc = output_begin_report(output, &out);
	if (rc == 0 && arguments->values[JSON])
		rc = run_write_json(out, run);
	else if (rc == 0) {
		summary_write_table(out, run);
		summary_write_verdict(out, run);
	}
	return output_end_report(output, rc);
}

/* ---- limits ---- */

/*
 * Checks the limits and logs those that are missed. Returns the exit status of the run: `verdict`,
 * if that is not STATUS_OK.
 */
MUST_USE static enum exit_status bench_status_of(const struct arguments *arguments,
						 const struct run *run, enum exit_status verdict)
{
	const struct result *result = &run->result;
	const uint64_t *values = arguments->values;
	enum exit_status status = STATUS_OK;
	uint64_t p99_ns = histogram_percentile_ns(&result->response, 99);
	double rate = result_rate(result);
	if (values[MAX_P99] != 0 && p99_ns > values[MAX_P99]) {
		log_error("the 99th percentile is %.1f us, more than %s", clock_us(p99_ns),
			  units_duration(values[MAX_P99]).text);
		status = STATUS_ECHO_FAILED;
	}
	if (rate < (double)values[MIN_RATE]) {
		log_error("%.1f echoes per second, fewer than %" PRIu64, rate, values[MIN_RATE]);
		status = STATUS_ECHO_FAILED;
	}
	if (values[STRICT] && run->client_bound != NULL) {
		log_error("the client was the limit: %s", run->client_bound);
		status = STATUS_MACHINE;
	}
	return verdict != STATUS_OK ? verdict : status;
}

MUST_USE static enum exit_status bench_report_run(const struct arguments *arguments,
						  struct file_draft *hlog, const struct run *run,
						  struct output *output)
{
	enum exit_status status = write_summary(arguments, run, output), logged = STATUS_OK;
	if (hlog->file != NULL)
		logged = finish_hlog(hlog, arguments->texts[HLOG], run, &output->wait);
	return status != STATUS_OK ? status : logged;
}

/* Makes a run from the result. The caller must close *ret_run, also on failure. */
MUST_USE static int bench_make_run(const struct arguments *arguments,
				   const struct bench_config *config,
				   const struct bench_report *found, struct recorder *recorder,
				   struct run *ret_run)
{
	*ret_run = (struct run){
		.n_merged = 1,
		.n_connections = config->n_connections,
		.size = config->size,
		.depth = config->depth,
		.n_threads = config->n_threads,
		.seed = config->seed,
		.rate_wanted = config->rate,
		.churns = config->churns,
		.warmup_ns = config->warmup_ns,
		.start = found->start,
		.wanted_ns = config->duration_ns,
		.is_interrupted = found->is_interrupted,
		.result = found->result,
		.has_kernel = found->has_kernel,
		.kernel = found->kernel,
		.cpu_share = found->cpu_share,
		.spin_share = found->spin_share,
	};
	int rc = recorder_finish(recorder, &ret_run->series);
	if (rc == 0)
		rc = run_info_copy("bench", &ret_run->command);
	if (rc == 0)
		rc = run_info_copy(config->rate != 0 ? "open" : "closed", &ret_run->mode);
	if (rc == 0)
		rc = run_info_copy(found->served_by.text, &ret_run->target);
	if (rc == 0)
		rc = run_info_copy(found->client_bound, &ret_run->client_bound);
	if (rc == 0)
		rc = run_info_gather(&ret_run->facts, &bench_command, arguments, found->start_ns,
				     found->has_kernel ? &found->sending : NULL);
	return rc;
}

MUST_USE static enum exit_status bench_and_report(const struct arguments *arguments,
						  const struct bench_config *asked)
{
	static struct output output; /* too large for a stack */
	struct bench_config config = *asked;
	enum exit_status status;
	struct recorder recorder;
	struct bench_report found;
	struct file_draft hlog = { 0 };
	if (io_check_writable(STDOUT_FILENO) < 0) /* report this before the run */
		return writer_status(-EBADF, "-", NULL);
	status = begin_hlog(arguments->texts[HLOG], &hlog);
	if (status != STATUS_OK)
		return status;
	status = STATUS_MACHINE;
	int rc = recorder_open(&recorder);
	if (rc < 0) {
		log_error("cannot start: %s", err_text(rc).text);
		goto drop_hlog;
	}
	config.recorder = &recorder;
	config.output = &output;
	output_open(&output, true, false);
	status = bench_run(&config, &found);
	if (status == STATUS_OK) {
		struct run run;
		rc = bench_make_run(arguments, &config, &found, &recorder, &run);
		status = STATUS_MACHINE;
		if (rc == 0)
			status = bench_report_run(arguments, &hlog, &run, &output);
		else
			log_error("cannot make the summary: %s", err_text(rc).text);
		if (status == STATUS_OK)
			status = bench_status_of(arguments, &run, found.verdict);
		run_close(&run);
	}
	output_close(&output);
	recorder_close(&recorder);
drop_hlog:
	if (hlog.file != NULL)
		file_drop(&hlog); /* no run, nothing to write */
	return status;
}

/* ---- the command line ---- */

MUST_USE static enum exit_status read_start_at(const char *text, uint64_t *ret_ns)
{
	uint64_t now_ns = clock_since_epoch_ns(clock_now_ns());
	int rc = units_parse_timestamp(text, now_ns, ret_ns);
	if (rc == 0 && *ret_ns > now_ns)
		return STATUS_OK;
	log_error("--start-at %.300s: %s", text,
		  rc < 0 ? err_text(rc).text : "is in the past, by this machine's clock");
	return STATUS_USAGE;
}

static enum exit_status bench_main(const struct arguments *arguments)
{
	const uint64_t *values = arguments->values;
	static struct addr sources[BENCH_SOURCES_MAX]; /* too large for a stack */
	struct bench_config config = {
		.n_connections = values[CONNECTIONS],
		.size = values[SIZE],
		.depth = values[DEPTH],
		.duration_ns = values[DURATION],
		.warmup_ns = values[WARMUP],
		.rate = values[RATE],
		.n_threads = values[THREADS],
		.wait_ns = values[WAIT],
		.seed = run_info_seed(arguments, SEED),
		.churns = values[CHURN],
		.resets = values[RESET],
		.reconnects = !values[NO_RECONNECT],
		.is_quiet = values[QUIET],
		.shows_progress = values[PROGRESS],
	};
	if (config.duration_ns == 0) {
		log_error("--duration: must be longer than 0");
		return STATUS_USAGE;
	}
	if (config.churns && config.depth > 1) {
		log_error("option --depth does not apply to --churn: each connection has one "
			  "message");
		return STATUS_USAGE;
	}
	if (config.resets && !config.churns) {
		log_error("option --reset needs --churn: other connections stay open");
		return STATUS_USAGE;
	}
	enum exit_status status =
		target_read(&bench_command, arguments, IPV4, IPV6, &config.server, &config.family);
	if (status == STATUS_OK && arguments->texts[SOURCE] != NULL) {
		status = target_read_sources(arguments->texts[SOURCE], &config.server,
					     &config.family, sources, &config.n_sources);
		config.sources = sources;
	}
	if (status == STATUS_OK && arguments->texts[START_AT] != NULL)
		status = read_start_at(arguments->texts[START_AT], &config.start_at_ns);
	if (status != STATUS_OK)
		return status;
	if (config.n_threads > config.n_connections) {
		config.n_threads = config.n_connections;
		log_notice("using %" PRIu64 " of %" PRIu64 " threads: each needs a connection",
			   config.n_threads, values[THREADS]);
	}
	return bench_and_report(arguments, &config);
}

const struct command bench_command = {
	.name = "bench",
	.summary = "put verified load on a server and measure it",
	.operands = "[HOST [PORT]]",
	.options = options,
	.n_options = N_OPTIONS,
	.groups = groups,
	.description = bench_description,
	.has_page = true,
	.sections = bench_sections,
	.examples = bench_examples,
	.diagnostics = bench_diagnostics,
	.run = bench_main,
};
