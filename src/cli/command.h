/* SPDX-License-Identifier: MIT */
/*
 * Commands and their options, as tables.
 *
 * A command is one file with one table, and one row in commands[]. The same rows feed the parser,
 * --help, the environment, the man pages and the completions: none of them can say what another
 * does not.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/exit_status.h"

/* Options of one command at most. */
#define COMMAND_OPTIONS_MAX 32

/* A list has so many texts at most. */
#define COMMAND_LIST_MAX 32

/* What an option's value is. All of them are a number in the end, but for texts. */
enum option_kind {
	OPTION_FLAG,     /* no value: 1 when given */
	OPTION_COUNT,    /* a whole number, from `least` to `most` */
	OPTION_SIZE,     /* the same in bytes: 64, 4k, 1M */
	OPTION_RATE,     /* the same per second: 500, 10k, 1M */
	OPTION_DURATION, /* 250ms, 10s, 2m, off: nanoseconds; off: 0, or CLOCK_NEVER */
	OPTION_CHOICE,   /* one of a few words: the place of the word */
	OPTION_USER,     /* a user's name or number: the number */
	OPTION_TEXT,     /* as it is given; not empty */
	OPTION_LIST,     /* the same, and it may be given several times; one of a command */
};

struct option_row {
	char letter;      /* 0: none */
	const char *name; /* without its dashes */
	enum option_kind kind;
	const char *value_name; /* "N"; NULL for a flag */
	const char *preset;     /* the value when it is not given; NULL: 0 */
	const char *help;       /* for --help: a few words, lower case, no full stop */
	const char *details;    /* for the man page: whole sentences */
	uint64_t least, most;   /* of a count, a size or a rate */
	bool off_is_never;      /* of a duration: "off" is CLOCK_NEVER, and 0s is at once */
	/* Of a choice: the i-th word, NULL behind the last. */
	const char *(*choice)(size_t i);
};

/* Where a value comes from, the weakest first. */
enum option_source { SOURCE_PRESET, SOURCE_ENVIRONMENT, SOURCE_COMMAND_LINE };

/* What the command line and the environment said, row for row. */
struct arguments {
	uint64_t values[COMMAND_OPTIONS_MAX];
	const char *texts[COMMAND_OPTIONS_MAX]; /* of texts; NULL: not given */
	enum option_source sources[COMMAND_OPTIONS_MAX];
	const char *list[COMMAND_LIST_MAX]; /* of a list: all of its texts, in their order */
	size_t n_list;
	char **operands;
	size_t n_operands;
	char **words; /* all of them, from the command's name on; options may have come first */
	size_t n_words;
};

/* A titled part of a man page: paragraphs of plain text, NULL behind the last. */
struct man_section {
	const char *title;
	const char *const *paragraphs;
};

struct man_example {
	const char *command;
	const char *explanation;
};

struct command {
	const char *name;
	const char *summary;  /* one line, lower case, no full stop */
	const char *operands; /* "[HOST [PORT]]"; "" or NULL: none */
	const struct option_row *options;
	size_t n_options;
	const char *const *description;         /* paragraphs, NULL behind the last */
	bool has_page;                          /* a man page of its own: then also the following */
	const struct man_section *sections;     /* a title of NULL behind the last */
	const struct man_example *examples;     /* a command of NULL behind the last */
	const char *const *diagnostics;         /* paragraphs, NULL behind the last; or NULL */
	const struct exit_status_row *statuses; /* as status_rows; NULL: those */

	/* Runs it and returns the exit status. */
	enum exit_status (*run)(const struct arguments *arguments);
};

/* Returns the operands as a text, "" if there are none. */
static inline const char *command_operands(const struct command *command)
{
	return command->operands != NULL ? command->operands : "";
}

/* What a command's exit statuses mean; a sentence of NULL behind the last. */
static inline const struct exit_status_row *command_statuses(const struct command *command)
{
	return command->statuses != NULL ? command->statuses : status_rows;
}

/* All commands, in the order of --help; NULL behind the last. */
extern const struct command *const commands[];

/* The command of that name, or NULL. */
const struct command *command_find(const char *name);

#endif
