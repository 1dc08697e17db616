/* SPDX-License-Identifier: MIT */
#ifndef CLI_SERVE_COMMAND_H
#define CLI_SERVE_COMMAND_H

#include "cli/command.h"

extern const struct command serve_command;

#endif
