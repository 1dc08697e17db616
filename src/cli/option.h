/* SPDX-License-Identifier: MIT */
/*
 * Options from the command line and the environment, by the rows of a command.
 */
#ifndef CLI_OPTION_H
#define CLI_OPTION_H

#include "base/compiler.h"
#include "cli/command.h"

enum option_outcome {
	OPTION_RUN,  /* the arguments are good */
	OPTION_HELP, /* help was asked for */
	OPTION_BAD,  /* something is wrong, and was said */
};

/*
 * Reads the arguments of a command: what the command line does not say, the environment does, and
 * what neither says is preset. argv[0] is the command's name; operands and options may stand in any
 * order.
 */
MUST_USE enum option_outcome option_parse(const struct command *command, int argc, char **argv,
					  struct arguments *ret_arguments);

/* Room for the longest name of an environment variable. */
#define OPTION_VARIABLE_SIZE 64

struct option_variable {
	char name[OPTION_VARIABLE_SIZE];
};

/* The environment variable for an option: TCPECHO_SERVE_MAX_CLIENTS for serve's --max-clients. */
struct option_variable option_variable(const struct command *command, const struct option_row *row);

/* The words of a choice with `between` between them, in out. */
void option_choices(const struct option_row *row, const char *between, char *out, size_t size);

/* A word of the command line for a message: '' if it is empty. */
const char *option_shown(const char *word);

#endif
