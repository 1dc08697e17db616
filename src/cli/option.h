/* SPDX-License-Identifier: MIT */
/*
 * Parses options from the command line and the environment, using the rows of a command.
 */
#ifndef CLI_OPTION_H
#define CLI_OPTION_H

#include "base/compiler.h"
#include "cli/command.h"

enum option_outcome {
	OPTION_RUN,  /* the arguments are valid */
	OPTION_HELP, /* help was asked for */
	OPTION_BAD,  /* an error, which is already reported */
};

/*
 * Parses the arguments of a command. The command line has priority over the environment, and the
 * environment over the defaults. argv[0] is the command's name. Operands and options may be mixed.
 */
MUST_USE enum option_outcome option_parse(const struct command *command, int argc, char **argv,
					  struct arguments *ret_arguments);

/* Size of the longest environment variable name. */
#define OPTION_VARIABLE_SIZE 64

struct option_variable {
	char name[OPTION_VARIABLE_SIZE];
};

/*
 * Returns the environment variable of an option: TCPECHO_SERVE_MAX_CLIENTS for serve's
 * --max-clients. Subcommands share the variables of their parent: TCPECHO_REPORT_OUTPUT.
 */
struct option_variable option_variable(const struct command *command, const struct option_row *row);

/* Writes the words of a choice to `out`, separated by `between`. */
void option_choices(const struct option_row *row, const char *between, char *out, size_t size);

/* Returns a word of the command line for a message: '' if it is empty. */
const char *option_shown(const char *word);

#endif
