/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/option.h"
#include "net/file.h"
#include "net/io.h"
#include "net/proctitle.h"
#include "net/signals.h"

MUST_USE static enum exit_status run_command(const struct command *command, int argc, char **argv)
{
	struct arguments arguments;
	switch (option_parse(command, argc, argv, &arguments)) {
	case OPTION_RUN:
		return command->run(&arguments);
	case OPTION_HELP:
		help_on_command(stdout, command);
		return STATUS_OK;
	case OPTION_BAD:
	default:
		return STATUS_USAGE;
	}
}

/*
 * Moves the subcommand's name to argv[1] and returns the subcommand. Options may come before it, so
 * that a word after an option may be its value. If it finds none, it returns NULL, and *ret_word is
 * the first word that is no option, or NULL.
 */
static const struct command *take_subcommand(const struct command *parent, int argc, char **argv,
					     const char **ret_word)
{
	*ret_word = NULL;
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			continue;
		const struct command *command = command_find(parent, argv[i]);
		if (command != NULL) {
			char *name = argv[i];
			memmove(&argv[2], &argv[1], (size_t)(i - 1) * sizeof(*argv));
			argv[1] = name;
			return command;
		}
		if (*ret_word == NULL)
			*ret_word = argv[i];
		if (argv[i - 1][0] != '-')
			break;
	}
	return NULL;
}

MUST_USE static enum exit_status run_subcommand(const struct command *parent, int argc, char **argv)
{
	const char *word;
	struct arguments unused;
	const struct command *command = take_subcommand(parent, argc, argv, &word);
	if (command != NULL)
		return run_command(command, argc - 1, argv + 1);
	if (word != NULL) {
		log_error("no command %s %s (see 'tcpecho %s --help')", parent->name,
			  option_shown(word), parent->name);
		return STATUS_USAGE;
	}
	enum option_outcome outcome = option_parse(parent, argc, argv, &unused);
	if (outcome == OPTION_HELP) {
		help_on_command(stdout, parent);
		return STATUS_OK;
	}
	if (outcome == OPTION_RUN)
		log_error("%s needs a command (see 'tcpecho %s --help')", parent->name,
			  parent->name);
	return STATUS_USAGE;
}

MUST_USE static enum exit_status run_program(int argc, char **argv)
{
	if (argc < 2) {
		help_program(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		help_version(stdout);
		return STATUS_OK;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		help_program(stdout);
		return STATUS_OK;
	}
	const struct command *command = command_find(NULL, argv[1]);
	if (command == NULL) {
		log_error("no command %s (see 'tcpecho help')", option_shown(argv[1]));
		return STATUS_USAGE;
	}
	if (command_sub(command, 0) != NULL)
		return run_subcommand(command, argc - 1, argv + 1);
	return run_command(command, argc - 1, argv + 1);
}

/* Larger than all that is written with stdio (help and lists), so that it is one write(2). */
#define OUTPUT_SIZE ((size_t)64 * 1024)

/* A full disk must not look like success. If the reader is gone, end without a message. */
MUST_USE static enum exit_status close_output(enum exit_status status)
{
	int rc = file_close(stdout);
	if (rc == 0 || status != STATUS_OK)
		return status;
	if (rc == -EPIPE)
		return status_of_signal(SIGPIPE);
	log_error("cannot write standard output: %s", err_text(rc).text);
	return STATUS_MACHINE;
}

int main(int argc, char **argv)
{
	static char output[OUTPUT_SIZE];
	signals_setup_program();
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	int rc = io_fill_standard_fds();
	proctitle_prepare(argc, argv);
	log_setup(LOG_TEXT, log_colour_wanted(STDERR_FILENO));
	if (rc < 0) {
		log_error("cannot open /dev/null: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}

	enum exit_status status = close_output(run_program(argc, argv));
	if ((int)status > STATUS_SIGNAL)
		signals_die_of((int)status - STATUS_SIGNAL);
	return (int)status;
}
