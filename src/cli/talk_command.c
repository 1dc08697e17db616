/* SPDX-License-Identifier: MIT */
#include "cli/talk_command.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/status.h"
#include "client/talk.h"

#define DEFAULT_HOST "localhost"
#define DEFAULT_PORT 9877

enum { TIMEOUT, RAW, IPV4, IPV6, N_OPTIONS };

static const struct option_row options[N_OPTIONS] = {
	[TIMEOUT] = {
		.letter = 't',
		.name = "timeout",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "off",
		.help = "give up after so long a silence",
		.details = "Give up with status 1 when bytes, or the server's end, are due and "
			   "nothing has come back for TIME; and with status 3 when connecting "
			   "takes longer in all, once the name is looked up. Without it the "
			   "server may be silent for ever, and each of its addresses has 10 "
			   "seconds to answer.",
	},
	[RAW] = {
		.name = "raw",
		.kind = OPTION_FLAG,
		.help = "let control bytes through to a terminal",
		.details = "Write what came back to a terminal as it is. By default bytes that a "
			   "terminal would obey are shown: control bytes as ^X, others as \\xNN. "
			   "Files and pipes always get every byte unchanged.",
	},
	[IPV4] = {
		.letter = '4',
		.name = "ipv4",
		.kind = OPTION_FLAG,
		.help = "use IPv4 only",
		.details = "Try only the IPv4 addresses of HOST.",
	},
	[IPV6] = {
		.letter = '6',
		.name = "ipv6",
		.kind = OPTION_FLAG,
		.help = "use IPv6 only",
		.details = "Try only the IPv6 addresses of HOST.",
	},
};

/* Is it an address with its port, rather than a host? "::1" is a host. */
static bool has_port(const char *text)
{
	if (text[0] == '[')
		return strstr(text, "]:") != NULL;
	const char *colon = strchr(text, ':');
	return colon != NULL && colon == strrchr(text, ':');
}

/* HOST, "[V6]", "unix:..." or, for convenience, the HOST:PORT that serve prints. */
MUST_USE static int parse_host(const char *text, struct addr_spec *ret_spec)
{
	if (strncmp(text, "unix:", 5) == 0 || has_port(text))
		return addr_parse(text, ret_spec);

	struct addr_spec spec = { .kind = ADDR_HOST, .port = DEFAULT_PORT };
	size_t n = strlen(text);
	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(spec.host))
		return ERR_BAD_ADDRESS;
	memcpy(spec.host, text, n);
	*ret_spec = spec;
	return 0;
}

MUST_USE static enum status parse_server(const struct arguments *arguments,
					 struct addr_spec *ret_spec)
{
	const char *host = arguments->n_operands > 0 ? arguments->operands[0] : DEFAULT_HOST;
	if (*host != '\0' && strspn(host, "0123456789") == strlen(host)) {
		/* To the resolver, 9877 is the address 0.0.38.149. */
		log_error("%.300s: a port needs a host (write `tcpecho talk localhost %.5s`)", host,
			  host);
		return STATUS_USAGE;
	}
	int rc = parse_host(host, ret_spec);
	if (rc == 0 && ret_spec->kind == ADDR_WILDCARD)
		rc = ERR_BAD_ADDRESS;
	if (rc == ERR_BAD_ADDRESS) {
		log_error("%.300s: not an address of a server (write HOST [PORT], HOST:PORT, "
			  "[V6]:PORT, unix:/path or unix:@name)",
			  host);
		return STATUS_USAGE;
	}
	if (rc < 0) {
		log_error("%.300s: %s", host, err_text(rc).text);
		return STATUS_USAGE;
	}
	if (ret_spec->kind == ADDR_UNIX && arguments->n_operands < 2)
		return STATUS_OK;

	const char *port = arguments->n_operands < 2 ? host : arguments->operands[1];
	if (arguments->n_operands == 2) {
		if (ret_spec->kind == ADDR_UNIX || has_port(host)) {
			log_error("%.300s %.300s: the first has its port already", host, port);
			return STATUS_USAGE;
		}
		if (addr_parse_port(port, &ret_spec->port) < 0)
			ret_spec->port = 0;
	}
	if (ret_spec->port == 0) {
		log_error("%.300s: the port must be a number from 1 to 65535", port);
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

/* Of --ipv4 and --ipv6 the command line's wins over the environment's. */
MUST_USE static enum status choose_family(const struct arguments *arguments, int *ret_family)
{
	bool v4 = arguments->values[IPV4], v6 = arguments->values[IPV6];
	if (v4 && v6) {
		v4 = arguments->sources[IPV4] > arguments->sources[IPV6];
		v6 = arguments->sources[IPV6] > arguments->sources[IPV4];
		if (!v4 && !v6) {
			log_error("--ipv4 and --ipv6 exclude each other");
			return STATUS_USAGE;
		}
	}
	*ret_family = v4 ? AF_INET : v6 ? AF_INET6 : AF_UNSPEC;
	return STATUS_OK;
}

static enum status run(const struct arguments *arguments)
{
	if (arguments->n_operands > 2) {
		log_error("%.300s: one HOST and one PORT are enough", arguments->operands[2]);
		return STATUS_USAGE;
	}
	struct talk_config config = {
		.timeout_ns = arguments->values[TIMEOUT],
		.raw = arguments->values[RAW],
	};
	enum status status = choose_family(arguments, &config.family);
	if (status == STATUS_OK)
		status = parse_server(arguments, &config.server);
	return status == STATUS_OK ? talk_run(&config) : status;
}

static const char *const description[] = {
	"Sends standard input to an echo server and writes what comes back to standard output. "
	"Every byte that comes back is compared with what was sent.",
	"At the end of the input (^D at a terminal) the connection is half-closed: a FIN tells the "
	"server that no more will come, and what is still on its way back is read until the server "
	"closes too. Input and output flow at the same time: it never waits for a reply before it "
	"reads on, however large the input is, and it keeps at most 1 MiB of bytes in flight.",
	"HOST is a name, an IPv4 or IPv6 address (localhost when it is left out), unix:/path or "
	"unix:@name for a unix socket; HOST:PORT and [V6]:PORT are understood as well. PORT is "
	"9877 when it is left out. All addresses of a name are tried in turn.",
	"When standard error is a terminal and neither input nor output is one, a line shows the "
	"progress of what takes longer than a second. NO_COLOR switches colours off.",
	NULL,
};

static const char *const diagnostics[] = {
	"server ended early: 120 of 300 bytes came back",
	"server reset the connection: 120 of 300 bytes came back",
	"byte 8192 differs: sent 0x41, got 0x00",
	"byte 300 was never sent: got 0x0a",
	"no reply for 2s: 0 of 6 bytes came back",
	"server did not end within 2s: 6 of 6 bytes came back",
	"Each of these is status 1. Bytes are counted from 0, of the input that was read so far.",
	NULL,
};

static const struct man_section sections[] = { { 0 } };

static const struct man_example examples[] = {
	{ "tcpecho talk", "A conversation with the server on this machine." },
	{ "tcpecho talk < file > copy", "A verified copy by way of the server." },
	{ "tcpecho talk --timeout 2s echo.example.org 7 < /etc/hostname",
	  "Is the echo service there, and faithful?" },
	{ 0 },
};

const struct command talk_command = {
	.name = "talk",
	.summary = "send standard input to a server, print and verify what comes back",
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
