/* SPDX-License-Identifier: MIT */
/*
 * Generates man pages and completions from the command tables at build time.
 */
#ifndef CLI_DOCGEN_H
#define CLI_DOCGEN_H

#include <stdio.h>

#include "cli/command.h"

/* Write tcpecho(1) or tcpecho-COMMAND(1), in mdoc(7). */
void docgen_man_program(FILE *out);
void docgen_man_command(FILE *out, const struct command *command);

/* Write shell completions: commands, options, the words of a choice, host names. */
void docgen_bash(FILE *out);
void docgen_zsh(FILE *out);
void docgen_fish(FILE *out);

#endif
