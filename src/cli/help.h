/* SPDX-License-Identifier: MIT */
/*
 * --help and --version, from the tables.
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

/* `tcpecho --help`: the commands. */
void help_program(FILE *out);

/* `tcpecho COMMAND --help`: its options and the exit statuses. */
void help_on_command(FILE *out, const struct command *command);

/* `tcpecho --version`: the version and what is built in. */
void help_version(FILE *out);

#endif
