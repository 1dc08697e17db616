/* SPDX-License-Identifier: MIT */
#ifndef CLI_CHECK_COMMAND_H
#define CLI_CHECK_COMMAND_H

#include "cli/command.h"

extern const struct command check_command;

#endif
