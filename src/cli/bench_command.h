/* SPDX-License-Identifier: MIT */
#ifndef CLI_BENCH_COMMAND_H
#define CLI_BENCH_COMMAND_H

#include "cli/command.h"

extern const struct command bench_command;

#endif
