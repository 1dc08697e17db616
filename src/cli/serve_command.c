/* SPDX-License-Identifier: MIT */
#include "cli/serve_command.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "cli/option.h"
#include "cli/run_info.h"
#include "cli/serve_faults.h"
#include "fault/fault.h"
#include "server/client_limit.h"
#include "server/startup.h"

/* More workers than any machine has use for. */
#define WORKERS_MAX 4096

enum {
	ENGINE,
	WORKERS,
	CLIENTS_PER_WORKER,
	BUSY_POLL,
	MAX_CLIENTS,
	MAX_PER_SOURCE,
	IDLE_TIMEOUT,
	DRAIN_TIMEOUT,
	USER,
	READY_FD,
	LOG,
	QUIET,
	FAULT,
	FAULT_PORTS,
	SEED,
	N_OPTIONS
};

/* Choices that are not engines; they follow the engines. */
static const char *const other_choices[] = { "auto", "help", NULL };
enum { CHOICE_AUTO, CHOICE_HELP };

static size_t count_engines(void)
{
	size_t n = 0;
	while (engines[n] != NULL)
		n++;
	return n;
}

static const char *engine_name(size_t i)
{
	size_t n = count_engines();
	return i < n ? engines[i]->name : other_choices[i - n];
}

/* Names in the order of enum log_format. */
static const char *log_format_name(size_t i)
{
	static const char *const names[] = { [LOG_TEXT] = "text", [LOG_JSON] = "json", NULL };
	return names[i];
}

static const struct option_row options[N_OPTIONS] = {
	[ENGINE] = {
		.letter = 'e',
		.name = "engine",
		.kind = OPTION_CHOICE,
		.value_name = "NAME",
		.preset = "fork",
		.choice = engine_name,
		.help = "how clients are served",
		.details = "How clients are served. fork: one child process for each client. "
			   "prefork: child processes that are started before their clients. "
			   "thread: one thread for each client. epoll: one event loop on each core "
			   "for many clients. uring: the same with io_uring(7). All engines keep "
			   "the same promises. auto: the best engine for many clients that this "
			   "machine allows; the line \"listening on\" names it and the reason. "
			   "help: list the engines and whether they can be used here.",
	},
	[WORKERS] = {
		.letter = 'w',
		.name = "workers",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.default_words = "by engine",
		.least = 1,
		.most = WORKERS_MAX,
		.help = "number of worker processes",
		.details = "Serve with N worker processes below a supervisor, which replaces a "
			   "worker that ends. The default is one for each core (epoll, uring), one "
			   "(thread), or as many as there are clients (prefork). The fork engine "
			   "has no workers.",
	},
	[CLIENTS_PER_WORKER] = {
		.name = "clients-per-worker",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.default_words = "1",
		.least = 1,
		.most = CLIENT_LIMIT_MAX,
		.help = "clients per prefork worker",
		.details = "Each worker of the prefork engine serves at most N clients at a time.",
	},
	[BUSY_POLL] = {
		.name = "busy-poll",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "off",
		.help = "poll for TIME before sleeping",
		.details = "After the last event a worker polls for the next one for at most TIME "
			   "before it sleeps: a shorter round trip, and a whole core in use during "
			   "that time. Only for epoll and uring.",
	},
	[MAX_CLIENTS] = {
		.letter = 'm',
		.name = "max-clients",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.default_words = "1024, or fewer",
		.least = 1,
		.most = CLIENT_LIMIT_MAX,
		.help = "clients at a time",
		.details = "Serve at most N clients at a time. When there are N, no connection is "
			   "accepted: clients wait in the accept queue of the kernel, are served "
			   "in order, and none is refused. If the descriptors, processes or memory "
			   "that this machine or a cgroup has left do not allow N, the server does "
			   "not start. The default is 1024, or the number that they allow.",
	},
	[MAX_PER_SOURCE] = {
		.name = "max-per-source",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.default_words = "unlimited",
		.least = 1,
		.most = CLIENT_LIMIT_MAX,
		.help = "clients per source address",
		.details = "Serve at most N clients at a time from one IPv4 address or IPv6 /64 "
			   "network. Further connections are accepted and wait, without using a "
			   "place of --max-clients. Up to 256 of them wait; beyond that, the "
			   "latest of the source with the most is closed. With workers, one "
			   "process accepts for all of them.",
	},
	[IDLE_TIMEOUT] = {
		.name = "idle-timeout",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "off",
		.help = "close connections idle for TIME",
		.details = "Close the connection of a client if no byte has moved in either "
			   "direction for TIME. The client gets a FIN and has five seconds to "
			   "close too.",
	},
	[DRAIN_TIMEOUT] = {
		.name = "drain-timeout",
		.kind = OPTION_DURATION,
		.off_is_never = true,
		.value_name = "TIME",
		.preset = "30s",
		.help = "let clients finish after TERM",
		.details = "After TERM or INT let clients finish for TIME; then end the remaining "
			   "connections and exit with status 1. 0s: end them at once. off: wait "
			   "until all have finished. Time in which the server was stopped "
			   "(SIGSTOP) does not count.",
	},
	[USER] = {
		.name = "user",
		.kind = OPTION_USER,
		.value_name = "NAME",
		.default_words = "unchanged",
		.help = "user to run as after binding",
		.details = "Open the addresses as root, for instance ports below 1024, then become "
			   "this user, by name or number, with its groups and without a way back. "
			   "Only root can do this. The path of a unix socket belongs to root, and "
			   "is removed at the end only if the user may write to its directory; the "
			   "next start replaces it in any case.",
	},
	[READY_FD] = {
		.name = "ready-fd",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.default_words = "none",
		.most = INT_MAX,
		.help = "write addresses to descriptor N",
		.details = "Write each address as a line to the open descriptor N and close it, as "
			   "soon as clients can connect.",
	},
	[LOG] = {
		.name = "log",
		.kind = OPTION_CHOICE,
		.value_name = "FORMAT",
		.preset = "text",
		.choice = log_format_name,
		.help = "log format",
		.details = "The format of the lines on standard error: text, or one JSON object "
			   "per line.",
	},
	[QUIET] = {
		.letter = 'q',
		.name = "quiet",
		.kind = OPTION_FLAG,
		.help = "log no line when a client ends",
		.details = "Log no line when a client ends.",
	},
	[FAULT] = {
		.name = "fault",
		.kind = OPTION_LIST,
		.value_name = "SPEC",
		.default_words = "none",
		.help = "misbehave on request; help lists",
		.details = "Misbehave on request, to test clients and what stands between. SPEC is "
			   FAULT_GRAMMAR ". May be given up to 16 times. help: list "
			   "the faults. See FAULTS ON REQUEST.",
	},
	[FAULT_PORTS] = {
		.name = "fault-ports",
		.kind = OPTION_COUNT,
		.value_name = "PORT",
		.least = 1,
		.most = UINT16_MAX - FAULT_KINDS + 1,
		.default_words = "none",
		.help = "first of a port for each fault",
		.details = "Open one more port for each fault, from PORT on, on the host of the "
			   "first ADDRESS. Each has one fault, the example that help "
			   "lists, and a line at the start names it.",
	},
	[SEED] = {
		.name = "seed",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.most = UINT64_MAX,
		.default_words = "random",
		.help = "seed of the faults",
		.details = "The seed by which faults choose connections and jitter. A server that "
			   "is started with the same faults and seed does the same to the same "
			   "connection. By default it is random, and the line that says "
			   "\"listening on\" tells it.",
	},
};

static const struct option_group groups[] = {
	{ "engine", ENGINE },
	{ "limits and timeouts", MAX_CLIENTS },
	{ "start and log", USER },
	{ "faults on request", FAULT },
	{ 0 },
};

MUST_USE static enum exit_status parse_addresses(const struct arguments *arguments,
						 struct addr_spec addresses[LISTENERS_MAX],
						 size_t *ret_n)
{
	if (arguments->n_operands > LISTENERS_MAX) {
		log_error("too many addresses: %zu, at most %d", arguments->n_operands,
			  LISTENERS_MAX);
		return STATUS_USAGE;
	}
	for (size_t i = 0; i < arguments->n_operands; i++) {
		int rc = addr_parse(arguments->operands[i], &addresses[i]);
		if (rc < 0) {
			log_error("%.300s: %s", option_shown(arguments->operands[i]),
				  err_text(rc).text);
			return STATUS_USAGE;
		}
	}
	*ret_n = arguments->n_operands;
	return STATUS_OK;
}

/* Prints the output of --engine help. */
static enum exit_status list_engines(void)
{
	for (size_t i = 0; engines[i] != NULL; i++) {
		struct reason reason;
		bool usable = engine_check(engines[i], &reason) == 0;
		printf("%-8s %s%s%s%s\n", engines[i]->name, engines[i]->summary,
		       usable ? "" : " (cannot be used here: ", usable ? "" : reason.text,
		       usable ? "" : ")");
	}
	return STATUS_OK;
}

/* Refuses options that the engine does not use. */
MUST_USE static enum exit_status check_engine_options(const struct arguments *arguments,
						      const struct engine *engine)
{
	const enum option_source *sources = arguments->sources;
	const char *name = engine != NULL ? engine->name : "auto";
	bool works = engine == NULL || engine->work != NULL;
	bool grows = engine != NULL && engine->grows;
	bool polls = engine == NULL || engine->polls;
	if (sources[WORKERS] == SOURCE_COMMAND_LINE && !works)
		log_error("option --workers does not apply to engine %s (only to prefork, thread, "
			  "epoll and uring)",
			  name);
	else if (sources[CLIENTS_PER_WORKER] == SOURCE_COMMAND_LINE && !grows)
		log_error(
			"option --clients-per-worker does not apply to engine %s (only to prefork)",
			name);
	else if (sources[BUSY_POLL] == SOURCE_COMMAND_LINE && arguments->values[BUSY_POLL] != 0 &&
		 !polls)
		log_error(
			"option --busy-poll does not apply to engine %s (only to epoll and uring)",
			name);
	else
		return STATUS_OK;
	return STATUS_USAGE;
}

static enum exit_status serve_main(const struct arguments *arguments)
{
	static const struct serve_fault_rows faults = { FAULT, FAULT_PORTS, SEED };
	static struct addr_spec addresses[LISTENERS_MAX]; /* too large for a stack */
	const uint64_t *values = arguments->values;
	size_t n_engines = count_engines();
	if (values[ENGINE] == n_engines + CHOICE_HELP)
		return list_engines();
	if (serve_faults_wants_help(arguments))
		return serve_faults_list();
	const struct engine *engine = values[ENGINE] < n_engines ? engines[values[ENGINE]] : NULL;
	struct serve_options config = {
		.engine = engine,
		.addresses = addresses,
		.max_clients = values[MAX_CLIENTS],
		.max_per_source = values[MAX_PER_SOURCE],
		.idle_timeout_ns = values[IDLE_TIMEOUT],
		.drain_timeout_ns = values[DRAIN_TIMEOUT],
		.busy_poll_ns = values[BUSY_POLL],
		.n_workers = (uint32_t)values[WORKERS],
		.per_worker =
			values[CLIENTS_PER_WORKER] != 0 ? (uint32_t)values[CLIENTS_PER_WORKER] : 1,
		.ready_fd =
			arguments->sources[READY_FD] != SOURCE_PRESET ? (int)values[READY_FD] : -1,
		.become_user = arguments->sources[USER] != SOURCE_PRESET,
		.user = (uid_t)values[USER],
		.quiet = values[QUIET],
	};
	enum exit_status status = check_engine_options(arguments, engine);
	if (status == STATUS_OK)
		status = parse_addresses(arguments, addresses, &config.n_addresses);
	if (status == STATUS_OK)
		status = serve_faults_read(arguments, &faults, addresses, &config);
	if (status != STATUS_OK)
		return status;
	log_setup((enum log_format)values[LOG], log_colour_wanted(STDERR_FILENO));
	return serve_run(&config);
}

static const char *const description[] = {
	"Echoes every byte that a client sends, unchanged and in order (RFC 862), until the client "
	"closes its side; then closes the connection.",
	"ADDRESS is PORT or :PORT (all interfaces, IPv6 and IPv4), HOST:PORT, [V6]:PORT, "
	"unix:/path or unix:@name; several can be given (default: 9877). With port 0 the kernel "
	"chooses a port, and the line \"listening on\" shows it.",
	"Listening sockets that a service manager passes in (systemd.socket(5), LISTEN_FDS) are "
	"used instead of port 9877; given addresses are opened in addition. Readiness is reported "
	"to the manager (Type=notify, NOTIFY_SOCKET).",
	"Ports below 1024 are reserved. Ports below 5001, above 49151, or in the range that the "
	"kernel gives to clients work, with a warning.",
	"A client that half-closes gets every byte, then the FIN. A client that never reads costs "
	"a fixed amount of memory. Each connection that ends is logged on standard error: end "
	"peer=192.0.2.7:51334 in=120 out=120 seconds=3.214 reason=eof.",
	NULL,
};

static const char *const signals[] = {
	"TERM, INT: stop accepting, let clients finish until the drain timeout, then end the "
	"remaining connections and exit. A second one ends the server at once, by that signal. "
	"Signals within a tenth of a second of the first are the same request: timeout(1), "
	"terminals and parents that forward signals send one request twice.",
	"USR1: log the totals.",
	"KILL of a child ends only its own client, KILL of a worker ends its own clients: they are "
	"logged as killed, and another process replaces it. Clients that are killed after TERM or "
	"INT count for the exit status, those before do not. A stopped worker (SIGSTOP) without "
	"clients is continued at the end; one with clients is killed at the drain timeout. "
	"Children ignore TERM and INT, because a terminal or a service manager sends them to all "
	"processes. If the server itself is killed, its children close their connections within a "
	"second.",
	NULL,
};

static const char *const reasons[] = {
	"eof: the client closed and has every byte.",
	"reset: the client reset the connection.",
	"timeout: the client's host does not answer any more.",
	"idle: no byte moved for --idle-timeout.",
	"drain: the server ended the connection after TERM or INT.",
	"source-limit: more clients of one source waited than allowed.",
	"killed: the process that served the connection was killed; signal= names the signal.",
	"error: any other error; error= names it.",
	"fault: a fault on request ended the connection.",
	NULL,
};

static const char *const faults_on_request[] = {
	"A fault is " FAULT_GRAMMAR ": tcpecho serve --fault help lists the names. The server "
	"does this one thing wrong and everything else right.",
	"WHEN is a byte offset of the echo (64k), a time since accept (3s), accept, eof, or "
	"idle=TIME. every=N: every Nth connection. p=1/N: one connection of N. conn=N: "
	"connection N only. The seed decides which.",
	"A fault of bytes depends on the seed, the number of the connection and the byte "
	"offset only, not on segments, the engine or workers. The line of a connection in the "
	"log names the faults that had an effect, its number and the seed: fault=rst@1048576 "
	"conn=42 seed=7. A server that is started with these does the same again.",
	NULL,
};

static const struct man_section sections[] = {
	{ "SIGNALS", signals },
	{ "CLOSE REASONS", reasons },
	{ "FAULTS ON REQUEST", faults_on_request },
	{ 0 },
};

static const struct exit_status_row statuses[] = {
	{ STATUS_OK, "ended by TERM or INT, and every remaining client could finish" },
	{ STATUS_ECHO_FAILED,
	  "after TERM or INT a client could not finish: reason=drain, killed, error" },
	{ STATUS_USAGE, "the command line is wrong" },
	{ STATUS_NO_CONNECTION, "the name of an address could not be resolved" },
	{ STATUS_MACHINE, "this machine could not do it: port taken, no permission, no memory" },
	{ 0 },
};

static const struct man_example examples[] = {
	{ "tcpecho serve", "Serve on port 9877 of every interface." },
	{ "tcpecho serve localhost:9877 unix:/run/echo",
	  "Serve this machine only, over TCP and a unix socket." },
	{ "tcpecho serve -e auto -m 15000",
	  "Serve many clients with the best engine that this machine allows." },
	{ "tcpecho serve -m 100 --idle-timeout 10m --log json 7",
	  "Serve on the port of RFC 862, at most a hundred clients, none idle for long." },
	{ 0 },
};

const struct command serve_command = {
	.name = "serve",
	.summary = "run the echo server",
	.operands = "[ADDRESS]...",
	.options = options,
	.n_options = N_OPTIONS,
	.groups = groups,
	.description = description,
	.has_page = true,
	.sections = sections,
	.statuses = statuses,
	.examples = examples,
	.run = serve_main,
};
