/* SPDX-License-Identifier: MIT */
#ifndef CLI_REPORT_COMMAND_H
#define CLI_REPORT_COMMAND_H

#include "cli/command.h"

extern const struct command report_command;

/* Its subcommands. */
extern const struct command report_show_command;
extern const struct command report_merge_command;
extern const struct command report_diff_command;
extern const struct command report_html_command;

#endif
