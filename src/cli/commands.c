/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli/bench_command.h"
#include "cli/check_command.h"
#include "cli/command.h"
#include "cli/help_command.h"
#include "cli/hold_command.h"
#include "cli/ping_command.h"
#include "cli/report_command.h"
#include "cli/serve_command.h"
#include "cli/talk_command.h"

const struct command *const commands[] = {
	&serve_command,
	&talk_command,
	&ping_command,
	&hold_command,
	&bench_command,
	&check_command,
	&report_command,
	&report_show_command,
	&report_merge_command,
	&report_diff_command,
	&report_html_command,
	&help_command,
	NULL,
};

const struct command *command_find(const struct command *parent, const char *name)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		if ((*at)->parent == parent && strcmp((*at)->name, name) == 0)
			return *at;
	}
	return NULL;
}

const struct command *command_sub(const struct command *parent, size_t i)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		if ((*at)->parent == parent && i-- == 0)
			return *at;
	}
	return NULL;
}

struct command_name command_full_name(const struct command *command, char separator)
{
	struct command_name out;
	int n = command->parent != NULL ? snprintf(out.text, sizeof(out.text), "%s%c",
						   command->parent->name, separator)
					: 0;
	snprintf(out.text + n, sizeof(out.text) - (size_t)n, "%s", command->name);
	return out;
}
