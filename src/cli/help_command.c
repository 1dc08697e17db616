/* SPDX-License-Identifier: MIT */
#include "cli/help_command.h"

#include <stdio.h>

#include "base/exit_status.h"
#include "base/log.h"
#include "cli/help.h"
#include "cli/option.h"

static enum exit_status help_main(const struct arguments *arguments)
{
	const struct command *command = NULL;
	if (arguments->n_operands == 0) {
		help_program(stdout);
		return STATUS_OK;
	}
	for (size_t i = 0; i < arguments->n_operands; i++) {
		const char *name = arguments->operands[i];
		if (i > 0 && command_sub(command, 0) == NULL) {
			log_error("%s: help explains one command at a time", option_shown(name));
			return STATUS_USAGE;
		}
		const struct command *parent = command;
		command = command_find(parent, name);
		if (command == NULL) {
			log_error("no command %s%s%s (see 'tcpecho help')",
				  parent != NULL ? parent->name : "", parent != NULL ? " " : "",
				  option_shown(name));
			return STATUS_USAGE;
		}
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
