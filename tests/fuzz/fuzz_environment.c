/* SPDX-License-Identifier: MIT */
/*
 * The environment: a variable means the same as its option, and the command line wins. The first
 * bad variable in the order of the rows is reported by name, in one line. Other variables are
 * ignored.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/log.h"
#include "cli/option.h"
#include "fuzz.h"
#include "sink.h"

#define MOST_VARIABLES 24

/* Returns the variable of an option, made letter by letter. */
static struct option_variable variable_of(const struct command *command, size_t i)
{
	struct option_variable made = { "TCPECHO_" };
	const struct command *owner = command->parent != NULL ? command->parent : command;
	const char *const words[] = { owner->name, "_", command->options[i].name };
	size_t n = strlen(made.name);
	for (size_t word = 0; word < ARRAY_LEN(words); word++) {
		for (const char *at = words[word]; *at != '\0'; at++)
			made.name[n++] = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A')
					 : *at == '-'             ? '_'
								  : *at;
	}
	return made;
}

/*
 * Returns the value of a variable: the first with that name counts (getenv(3)). NULL if there is
 * none with that name.
 */
static const char *value_of(const char *name, char *const *environment)
{
	size_t n = strlen(name);
	for (; *environment != NULL; environment++) {
		if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=')
			return *environment + n + 1;
	}
	return NULL;
}

/* Reads a command line of at most one word. */
static enum option_outcome parse_word(const struct command *command, char *word,
				      struct arguments *ret_arguments)
{
	char name[] = "command";
	char *argv[] = { name, word, NULL };
	return option_parse(command, word != NULL ? 2 : 1, argv, ret_arguments);
}

/*
 * Returns the meaning of a text as the value of an option: as on the command line, in an empty
 * environment.
 */
static bool read_as_option(const struct command *command, size_t i, const char *text,
			   uint64_t *ret_value)
{
	const struct option_row *row = &command->options[i];
	if (row->kind == OPTION_FLAG) { /* 0 or 1; on the command line a flag has no value */
		size_t zeros = strspn(text, "0");
		*ret_value = strcmp(text + zeros, "1") == 0;
		return *ret_value == 1 || (zeros > 0 && text[zeros] == '\0');
	}
	size_t size = strlen(row->name) + strlen(text) + sizeof("--=");
	char *word = malloc(size);
	assert(word != NULL);
	snprintf(word, size, "--%s=%s", row->name, text);
	struct arguments arguments;
	bool is_good = parse_word(command, word, &arguments) == OPTION_RUN;
	free(word);
	if (is_good)
		*ret_value = arguments.values[i];
	return is_good;
}

/* Writes a valid value of a row for the command line. */
static void write_option(const struct option_row *row, char out[64])
{
	switch (row->kind) {
	case OPTION_FLAG:
		snprintf(out, 64, "--%s", row->name);
		break;
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_RATE:
		snprintf(out, 64, "--%s=%llu", row->name, (unsigned long long)row->most);
		break;
	case OPTION_DURATION:
		snprintf(out, 64, "--%s=7s", row->name);
		break;
	case OPTION_CHOICE:
		snprintf(out, 64, "--%s=%s", row->name, row->choice(0));
		break;
	case OPTION_USER:
		snprintf(out, 64, "--%s=root", row->name);
		break;
	case OPTION_TEXT:
	case OPTION_LIST:
		snprintf(out, 64, "--%s=any", row->name);
		break;
	}
}

/*
 * Computes the expected result of an environment when the command line has `word` for row `said`.
 * Returns NULL if the environment is good, or the first row that is not.
 */
static const struct option_row *expect(const struct command *command, char *word, size_t said,
				       char *const *environment, struct arguments *expected)
{
	enum option_outcome outcome = parse_word(command, word, expected);
	assert(outcome == OPTION_RUN);
	for (size_t i = 0; i < command->n_options; i++) {
		const struct option_row *row = &command->options[i];
		const char *text = value_of(variable_of(command, i).name, environment);
		if (text == NULL || (word != NULL && i == said))
			continue;
		if (!read_as_option(command, i, text, &expected->values[i]))
			return row;
		expected->sources[i] = SOURCE_ENVIRONMENT;
	}
	return NULL;
}

static void check_environment(const struct command *command, size_t said, char **environment)
{
	static struct sink sink;
	char *nothing[] = { NULL }, **before = environ;
	char option[64], *word = NULL;
	if (said < command->n_options) {
		write_option(&command->options[said], option);
		word = option;
	}

	sink_open(&sink);
	log_setup(LOG_TEXT, false);
	environ = nothing;
	struct arguments arguments, expected;
	const struct option_row *bad = expect(command, word, said, environment, &expected);

	sink_open(&sink);
	environ = environment;
	enum option_outcome outcome = parse_word(command, word, &arguments);
	environ = before;
	sink_open(NULL);

	assert(outcome == (bad != NULL ? OPTION_BAD : OPTION_RUN));
	assert(sink_lines(&sink) == (bad != NULL));
	if (bad != NULL) {
		char start[128];
		int n = snprintf(start, sizeof(start),
				 "tcpecho: %s=", option_variable(command, bad).name);
		assert(strncmp(sink.bytes, start, (size_t)n) == 0);
		return;
	}
	assert(memcmp(arguments.values, expected.values, sizeof(expected.values)) == 0);
	assert(memcmp(arguments.sources, expected.sources, sizeof(expected.sources)) == 0);
}

/* Returns "NAME=value" for one of the rows, or the rest of the input unchanged. On the heap. */
static char *next_variable(const struct command *command, struct fuzz_input *input)
{
	size_t i = fuzz_byte(input) % (command->n_options + 1);
	char *text = fuzz_string(input);
	if (i == command->n_options)
		return text;
	struct option_variable name = variable_of(command, i);
	size_t size = strlen(name.name) + strlen(text) + 2;
	char *variable = malloc(size);
	assert(variable != NULL);
	snprintf(variable, size, "%s=%s", name.name, text);
	free(text);
	return variable;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	size_t n_commands = 0, n = 0;
	while (commands[n_commands] != NULL)
		n_commands++;
	const struct command *command = commands[fuzz_byte(&input) % n_commands];
	size_t said = fuzz_byte(&input) % (2 * COMMAND_OPTIONS_MAX); /* half the time: no option */
	char *variables[MOST_VARIABLES + 1] = { NULL };
	while (input.left > 0 && n < MOST_VARIABLES)
		variables[n++] = next_variable(command, &input);
	check_environment(command, said, variables);
	while (n > 0)
		free(variables[--n]);
	return 0;
}
