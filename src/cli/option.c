/* SPDX-License-Identifier: MIT */
/*
 * getopt_long(3) splits the command line; this file parses the values.
 */
#include "cli/option.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/units.h"
#include "net/privileges.h"

/* getopt_long() returns the letter of a short option, and LONG_BASE plus the row of a long one. */
#define LONG_BASE 256

#define HELP_LETTER 'h'
#define HELP_NAME   "help"

void option_choices(const struct option_row *row, const char *between, char *out, size_t size)
{
	assert(size > 0);
	out[0] = '\0';
	const char *word;
	for (size_t i = 0; (word = row->choice(i)) != NULL; i++) {
		size_t used = strlen(out);
		snprintf(out + used, size - used, "%s%s", i > 0 ? between : "", word);
	}
}

struct option_variable option_variable(const struct command *command, const struct option_row *row)
{
	struct option_variable out;
	const struct command *owner = command->parent != NULL ? command->parent : command;
	snprintf(out.name, sizeof(out.name), "TCPECHO_%s_%s", owner->name, row->name);
	for (char *at = out.name; *at != '\0'; at++)
		*at = (char)(*at == '-' ? '_' : toupper((unsigned char)*at));
	return out;
}

/* ---- values ---- */

MUST_USE static int find_choice(const struct option_row *row, const char *text, uint64_t *ret_value)
{
	const char *word;
	for (size_t i = 0; (word = row->choice(i)) != NULL; i++) {
		if (strcmp(word, text) == 0) {
			*ret_value = i;
			return 0;
		}
	}
	return ERR_OUT_OF_RANGE;
}

MUST_USE static int find_user(const char *text, uint64_t *ret_value)
{
	uid_t uid;
	int rc = privileges_find_user(text, &uid);
	if (rc == 0)
		*ret_value = uid;
	return rc;
}

MUST_USE static int option_read_number(const struct option_row *row, const char *text,
				       uint64_t *ret_value)
{
	uint64_t value;
	int rc = row->kind == OPTION_SIZE   ? units_parse_size(text, &value)
		 : row->kind == OPTION_RATE ? units_parse_rate(text, &value)
					    : units_parse_count(text, &value);
	if (rc == 0 && (value < row->least || value > row->most))
		rc = ERR_OUT_OF_RANGE;
	if (rc == 0)
		*ret_value = value;
	return rc;
}

/* Parses a value into a number. Text values are only checked for being non-empty. */
MUST_USE static int option_read_value(const struct option_row *row, const char *text,
				      uint64_t *ret_value)
{
	uint64_t value = 0;
	int rc = 0;
	switch (row->kind) {
	case OPTION_FLAG: /* only the environment gives a flag a value */
		rc = units_parse_count(text, &value);
		if (rc == 0 && value > 1)
			rc = ERR_OUT_OF_RANGE;
		break;
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_RATE:
		rc = option_read_number(row, text, &value);
		break;
	case OPTION_DURATION:
		rc = units_parse_duration(text, &value);
		if (row->off_is_never && strcmp(text, "off") == 0)
			value = CLOCK_NEVER;
		break;
	case OPTION_CHOICE:
		rc = find_choice(row, text, &value);
		break;
	case OPTION_USER:
		rc = find_user(text, &value);
		break;
	case OPTION_TEXT:
	case OPTION_LIST:
		rc = *text != '\0' ? 0 : ERR_EMPTY;
		break;
	}
	if (rc == 0)
		*ret_value = value;
	return rc;
}

/* Sets the value of row i. The text must outlive `arguments`. */
MUST_USE static int set_value(const struct command *command, size_t i, const char *text,
			      struct arguments *arguments)
{
	int rc = option_read_value(&command->options[i], text, &arguments->values[i]);
	if (rc == 0 && command->options[i].kind == OPTION_TEXT)
		arguments->texts[i] = text;
	if (rc == 0 && command->options[i].kind == OPTION_LIST) {
		if (arguments->n_list == COMMAND_LIST_MAX)
			return -E2BIG;
		arguments->list[arguments->n_list++] = text;
	}
	return rc;
}

const char *option_shown(const char *word)
{
	return word[0] != '\0' ? word : "''";
}

/* Returns the sentence for a value of the wrong form, or NULL: err_text() has one. */
static const char *parse_error(const struct option_row *row, int code)
{
	bool is_no_number = code == ERR_NOT_A_NUMBER || code == ERR_BAD_MULTIPLE;
	if (row->kind == OPTION_FLAG)
		return "must be 0 or 1";
	if (row->kind == OPTION_COUNT && is_no_number)
		return "not a whole number";
	if (row->kind == OPTION_SIZE && is_no_number)
		return "not a size (write 64, 4k or 1M)";
	if (row->kind == OPTION_RATE && is_no_number)
		return "not a rate per second (write 500, 10k or 1M)";
	if (row->kind == OPTION_DURATION && is_no_number)
		return "not a time (write 250ms, 10s, 2m or off)";
	return NULL;
}

/* Logs what is wrong with a value. `source` is where it was given, "--max-clients x". */
static void complain(const struct option_row *row, const char *source, int code)
{
	char choices[256];
	if (row->kind == OPTION_CHOICE) {
		option_choices(row, ", ", choices, sizeof(choices));
		log_error("%s: not one of: %s", source, choices);
	} else if (row->most > 0 && code == ERR_OUT_OF_RANGE) {
		log_error("%s: out of range, from %" PRIu64 " to %" PRIu64, source, row->least,
			  row->most);
	} else {
		const char *why = parse_error(row, code);
		log_error("%s: %s", source, why != NULL ? why : err_text(code).text);
	}
}

/* ---- defaults and environment ---- */

static void apply_presets(const struct command *command, struct arguments *arguments)
{
	for (size_t i = 0; i < command->n_options; i++) {
		const struct option_row *row = &command->options[i];
		if (row->preset == NULL)
			continue;
		int rc = set_value(command, i, row->preset, arguments);
		assert(rc == 0);
	}
}

MUST_USE static enum option_outcome apply_environment(const struct command *command,
						      struct arguments *arguments)
{
	for (size_t i = 0; i < command->n_options; i++) {
		const struct option_row *row = &command->options[i];
		struct option_variable variable = option_variable(command, row);
		const char *text = getenv(variable.name);
		if (text == NULL || arguments->sources[i] == SOURCE_COMMAND_LINE)
			continue;
		int rc = set_value(command, i, text, arguments);
		if (rc < 0) {
			char source[512];
			snprintf(source, sizeof(source), "%s=%s", variable.name,
				 option_shown(text));
			complain(row, source, rc);
			return OPTION_BAD;
		}
		arguments->sources[i] = SOURCE_ENVIRONMENT;
	}
	return OPTION_RUN;
}

/* ---- the command line ---- */

/* The tables for getopt_long(3), made from the option rows. */
struct getopt_tables {
	char letters[2 * COMMAND_OPTIONS_MAX + 4];
	struct option names[COMMAND_OPTIONS_MAX + 2];
};

static struct getopt_tables make_tables(const struct command *command)
{
	struct getopt_tables tables = { .letters = ":h" };
	size_t n_letters = strlen(tables.letters);
	assert(command->n_options <= COMMAND_OPTIONS_MAX);
	for (size_t i = 0; i < command->n_options; i++) {
		const struct option_row *row = &command->options[i];
		bool takes_value = row->kind != OPTION_FLAG;
		tables.names[i] = (struct option){
			.name = row->name,
			.has_arg = takes_value ? required_argument : no_argument,
			.val = LONG_BASE + (int)i,
		};
		if (row->letter != 0)
			tables.letters[n_letters++] = row->letter;
		if (row->letter != 0 && takes_value)
			tables.letters[n_letters++] = ':';
	}
	tables.names[command->n_options] = (struct option){ .name = HELP_NAME, .val = HELP_LETTER };
	return tables;
}

/* Returns the row for a result of getopt_long(), or NULL. */
static const struct option_row *option_row_of(const struct command *command, int found)
{
	if (found >= LONG_BASE)
		return &command->options[found - LONG_BASE];
	for (size_t i = 0; i < command->n_options; i++) {
		if (found != 0 && command->options[i].letter == found)
			return &command->options[i];
	}
	return NULL;
}

/* Returns whether an argument is the beginning of several options. */
static bool is_ambiguous(const struct command *command, const char *argument)
{
	if (strncmp(argument, "--", 2) != 0)
		return false;
	size_t n_matches = 0, length = strcspn(argument + 2, "=");
	for (size_t i = 0; i < command->n_options; i++)
		n_matches += strncmp(command->options[i].name, argument + 2, length) == 0;
	return n_matches > 1;
}

/* Returns whether another command of the same level has this option, "--json" or "--json=1". */
static bool is_of_sibling(const struct command *command, const char *argument)
{
	size_t length = strcspn(argument, "=");
	for (const struct command *const *at = commands; *at != NULL; at++) {
		for (size_t i = 0; (*at)->parent == command->parent && i < (*at)->n_options; i++) {
			const char *name = (*at)->options[i].name;
			if (length == strlen(name) + 2 && strncmp(argument, "--", 2) == 0 &&
			    strncmp(argument + 2, name, length - 2) == 0)
				return true;
		}
	}
	return false;
}

/* Logs why getopt_long() failed: '?' for an unknown option, ':' for a missing value. */
static void complain_of_option(const struct command *command, int found, const char *argument)
{
	const struct option_row *row = option_row_of(command, optopt);
	const struct command_name name = command_full_name(command, ' ');
	if (found == ':' && row != NULL)
		log_error("option --%s needs a value: %s", row->name, row->value_name);
	else if (row != NULL || optopt == HELP_LETTER)
		log_error("option --%s takes no value", row != NULL ? row->name : HELP_NAME);
	else if (is_ambiguous(command, argument))
		log_error("option %s is ambiguous (see 'tcpecho %s --help')", argument, name.text);
	else if (optopt != 0)
		log_error("unknown option -%c (see 'tcpecho %s --help')", optopt, name.text);
	else if (is_of_sibling(command, argument))
		log_error("option %s does not apply to %s (see 'tcpecho %s --help')", argument,
			  command->name, name.text);
	else
		log_error("unknown option %s (see 'tcpecho %s --help')", argument, name.text);
}

MUST_USE static enum option_outcome apply_option(const struct command *command,
						 const struct option_row *row,
						 struct arguments *arguments)
{
	size_t i = (size_t)(row - command->options);
	if (row->kind == OPTION_FLAG) {
		arguments->values[i] = 1;
	} else {
		int rc = set_value(command, i, optarg, arguments);
		if (rc < 0) {
			char source[512];
			snprintf(source, sizeof(source), "--%s %s", row->name,
				 option_shown(optarg));
			complain(row, source, rc);
			return OPTION_BAD;
		}
	}
	arguments->sources[i] = SOURCE_COMMAND_LINE;
	return OPTION_RUN;
}

MUST_USE static enum option_outcome apply_command_line(const struct command *command, int argc,
						       char **argv, struct arguments *arguments)
{
	struct getopt_tables tables = make_tables(command);
	opterr = 0; /* errors are reported here */
	optind = 0; /* restart (getopt(3), glibc notes) */
	int found;
	while ((found = getopt_long(argc, argv, tables.letters, tables.names, NULL)) != -1) {
		if (found == HELP_LETTER)
			return OPTION_HELP;
		const struct option_row *row = option_row_of(command, found);
		if (row == NULL) {
			complain_of_option(command, found, argv[optind - 1]);
			return OPTION_BAD;
		}
		enum option_outcome outcome = apply_option(command, row, arguments);
		if (outcome != OPTION_RUN)
			return outcome;
	}
	arguments->operands = argv + optind;
	arguments->n_operands = (size_t)(argc - optind);
	return OPTION_RUN;
}

enum option_outcome option_parse(const struct command *command, int argc, char **argv,
				 struct arguments *ret_arguments)
{
	struct arguments arguments = { .words = argv, .n_words = (size_t)argc };
	apply_presets(command, &arguments);
	enum option_outcome outcome = apply_command_line(command, argc, argv, &arguments);
	if (outcome == OPTION_RUN)
		outcome = apply_environment(command, &arguments);
	if (outcome == OPTION_RUN)
		*ret_arguments = arguments;
	return outcome;
}
