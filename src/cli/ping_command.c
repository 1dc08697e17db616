/* SPDX-License-Identifier: MIT */
#include "cli/ping_command.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/status.h"
#include "cli/target.h"
#include "client/ping.h"
#include "net/file.h"
#include "report/summary.h"

enum {
	COUNT,
	INTERVAL,
	SIZE,
	WAIT,
	QUIET,
	TIMESTAMPS,
	JSON,
	CONNECT_EACH,
	SPIN,
	SEED,
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
		.help = "so many messages (default: without end)",
		.details = "End when N messages have come back or failed. Without it, ^C ends it.",
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
			   "what was due meanwhile is left out.",
	},
	[SIZE] = {
		.letter = 's',
		.name = "size",
		.kind = OPTION_SIZE,
		.value_name = "SIZE",
		.preset = "64",
		.help = "bytes of a message",
		.details = "Send messages of SIZE bytes of payload: 64, 4k, 1M.",
		.least = 1,
		.most = PING_SIZE_MOST,
	},
	[WAIT] = {
		.letter = 'W',
		.name = "wait",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "5s",
		.help = "a message that is not back by then has failed",
		.details = "Wait for a message for TIME at most, then give its connection up; and "
			   "for a connection, with status 3 if it is the first. off: for ever.",
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
	[JSON] = {
		.name = "json",
		.kind = OPTION_FLAG,
		.help = "one JSON document instead of text",
		.details = "Print one JSON document at the end and nothing else; it holds every "
			   "count of the histogram.",
	},
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
	[SEED] = {
		.name = "seed",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.preset = "1",
		.help = "of the payload",
		.details = "The payload is a function of N, the connection and the offset.",
		.most = UINT64_MAX,
	},
	[IPV4] = TARGET_IPV4_ROW,
	[IPV6] = TARGET_IPV6_ROW,
};

MUST_USE static enum status report(const struct arguments *arguments,
				   const struct ping_config *config, struct ping_report *found)
{
	const struct summary summary = {
		.command = "ping",
		.target = found->address.text,
		.mode = "closed",
		.n_connections = 1,
		.size = config->size,
		.result = &found->result,
		.kernel = found->has_kernel_rtt ? &found->kernel : NULL,
		.tells_connecting = config->connect_each,
	};
	int rc = 0;
	if (arguments->values[JSON])
		rc = summary_write_json(stdout, &summary);
	else
		summary_write_text(stdout, &summary);
	if (rc == 0)
		rc = file_flush(stdout);
	if (rc == 0)
		return STATUS_OK;
	log_error("cannot write the summary: %s", err_text(rc).text);
	return STATUS_MACHINE;
}

static enum status run(const struct arguments *arguments)
{
	const uint64_t *values = arguments->values;
	struct ping_config config = {
		.count = values[COUNT],
		.interval_ns = values[INTERVAL],
		.wait_ns = values[WAIT],
		.size = values[SIZE],
		.seed = values[SEED],
		.connect_each = values[CONNECT_EACH],
		.spin = values[SPIN],
		.timestamps = values[TIMESTAMPS],
		.quiet = values[QUIET] || values[JSON],
	};
	enum status status =
		target_read(&ping_command, arguments, IPV4, IPV6, &config.server, &config.family);
	if (status != STATUS_OK)
		return status;
	struct ping_report found;
	status = ping_run(&config, &found);
	if (status != STATUS_OK && status != STATUS_ECHO_FAILED)
		return status;
	enum status told = report(arguments, &config, &found);
	result_close(&found.result);
	return told == STATUS_OK ? status : told;
}

static const char *const description[] = {
	"Sends a message to an echo server, waits until it is back, compares every byte, and tells "
	"how long it took; again and again, as ping(8) does it with packets. Any TCP echo will do; "
	"a server that answers something else is told from one.",
	"A round trip is a round trip, from the first byte sent to the last byte back, never "
	"halved. Beside it stands what the kernel knows of the same connection (tcp(7), "
	"TCP_INFO): how long the other kernel took to acknowledge. What ours has more is the "
	"other program, and waking up on both sides; waiting awake leaves out our own.",
	TARGET_PARAGRAPH,
	NULL,
};

static const char *const signals[] = {
	"INT (^C), TERM: end, with the summary. A message that is under way does not count.",
	"QUIT (^\\): print a line of figures, and go on.",
	NULL,
};

static const char *const diagnostics[] = {
	"seq=3: no reply within 5s: 0 of 64 bytes came back",
	"seq=3: the server ended the connection: 12 of 64 bytes came back",
	"seq=3: connection reset by peer: 0 of 64 bytes came back",
	"seq=3: byte 130 differs: sent 0x41, got 0x40 (one bit flipped)",
	"Each of these is status 1, and the next message goes out on a new connection.",
	NULL,
};

static const struct man_section sections[] = {
	{ "SIGNALS", signals },
	{ 0 },
};

static const struct man_example examples[] = {
	{ "tcpecho ping", "The server on this machine, once a second." },
	{ "tcpecho ping -c 1000 -i 0 -q --spin echo.example.org 7",
	  "A thousand round trips one after the other, and what they took." },
	{ "tcpecho ping -c 10 --connect-each --json 192.0.2.7 9877",
	  "How long connecting and an echo take, for a program to read." },
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
	.run = run,
};
