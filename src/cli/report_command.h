/* SPDX-License-Identifier: MIT */
#ifndef CLI_REPORT_COMMAND_H
#define CLI_REPORT_COMMAND_H

#include "cli/command.h"

extern const struct command report_command;

#endif
