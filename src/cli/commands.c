/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/bench_command.h"
#include "cli/command.h"
#include "cli/help_command.h"
#include "cli/ping_command.h"
#include "cli/report_command.h"
#include "cli/serve_command.h"
#include "cli/talk_command.h"

const struct command *const commands[] = {
	&serve_command,  &talk_command, &ping_command, &bench_command,
	&report_command, &help_command, NULL,
};

const struct command *command_find(const char *name)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		if (strcmp((*at)->name, name) == 0)
			return *at;
	}
	return NULL;
}
