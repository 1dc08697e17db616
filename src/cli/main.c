/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

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
	const struct command *command = command_find(argv[1]);
	if (command == NULL) {
		log_error("no command %s (`tcpecho help` lists them)", option_shown(argv[1]));
		return STATUS_USAGE;
	}
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
	log_setup(LOG_TEXT, log_colour_wanted());
	if (rc < 0) {
		log_error("cannot open /dev/null: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}

	enum exit_status status = close_output(run_program(argc, argv));
	if ((int)status > STATUS_SIGNAL)
		signals_die_of((int)status - STATUS_SIGNAL);
	return (int)status;
}
