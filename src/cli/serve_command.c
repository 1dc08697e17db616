/* SPDX-License-Identifier: MIT */
#include "cli/serve_command.h"

#include <limits.h>
#include <stdio.h>

#include "base/err.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "cli/option.h"
#include "server/client_limit.h"
#include "server/startup.h"

/* More workers than any machine has use for. */
#define WORKERS_MAX 4096

enum {
	ENGINE,
	WORKERS,
	CLIENTS_PER_WORKER,
	MAX_CLIENTS,
	MAX_PER_SOURCE,
	IDLE_TIMEOUT,
	DRAIN_TIMEOUT,
	BUSY_POLL,
	USER,
	READY_FD,
	LOG,
	QUIET,
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
			   "prefork: child processes that are there before their clients. thread: "
			   "one thread for each client. epoll: a loop on each core for many "
			   "clients. uring: the same with a ring into which the kernel puts what "
			   "it has done. All of them keep the same promises. auto: the best for "
			   "many clients that this machine allows; the line that says \"listening "
			   "on\" tells which, and why. help: list them, and whether they can be "
			   "used here.",
	},
	[WORKERS] = {
		.letter = 'w',
		.name = "workers",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.least = 1,
		.most = WORKERS_MAX,
		.help = "processes that serve (a core each; as needed)",
		.details = "Serve with N processes, below one that watches over them and puts "
			   "another in the place of one that dies. The default is one for each "
			   "core (epoll, uring), one (thread), or as many as there are clients "
			   "(prefork). The fork engine has none.",
	},
	[CLIENTS_PER_WORKER] = {
		.name = "clients-per-worker",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.least = 1,
		.most = CLIENT_LIMIT_MAX,
		.help = "clients at once of one worker, engine prefork (1)",
		.details = "Each worker of the prefork engine serves at most N clients at once.",
	},
	[MAX_CLIENTS] = {
		.letter = 'm',
		.name = "max-clients",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.least = 1,
		.most = CLIENT_LIMIT_MAX,
		.help = "clients at once (1024, or what the machine allows)",
		.details = "Serve at most N clients at once. While there are as many, none is "
			   "accepted: clients wait in the kernel's queue, are served in their "
			   "order, and nobody is refused. More than this machine, or a cgroup, has "
			   "descriptors, processes or memory left for is refused at the start. "
			   "The default is 1024, or what is left if that is less.",
	},
	[MAX_PER_SOURCE] = {
		.name = "max-per-source",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.least = 1,
		.most = CLIENT_LIMIT_MAX,
		.help = "clients at once from one address (no limit)",
		.details = "Serve at most N clients at once from one IPv4 address or IPv6 /64 "
			   "network. Connections over it are accepted and wait, and use none of "
			   "the places for clients. Up to 256 of them wait; if there are more, "
			   "the latest of the source that has the most is closed. With an "
			   "engine that has workers, one process accepts for all of them then.",
	},
	[IDLE_TIMEOUT] = {
		.name = "idle-timeout",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "off",
		.help = "end a client when nothing moves for so long",
		.details = "End the connection of a client when no byte has moved in either "
			   "direction for TIME. The client gets a FIN, and five seconds to end "
			   "as well.",
	},
	[DRAIN_TIMEOUT] = {
		.name = "drain-timeout",
		.kind = OPTION_DURATION,
		.off_is_never = true,
		.value_name = "TIME",
		.preset = "30s",
		.help = "how long clients may finish after TERM or INT",
		.details = "When told to end, let clients finish for TIME; then end those who "
			   "are left, and exit with status 1. 0s: end them at once. off: wait "
			   "until all have finished. Time in which the server was stopped "
			   "(SIGSTOP) does not count.",
	},
	[BUSY_POLL] = {
		.name = "busy-poll",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "off",
		.help = "look for work so long before sleeping",
		.details = "After the last event a worker looks for the next one without sleeping, "
			   "for TIME at most: a shorter round trip, paid for with a whole core "
			   "meanwhile. For the engines that wait for many clients: epoll, uring.",
	},
	[USER] = {
		.name = "user",
		.kind = OPTION_USER,
		.value_name = "USER",
		.help = "become this user once the addresses are open",
		.details = "Open the addresses as root, ports below 1024 for instance, then become "
			   "this user, by name or by number, with his groups and without a way "
			   "back. Only root can. The path of a unix socket is root's, and is "
			   "removed at the end only if the user may write to its directory; the "
			   "next start takes its place in any case.",
	},
	[READY_FD] = {
		.name = "ready-fd",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.most = INT_MAX,
		.help = "write the addresses to descriptor N once ready",
		.details = "Once clients can connect, write each address in a line of its own to "
			   "the open descriptor N, then close it.",
	},
	[LOG] = {
		.name = "log",
		.kind = OPTION_CHOICE,
		.value_name = "FORMAT",
		.preset = "text",
		.choice = log_format_name,
		.help = "form of the log",
		.details = "The form of the lines on standard error: text, or one JSON object a "
			   "line.",
	},
	[QUIET] = {
		.letter = 'q',
		.name = "quiet",
		.kind = OPTION_FLAG,
		.help = "no line for a client that ends",
		.details = "Log no line for a client that ends.",
	},
};

MUST_USE static enum exit_status parse_addresses(const struct arguments *arguments,
						 struct addr_spec addresses[LISTENERS_MAX],
						 size_t *ret_n)
{
	if (arguments->n_operands > LISTENERS_MAX) {
		log_error("%zu addresses are too many, %d at most", arguments->n_operands,
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
		log_error("--workers: engine %s has none (prefork, thread, epoll and uring do)",
			  name);
	else if (sources[CLIENTS_PER_WORKER] == SOURCE_COMMAND_LINE && !grows)
		log_error("--clients-per-worker is for engine prefork, not %s", name);
	else if (sources[BUSY_POLL] == SOURCE_COMMAND_LINE && arguments->values[BUSY_POLL] != 0 &&
		 !polls)
		log_error("--busy-poll is for engines that wait for many clients, not %s", name);
	else
		return STATUS_OK;
	return STATUS_USAGE;
}

static enum exit_status serve_main(const struct arguments *arguments)
{
	static struct addr_spec addresses[LISTENERS_MAX]; /* too large for a stack */
	const uint64_t *values = arguments->values;
	size_t n_engines = count_engines();
	if (values[ENGINE] == n_engines + CHOICE_HELP)
		return list_engines();
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
	if (status != STATUS_OK)
		return status;
	log_setup((enum log_format)values[LOG], log_colour_wanted());
	return serve_run(&config);
}

static const char *const description[] = {
	"Echoes every byte that a client sends, unchanged and in order (RFC 862), until the client "
	"ends the conversation; then ends it too.",
	"ADDRESS is PORT or :PORT for every interface, IPv6 and IPv4, HOST:PORT, [V6]:PORT, "
	"unix:/path or unix:@name; several may be given. Without one it is 9877. Port 0 lets the "
	"kernel choose, and the line that says \"listening on\" tells which.",
	"Listening sockets that a service manager passes in (systemd.socket(5), LISTEN_FDS) are "
	"taken over and used instead of 9877; addresses that are given as well are opened in "
	"addition. A manager that waits for readiness (Type=notify, NOTIFY_SOCKET) is told.",
	"A port below 1024 is reserved; below 5001, above 49151 or among those that the kernel "
	"gives to clients, it works but earns a warning.",
	"A client that half-closes gets every byte, then the FIN. A client that never reads costs "
	"a fixed amount of memory. A line on standard error tells of each client that ends: end "
	"peer=192.0.2.7:51334 in=120 out=120 seconds=3.214 reason=eof.",
	NULL,
};

static const char *const signals[] = {
	"TERM, INT: accept no new clients, let those who are there finish until the drain timeout, "
	"then end them and end. A second one ends at once, by that signal. Signals that come less "
	"than a tenth of a second after the first are the same request: timeout(1), a terminal "
	"and a parent that forwards signals send one request twice.",
	"USR1: print the totals.",
	"KILL of a child harms its own client only, of a worker its own clients: they are logged "
	"as killed, and another takes its place. The exit status counts clients that are killed "
	"after TERM or INT, not those before. A stopped worker (SIGSTOP) without clients is "
	"continued at the end; one with clients is waited for until the drain timeout, then "
	"killed. The children ignore TERM and INT, so that the "
	"signal of a terminal or a service manager to all of them means the service. When the "
	"server itself is killed, its children end their conversations within a second.",
	NULL,
};

static const char *const reasons[] = {
	"eof: the client ended it and has every byte.",
	"reset: the client reset the connection.",
	"timeout: the client's host does not answer any more.",
	"idle: nothing moved for --idle-timeout.",
	"drain: the server ended first.",
	"source-limit: more clients from one source than may wait.",
	"killed: the process that served it was killed; signal= says by which signal.",
	"error: anything else; error= says what.",
	NULL,
};

static const struct man_section sections[] = {
	{ "SIGNALS", signals },
	{ "REASONS IN THE LOG", reasons },
	{ 0 },
};

static const struct exit_status_row statuses[] = {
	{ STATUS_OK, "ended by TERM or INT, and all clients that were left could finish" },
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
	  "Many clients, on the best engine that this machine allows." },
	{ "tcpecho serve -m 100 --idle-timeout 10m --log json 7",
	  "The well-known port of RFC 862, for a hundred clients who may not sleep." },
	{ 0 },
};

const struct command serve_command = {
	.name = "serve",
	.summary = "the echo server",
	.operands = "[ADDRESS]...",
	.options = options,
	.n_options = N_OPTIONS,
	.description = description,
	.has_page = true,
	.sections = sections,
	.statuses = statuses,
	.examples = examples,
	.run = serve_main,
};
