/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/status.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/option.h"
#include "net/process.h"
#include "net/signals.h"

MUST_USE static enum status run_command(const struct command *command, int argc, char **argv)
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

MUST_USE static enum status run_program(int argc, char **argv)
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
		log_error("no command %s (`tcpecho help` lists them)", argv[1]);
		return STATUS_USAGE;
	}
	return run_command(command, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	signals_setup_program();
	int rc = process_fill_standard_fds();
	process_prepare_title(argc, argv);
	log_setup(LOG_TEXT, log_colour_wanted());
	if (rc < 0) {
		log_error("cannot open /dev/null: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}

	enum status status = run_program(argc, argv);
	/* Only what helps and --version write by stdio. A full disk is not to pass for success. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == STATUS_OK) {
		log_error("cannot write standard output");
		return STATUS_MACHINE;
	}
	if ((int)status > STATUS_SIGNAL)
		signals_die_of((int)status - STATUS_SIGNAL);
	return (int)status;
}
