/* SPDX-License-Identifier: MIT */
#ifndef CLI_PING_COMMAND_H
#define CLI_PING_COMMAND_H

#include "cli/command.h"

extern const struct command ping_command;

#endif
