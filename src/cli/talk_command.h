/* SPDX-License-Identifier: MIT */
#ifndef CLI_TALK_COMMAND_H
#define CLI_TALK_COMMAND_H

#include "cli/command.h"

extern const struct command talk_command;

#endif
