/* SPDX-License-Identifier: MIT */
#include "cli/hold_command.h"

#include <stdio.h>

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

static const struct option_row options[HOLD_OPTIONS] = {
	[HOLD_CONNECTIONS] = {
		.letter = 'c',
		.name = "connections",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.preset = "1",
		.help = "number of connections",
		.details = "Hold N connections.",
		.least = 1,
		.most = HOLD_CONNECTIONS_MAX,
	},
	[HOLD_INTERVAL] = {
		.letter = 'i',
		.name = "interval",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "1s",
		.help = "time between heartbeats",
		.details = "Send a heartbeat on each connection every TIME. off: send a single one "
			   "when the connection is opened, to measure how long a silent "
			   "connection stays open.",
	},
	[HOLD_SIZE] = COMMON_SIZE_ROW(PING_SIZE_MAX),
	[HOLD_WAIT] = COMMON_WAIT_ROW,
	[HOLD_DURATION] = {
		.letter = 'd',
		.name = "duration",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "off",
		.help = "end after TIME",
		.details = "End after TIME. off: until a signal ends the run. It also limits "
			   "opening the first connection.",
	},
	[HOLD_SEED] = COMMON_SEED_ROW,
	[HOLD_QUIET] = {
		.letter = 'q',
		.name = "quiet",
		.kind = OPTION_FLAG,
		.help = "print only the summary",
		.details = "Print no line for a connection that is lost.",
	},
	[HOLD_TIMESTAMPS] = COMMON_TIMESTAMPS_ROW,
	[HOLD_JSON] = COMMON_JSON_ROW,
	[HOLD_METRICS] = {
		.name = "metrics",
		.kind = OPTION_TEXT,
		.value_name = "ADDRESS",
		.default_words = "off",
		.help = "serve metrics for Prometheus",
		.details = "Serve the figures by HTTP at /metrics, in the text format of "
			   "Prometheus. ADDRESS is PORT, HOST:PORT, [V6]:PORT, :PORT or "
			   "unix:/path.",
	},
	[HOLD_STRICT] = COMMON_STRICT_ROW,
	[HOLD_IPV4] = TARGET_IPV4_ROW,
	[HOLD_IPV6] = TARGET_IPV6_ROW,
};

static const struct option_group groups[] = {
	{ "connections and heartbeats", HOLD_CONNECTIONS },
	{ "output", HOLD_QUIET },
	{ "server address", HOLD_IPV4 },
	{ 0 },
};

MUST_USE static enum exit_status report_hold(const struct arguments *arguments,
					     const struct hold_config *config,
					     const struct hold_report *found)
{
	const struct hold_report_facts facts = {
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
	if (rc == 0 && arguments->values[HOLD_JSON])
		rc = hold_report_write_json(out, &facts);
	else if (rc == 0)
		hold_report_write_text(out, &facts);
	return output_end_report(config->output, rc);
}

static enum exit_status hold_main(const struct arguments *arguments)
{
	const uint64_t *values = arguments->values;
	const char *metrics = arguments->texts[HOLD_METRICS];
	struct addr_spec page = { 0 };
	struct hold_config config = {
		.n_connections = values[HOLD_CONNECTIONS],
		.interval_ns = values[HOLD_INTERVAL],
		.wait_ns = values[HOLD_WAIT],
		.size = values[HOLD_SIZE],
		.seed = run_info_seed(arguments, HOLD_SEED),
		.duration_ns = values[HOLD_DURATION],
		.metrics = metrics != NULL ? &page : NULL,
	};
	enum exit_status status = target_read(&hold_command, arguments, HOLD_IPV4, HOLD_IPV6,
					      &config.server, &config.family);
	if (status != STATUS_OK)
		return status;
	int rc = metrics != NULL ? addr_parse(metrics, &page) : 0;
	if (rc < 0) {
		log_error("--metrics %.300s: %s", metrics, err_text(rc).text);
		return STATUS_USAGE;
	}
	struct hold_report found;
	config.output =
		common_output(values[HOLD_QUIET] || values[HOLD_JSON], values[HOLD_TIMESTAMPS]);
	status = hold_run(&config, &found);
	if (status == STATUS_OK) {
		status = report_hold(arguments, &config, &found);
		disconnects_close(&found.disconnects);
		if (status == STATUS_OK)
			status = common_strict_status(values[HOLD_STRICT], found.verdict,
						      found.client_bound);
	}
	output_close(config.output);
	return status;
}

/* ---- the man page ---- */

static const char *const description[] = {
	"Opens connections to an echo server, keeps them open, and reports what ends each of them. "
	"It tests what is between client and server: load balancers, proxies, address translation, "
	"firewalls, and upgrades of any of them.",
	"Each connection sends a heartbeat when it is opened, and another one every --interval. "
	"The connections do so at different moments. Every byte that comes back is compared.",
	"A line is printed for each connection that is lost, with the cause, its age and its local "
	"address. The causes are: ended (the server sent a FIN), reset (an RST), timeout (no reply "
	"in time), unreachable (no route), wrong (a wrong byte). The connection is opened again "
	"after a pause of 100 ms at first and 5 s at most, to any address of the name, which is "
	"resolved again. refused counts the attempts that fail.",
	"The exit status is 0 if no connection was lost and heartbeats came back. A server that is "
	"no echo server ends the run.",
	TARGET_PARAGRAPH,
	NULL,
};

static const char *const signals[] = {
	"INT (^C), TERM: end with the summary. A heartbeat that is in flight is unfinished and "
	"counts with its age so far; if it has waited for longer than --wait, it has failed.",
	"QUIT (^\\): print a line of figures and continue.",
	COMMON_SIGNALS_BEFORE,
	NULL,
};

static const char *const json[] = {
	"command (ping), mode (hold), target, connections, size, seed, interval, seconds_wanted: "
	"the parameters of the run. seconds, interrupted, client_bound: as for "
	"tcpecho-ping(1).",
	"throughout: connections that were open from the start to the end. opened, open: "
	"connections opened, and open at the end. died, deaths: connections lost, and their number "
	"by cause. not_opened: failed attempts to open a connection, by cause. dead: a list with "
	"each lost connection; dead_left_out: the number that the list leaves out.",
	"heartbeats (echoes + failed + unfinished), echoes, failed, unfinished; lost: an older "
	"name of failed. verified_bytes, mismatches (connections), wrong_bytes.",
	"shortest_life, longest_life: ages of connections, in seconds, or null. response_us: round "
	"trips: min, mean, p50, p90, p99, p99.9, p99.99 and max in microseconds, or null. "
	"histogram: every count of them, in the compressed text of HdrHistogram.",
	NULL,
};

static const char *const alias[] = {
	"ping --hold is an older name of this command and prints the same. There -c is --count, -w "
	"(--deadline) is accepted for -d, and an option can also be set by ping's variable, for "
	"example TCPECHO_PING_INTERVAL. The command line has priority over TCPECHO_PING_*, and "
	"TCPECHO_PING_* over TCPECHO_HOLD_*.",
	NULL,
};

static const struct man_section sections[] = {
	{ "SIGNALS", signals },
	{ "JSON", json },
	{ "PING \\-\\-HOLD", alias },
	{ 0 },
};

static const struct man_example examples[] = {
	{ "tcpecho hold -c 100 -i 10s -D balancer.example.org 7",
	  "A hundred connections through a load balancer while it is upgraded." },
	{ "tcpecho hold -i off -W 10s --metrics :9878 echo.example.org 7",
	  "How long a silent connection stays open, with metrics for Prometheus." },
	{ "tcpecho hold -c 20 -d 1h --json proxy.example.org 7",
	  "An hour through a proxy; the result as JSON." },
	{ 0 },
};

static const char *const diagnostics[] = {
	"connection 7 lost (ended): the server ended the connection; 2.503 s old, ...",
	"Status 1.",
	"ended early: 192.0.2.7:80 is not an echo server",
	"The first reply shows another kind of server: the run ends with status 1.",
	NULL,
};

const struct command hold_command = {
	.name = "hold",
	.summary = "keep connections open and report what ends them",
	.operands = "[HOST [PORT]]",
	.options = options,
	.n_options = HOLD_OPTIONS,
	.groups = groups,
	.description = description,
	.has_page = true,
	.sections = sections,
	.examples = examples,
	.diagnostics = diagnostics,
	.run = hold_main,
};
