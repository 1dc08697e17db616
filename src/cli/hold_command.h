/* SPDX-License-Identifier: MIT */
#ifndef CLI_HOLD_COMMAND_H
#define CLI_HOLD_COMMAND_H

#include "cli/command.h"

/* Rows of the option table, for the alias `ping --hold`. */
enum hold_option {
	HOLD_CONNECTIONS,
	HOLD_INTERVAL,
	HOLD_SIZE,
	HOLD_WAIT,
	HOLD_DURATION,
	HOLD_SEED,
	HOLD_QUIET,
	HOLD_TIMESTAMPS,
	HOLD_JSON,
	HOLD_METRICS,
	HOLD_STRICT,
	HOLD_IPV4,
	HOLD_IPV6,
	HOLD_OPTIONS
};

extern const struct command hold_command;

#endif
