/* SPDX-License-Identifier: MIT */
#include "cli/talk_command.h"

#include "base/exit_status.h"
#include "cli/target.h"
#include "client/talk.h"

enum { TIMEOUT, NO_HALF_CLOSE, RAW, IPV4, IPV6, N_OPTIONS };

static const struct option_row options[N_OPTIONS] = {
	[TIMEOUT] = {
		.letter = 't',
		.name = "timeout",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "off",
		.help = "give up after TIME without data",
		.details = "Give up with status 1 if bytes, or the server's FIN, are due and "
			   "nothing has come back for TIME; and with status 3 if connecting takes "
			   "longer than TIME, not counting the resolution of the name. off: no "
			   "limit for replies, and 10 seconds to connect to each address.",
	},
	[NO_HALF_CLOSE] = {
		.name = "no-half-close",
		.kind = OPTION_FLAG,
		.help = "send the FIN after the last echo",
		.details = "Send our FIN when every byte of the input is back, not at the end of "
			   "the input: for proxies that close both directions at the first FIN. A "
			   "server that answers only at end of input never answers then: "
			   "use --timeout.",
	},
	[RAW] = {
		.name = "raw",
		.kind = OPTION_FLAG,
		.help = "write control bytes to a terminal unchanged",
		.details = "Write what comes back to a terminal unchanged. By default bytes that "
			   "control a terminal are shown as ^X or \\xNN. Files and pipes always "
			   "get every byte unchanged.",
	},
	[IPV4] = TARGET_IPV4_ROW,
	[IPV6] = TARGET_IPV6_ROW,
};

static enum exit_status talk_main(const struct arguments *arguments)
{
	struct talk_config config = {
		.timeout_ns = arguments->values[TIMEOUT],
		.raw = arguments->values[RAW],
		.no_half_close = arguments->values[NO_HALF_CLOSE],
	};
	enum exit_status status =
		target_read(&talk_command, arguments, IPV4, IPV6, &config.server, &config.family);
	return status == STATUS_OK ? talk_run(&config) : status;
}

static const char *const description[] = {
	"Sends standard input to an echo server and writes what comes back to standard output. "
	"Every byte that comes back is compared with what was sent.",
	"At the end of the input (^D at a terminal) the connection is half-closed: the FIN "
	"means that no more bytes follow, and the remaining echo is read until the server closes "
	"too. Input and output flow at the same time: talk never waits for a reply before it reads "
	"on, however large the input is. At most 1 MiB is in flight.",
	TARGET_PARAGRAPH,
	"When standard error is a terminal and neither input nor output is one, a progress line "
	"is shown after a second. NO_COLOR switches colours off.",
	NULL,
};

static const char *const diagnostics[] = {
	"server ended early: 120 of 300 bytes came back",
	"server reset the connection: 120 of 300 bytes came back",
	("server ended early: 120 of 300 bytes came back (after our FIN: perhaps a proxy that has "
	 "no half-close; try --no-half-close)"),
	"byte 8192 differs: sent 0x41, got 0x00",
	("byte 0 differs: sent 0x47, got 0x48 (not an echo server but an HTTP server: it answers "
	 "\"HTTP/1.1 400 Bad Request\")"),
	"byte 300 was never sent: got 0x0a",
	"no reply for 2s: 0 of 6 bytes came back",
	"server did not end within 2s: 6 of 6 bytes came back",
	("Each of these is status 1. Bytes are counted from 0, and totals are of the input read so "
	 "far."),
	NULL,
};

static const struct man_section sections[] = { { 0 } };

static const struct man_example examples[] = {
	{ "tcpecho talk", "A conversation with the server on this machine." },
	{ "tcpecho talk < file > copy", "Copy a file through the server, verified." },
	{ "tcpecho talk --no-half-close -t 5s proxy.example.org < file > copy",
	  "The same, through a proxy that closes both directions at the first FIN." },
	{ "tcpecho talk --timeout 2s echo.example.org 7 < /etc/hostname",
	  "Check that the echo service works." },
	{ 0 },
};

const struct command talk_command = {
	.name = "talk",
	.summary = "send standard input to a server, verify and print the echo",
	.operands = "[HOST [PORT]]",
	.options = options,
	.n_options = N_OPTIONS,
	.description = description,
	.has_page = true,
	.sections = sections,
	.examples = examples,
	.diagnostics = diagnostics,
	.run = talk_main,
};
