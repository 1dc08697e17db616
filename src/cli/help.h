/* SPDX-License-Identifier: MIT */
/*
 * Prints --help and --version from the tables.
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

/* `tcpecho --help`: prints the commands. */
void help_program(FILE *out);

/* `tcpecho COMMAND --help`: prints its options and exit statuses. */
void help_on_command(FILE *out, const struct command *command);

/* `tcpecho --version`: prints the version and the built-in features. */
void help_version(FILE *out);

#endif
