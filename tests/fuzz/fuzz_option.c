/* SPDX-License-Identifier: MIT */
/*
 * The command line, as main() takes it. Arguments that option_parse() accepts are within their
 * rows, and mean the same when they are written and read again. They give the command a
 * configuration that it can run. Refused arguments get one line, and nothing is written. No command
 * is run.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/units.h"
#include "cli/check_exec.h"
#include "cli/check_manual.h"
#include "cli/help.h"
#include "cli/option.h"
#include "client/dial.h"
#include "client/hold/hold_loop.h"
#include "client/load/bench.h"
#include "client/ping.h"
#include "client/talk.h"
#include "fuzz.h"
#include "net/file.h"
#include "server/client_limit.h"
#include "server/listeners.h"
#include "server/startup.h"
#include "sink.h"

#define MOST_ARGUMENTS 80 /* more than the addresses that serve takes */

/* ---- what would have happened ---- */

static size_t n_runs;

int __wrap_isatty(int fd);
enum exit_status __wrap_serve_run(const struct serve_options *config);
enum exit_status __wrap_talk_run(const struct talk_config *config);
enum exit_status __wrap_ping_run(const struct ping_config *config, struct ping_report *ret_report);
enum exit_status __wrap_bench_run(const struct bench_config *config,
				  struct bench_report *ret_report);
enum exit_status __wrap_hold_run(const struct hold_config *config, struct hold_report *ret_report);
void __wrap_check_manual_list(FILE *out);
int __wrap_signals_setup_meter(void);
enum exit_status __wrap_check_exec_start(const char *command, int signals_fd,
					 struct check_server *ret_server,
					 struct addr_spec *ret_spec);
enum exit_status __wrap_dial_await(const struct dial_request *request, int signals_fd,
				   struct dialed *ret_dialed);
int __wrap_addr_resolve(const struct addr_spec *spec, int family, struct addr *ret_list);
int __wrap_file_read(const char *path, size_t most, struct file_bytes *ret_bytes);
void __wrap_help_program(FILE *out);
void __wrap_help_on_command(FILE *out, const struct command *command);

int __wrap_isatty(int fd)
{
	(void)fd;
	return 0;
}

static bool is_terminated(const struct addr_spec *spec)
{
	return spec->kind == ADDR_WILDCARD ||
	       memchr(spec->host, '\0', sizeof(spec->host)) > (const void *)spec->host;
}

enum exit_status __wrap_serve_run(const struct serve_options *config)
{
	n_runs++;
	assert(config->engine != NULL && config->ready_fd >= -1);
	assert(config->max_clients <= CLIENT_LIMIT_MAX &&
	       config->max_per_source <= CLIENT_LIMIT_MAX);
	assert(config->n_addresses <= LISTENERS_MAX);
	for (size_t i = 0; i < config->n_addresses; i++)
		assert(is_terminated(&config->addresses[i]));
	return STATUS_OK;
}

static void check_target(const struct addr_spec *server, int family)
{
	assert(server->kind == ADDR_HOST || server->kind == ADDR_UNIX);
	assert(is_terminated(server) && (server->kind == ADDR_UNIX || server->port > 0));
	assert(family == AF_UNSPEC || family == AF_INET || family == AF_INET6);
}

enum exit_status __wrap_talk_run(const struct talk_config *config)
{
	n_runs++;
	check_target(&config->server, config->family);
	return STATUS_OK;
}

/* No server exists, so the report is empty. */
enum exit_status __wrap_ping_run(const struct ping_config *config, struct ping_report *ret_report)
{
	(void)ret_report;
	n_runs++;
	check_target(&config->server, config->family);
	assert(config->size >= 1 && config->size <= PING_SIZE_MAX);
	return STATUS_NO_CONNECTION;
}

enum exit_status __wrap_bench_run(const struct bench_config *config,
				  struct bench_report *ret_report)
{
	(void)ret_report;
	n_runs++;
	check_target(&config->server, config->family);
	assert(config->size >= 1 && config->size <= BENCH_SIZE_MAX);
	assert(config->n_connections >= 1 && config->n_connections <= BENCH_CONNECTIONS_MAX);
	assert(config->n_threads >= 1 && config->n_threads <= BENCH_THREADS_MAX);
	assert(config->depth >= 1 && config->depth <= BENCH_DEPTH_MAX);
	return STATUS_NO_CONNECTION;
}

enum exit_status __wrap_hold_run(const struct hold_config *config, struct hold_report *ret_report)
{
	(void)ret_report;
	n_runs++;
	check_target(&config->server, config->family);
	assert(config->size >= 1 && config->size <= PING_SIZE_MAX);
	assert(config->n_connections >= 1 && config->n_connections <= HOLD_CONNECTIONS_MAX);
	assert(config->metrics == NULL || is_terminated(config->metrics));
	return STATUS_NO_CONNECTION;
}

/* `check` lists its checks, or starts a server, or connects: it does not come further. */
void __wrap_check_manual_list(FILE *out)
{
	(void)out;
	n_runs++;
}

int __wrap_signals_setup_meter(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

enum exit_status __wrap_check_exec_start(const char *command, int signals_fd,
					 struct check_server *ret_server,
					 struct addr_spec *ret_spec)
{
	(void)signals_fd;
	(void)ret_spec;
	*ret_server = (struct check_server){ .run.guard_pipe = -1 };
	n_runs++;
	assert(strstr(command, "{port}") != NULL);
	return STATUS_NO_CONNECTION;
}

enum exit_status __wrap_dial_await(const struct dial_request *request, int signals_fd,
				   struct dialed *ret_dialed)
{
	(void)signals_fd;
	(void)ret_dialed;
	n_runs++;
	check_target(request->server, request->family);
	return STATUS_NO_CONNECTION;
}

int __wrap_addr_resolve(const struct addr_spec *spec, int family, struct addr *ret_list)
{
	(void)spec;
	(void)family;
	(void)ret_list;
	return ERR_NO_SUCH_HOST;
}

/* No file exists, so the report is empty. */
int __wrap_file_read(const char *path, size_t most, struct file_bytes *ret_bytes)
{
	(void)ret_bytes;
	assert(path != NULL && most > 0);
	return -ENOENT;
}

void __wrap_help_program(FILE *out)
{
	(void)out;
	n_runs++;
}

void __wrap_help_on_command(FILE *out, const struct command *command)
{
	(void)out;
	assert(command != NULL);
	n_runs++;
}

/* ---- the arguments ---- */

/* Chooses one that runs: `report` only has subcommands. */
static const struct command *choose_command(struct fuzz_input *input)
{
	size_t n = 0;
	while (commands[n] != NULL)
		n++;
	assert(n > 0);
	size_t i = fuzz_byte(input) % n;
	while (commands[i]->run == NULL)
		i = (i + 1) % n;
	return commands[i];
}

static void check_value(const struct option_row *row, uint64_t value, enum option_source source)
{
	assert(source == SOURCE_PRESET || source == SOURCE_COMMAND_LINE);
	switch (row->kind) {
	case OPTION_FLAG:
		assert(value == (source == SOURCE_COMMAND_LINE));
		break;
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_RATE:
		assert(source == SOURCE_PRESET || (value >= row->least && value <= row->most));
		break;
	case OPTION_CHOICE:
		for (size_t i = 0; i <= value; i++)
			assert(row->choice(i) != NULL);
		break;
	case OPTION_DURATION:
		break; /* see fuzz_units.c */
	case OPTION_USER:
		assert(value <= UINT32_MAX);
		break;
	case OPTION_TEXT:
	case OPTION_LIST:
		assert(value == 0);
		break;
	}
}

/* getopt_long(3) may change the order of the words, not the words. */
static void check_words(char **before, char **after, int argc)
{
	for (int i = 0; i < argc; i++) {
		int n = 0;
		for (int j = 0; j < argc; j++)
			n += after[j] == before[i];
		assert(n == 1);
	}
	assert(after[argc] == NULL);
}

/* Writes an option as "--name=value". */
static void write_option(const struct option_row *row, uint64_t value, char out[64])
{
	switch (row->kind) {
	case OPTION_FLAG:
		snprintf(out, 64, "--%s", row->name);
		break;
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_RATE:
		snprintf(out, 64, "--%s=%" PRIu64, row->name, value);
		break;
	case OPTION_DURATION:
		snprintf(out, 64, "--%s=%s", row->name,
			 value == CLOCK_NEVER ? "off" : units_duration(value).text);
		break;
	case OPTION_CHOICE:
		snprintf(out, 64, "--%s=%s", row->name, row->choice(value));
		break;
	case OPTION_USER:
		snprintf(out, 64, "--%s=%" PRIu64, row->name, value);
		break;
	case OPTION_TEXT:
	case OPTION_LIST:
		snprintf(out, 64, "--%s=any", row->name);
		break;
	}
}

/* Writes the arguments out and reads them again. */
static void check_again(const struct command *command, const struct arguments *first)
{
	char options[COMMAND_OPTIONS_MAX][64], name[] = "", end[] = "--";
	char *argv[COMMAND_OPTIONS_MAX + MOST_ARGUMENTS + 3] = { name };
	int argc = 1;
	for (size_t i = 0; i < command->n_options; i++) {
		if (first->sources[i] != SOURCE_COMMAND_LINE)
			continue;
		write_option(&command->options[i], first->values[i], options[i]);
		argv[argc++] = options[i];
	}
	argv[argc++] = end;
	for (size_t i = 0; i < first->n_operands; i++)
		argv[argc++] = first->operands[i];

	struct arguments again;
	enum option_outcome outcome = option_parse(command, argc, argv, &again);
	assert(outcome == OPTION_RUN && again.n_operands == first->n_operands);
	assert(memcmp(again.values, first->values, sizeof(again.values)) == 0);
	assert(memcmp(again.sources, first->sources, sizeof(again.sources)) == 0);
	for (size_t i = 0; i < again.n_operands; i++)
		assert(again.operands[i] == first->operands[i]);
}

static void check_run(const struct command *command, const struct arguments *arguments,
		      const struct sink *sink)
{
	n_runs = 0;
	enum exit_status status = command->run(arguments);
	assert(status == STATUS_OK || status == STATUS_USAGE || status == STATUS_NO_CONNECTION);
	assert(n_runs == (status != STATUS_USAGE));
	assert(sink_lines(sink) == (status == STATUS_USAGE));
}

static void check_command_line(const struct command *command, int argc, char **argv)
{
	static struct sink sink;
	char *before[MOST_ARGUMENTS + 1];
	memcpy(before, argv, (size_t)argc * sizeof(*argv));
	struct arguments arguments, untouched;
	memset(&untouched, 0x5a, sizeof(untouched));
	memcpy(&arguments, &untouched, sizeof(arguments));

	sink_open(&sink);
	log_setup(LOG_TEXT, false);
	enum option_outcome outcome = option_parse(command, argc, argv, &arguments);
	check_words(before, argv, argc);
	assert(sink_lines(&sink) == (outcome == OPTION_BAD));
	if (outcome != OPTION_RUN) {
		assert(memcmp(&arguments, &untouched, sizeof(arguments)) == 0);
	} else {
		for (size_t i = 0; i < command->n_options; i++)
			check_value(&command->options[i], arguments.values[i],
				    arguments.sources[i]);
		assert(arguments.operands + arguments.n_operands == argv + argc);
		check_again(command, &arguments);
		check_run(command, &arguments, &sink);
	}
	sink_open(NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	const struct command *command = choose_command(&input);
	char name[] = "command", *nothing[] = { NULL };
	char *argv[MOST_ARGUMENTS + 1] = { name };
	int argc = 1;
	while (input.left > 0 && argc < MOST_ARGUMENTS)
		argv[argc++] = fuzz_string(&input);

	char *words[MOST_ARGUMENTS + 1], **environment = environ;
	memcpy(words, argv, sizeof(words));
	environ = nothing;
	check_command_line(command, argc, argv);
	environ = environment;
	while (--argc > 0)
		free(words[argc]);
	return 0;
}
