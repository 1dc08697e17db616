/* SPDX-License-Identifier: MIT */
/*
 * Commands and their options, as tables.
 *
 * A command is one file with one table, and one row in commands[]. The same rows feed the parser,
 * --help, the environment, the man pages and the completions, so they always agree.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/exit_status.h"

/* Maximum number of options per command. */
#define COMMAND_OPTIONS_MAX 32

/* Maximum number of texts in a list. */
#define COMMAND_LIST_MAX 32

/* Type of an option's value. All types except texts are stored as a number. */
enum option_kind {
	OPTION_FLAG,     /* no value: 1 when given */
	OPTION_COUNT,    /* a whole number, from `least` to `most` */
	OPTION_SIZE,     /* the same in bytes: 64, 4k, 1M */
	OPTION_RATE,     /* the same per second: 500, 10k, 1M */
	OPTION_DURATION, /* 250ms, 10s, 2m: in ns; off: 0, or CLOCK_NEVER */
	OPTION_CHOICE,   /* one of several words: the index of the word */
	OPTION_USER,     /* a user's name or number: the uid */
	OPTION_TEXT,     /* any non-empty text */
	OPTION_LIST,     /* the same, may be given several times; at most one per command */
};

struct option_row {
	char letter;      /* 0: no letter */
	const char *name; /* without its dashes */
	enum option_kind kind;
	const char *value_name; /* "N"; NULL for a flag */
	const char *preset;     /* default value; NULL: 0 */
	/* Default in words, for --help; NULL: `preset`. Flags have none. */
	const char *default_words;
	const char *help;     /* for --help: a short phrase, lower case, no full stop */
	const char *details;  /* for the man page: full sentences */
	uint64_t least, most; /* limits of a count, size or rate */
	bool off_is_never;    /* for a duration: "off" is CLOCK_NEVER, and 0s means at once */
	/* For a choice: returns the i-th word, NULL after the last. */
	const char *(*choice)(size_t i);
};

/* Where a value comes from, in order of increasing priority. */
enum option_source { SOURCE_PRESET, SOURCE_ENVIRONMENT, SOURCE_COMMAND_LINE };

/* The parsed command line and environment, one entry per option row. */
struct arguments {
	uint64_t values[COMMAND_OPTIONS_MAX];
	const char *texts[COMMAND_OPTIONS_MAX]; /* values of text options; NULL: not given */
	enum option_source sources[COMMAND_OPTIONS_MAX];
	const char *list[COMMAND_LIST_MAX]; /* all texts of the list option, in order */
	size_t n_list;
	char **operands;
	size_t n_operands;
	/* the whole command line from the command's name; options may have come before it */
	char **words;
	size_t n_words;
};

/* A heading over options, in --help and the man page. */
struct option_group {
	const char *heading; /* "limits"; NULL ends the list */
	size_t first;        /* its first row; the rows up to the next group belong to it */
};

/* A titled section of a man page: paragraphs of plain text, ended by NULL. */
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
	const struct command *parent; /* `report` of `report merge`; NULL: none */
	const char *summary;          /* one line, lower case, no full stop */
	const char *operands;         /* "[HOST [PORT]]"; "" or NULL: none */
	const struct option_row *options;
	size_t n_options;
	const struct option_group *groups;  /* the first begins at row 0; NULL: no headings */
	const char *const *description;     /* paragraphs, ended by NULL */
	bool has_page;                      /* has its own man page and uses the following fields */
	const struct man_section *sections; /* ended by a NULL title */
	const struct man_example *examples; /* ended by a NULL command */
	const char *const *diagnostics;     /* paragraphs, ended by NULL; or NULL */
	const struct exit_status_row *statuses; /* like status_rows; NULL: status_rows */

	/* Runs the command and returns the exit status. */
	enum exit_status (*run)(const struct arguments *arguments);
};

/* Returns the operands text, "" if the command has no operands. */
static inline const char *command_operands(const struct command *command)
{
	return command->operands != NULL ? command->operands : "";
}

/* Returns the meanings of the exit statuses, ended by a NULL sentence. */
static inline const struct exit_status_row *command_statuses(const struct command *command)
{
	return command->statuses != NULL ? command->statuses : status_rows;
}

/*
 * All commands, in the order of --help, ended by NULL. Subcommands follow their parent. A command
 * with subcommands has no options and no run().
 */
extern const struct command *const commands[];

/* Returns the command with that name and parent (NULL: none), or NULL. */
const struct command *command_find(const struct command *parent, const char *name);

/* Size of the longest full name of a command. */
#define COMMAND_NAME_SIZE 32

struct command_name {
	char text[COMMAND_NAME_SIZE];
};

/* Returns "report merge", or with '-' as the separator "report-merge". */
struct command_name command_full_name(const struct command *command, char separator);

/* Returns the i-th subcommand; NULL after the last. */
const struct command *command_sub(const struct command *parent, size_t i);

/* Returns the default of an option in words, or NULL. */
static inline const char *option_default(const struct option_row *row)
{
	return row->default_words != NULL ? row->default_words : row->preset;
}

#endif
