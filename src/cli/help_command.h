/* SPDX-License-Identifier: MIT */
#ifndef CLI_HELP_COMMAND_H
#define CLI_HELP_COMMAND_H

#include "cli/command.h"

extern const struct command help_command;

#endif
