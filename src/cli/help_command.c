/* SPDX-License-Identifier: MIT */
#include "cli/help_command.h"

#include <stdio.h>

#include "base/exit_status.h"
#include "base/log.h"
#include "cli/help.h"
#include "cli/option.h"

static enum exit_status help_main(const struct arguments *arguments)
{
	if (arguments->n_operands == 0) {
		help_program(stdout);
		return STATUS_OK;
	}
	if (arguments->n_operands > 1) {
		log_error("help explains one command at a time");
		return STATUS_USAGE;
	}
	const struct command *command = command_find(arguments->operands[0]);
	if (command == NULL) {
		log_error("no command %s (`tcpecho help` lists them)",
			  option_shown(arguments->operands[0]));
		return STATUS_USAGE;
	}
	help_on_command(stdout, command);
	return STATUS_OK;
}

static const char *const description[] = {
	"Lists the commands, or explains one.",
	NULL,
};

const struct command help_command = {
	.name = "help",
	.summary = "list the commands, or explain one",
	.operands = "[COMMAND]",
	.description = description,
	.run = help_main,
};
