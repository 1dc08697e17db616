/* SPDX-License-Identifier: MIT */
/*
 * Options: each kind from each source, which source wins, and an error message that names the wrong
 * word.
 */
#include "cli/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

/* ---- a command with an option of every kind ---- */

enum {
	QUIET,
	MAX_CLIENTS,
	MAX_PER_SOURCE,
	TIMEOUT,
	ENGINE,
	SIZE,
	RATE,
	FILE_NAME,
	LIMITS,
	N_OPTIONS
};

static const char *engine_name(size_t i)
{
	static const char *const names[] = { "fork", "thread", "epoll", NULL };
	return names[i];
}

static const struct option_row options[N_OPTIONS] = {
	[QUIET] = { .letter = 'q', .name = "quiet", .kind = OPTION_FLAG, .help = "say nothing" },
	[MAX_CLIENTS] = {
		.letter = 'm',
		.name = "max-clients",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.least = 1,
		.most = 100,
	},
	[MAX_PER_SOURCE] = {
		.name = "max-per-source",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.preset = "5",
		.most = UINT64_MAX,
	},
	[TIMEOUT] = {
		.letter = 't',
		.name = "timeout",
		.kind = OPTION_DURATION,
		.value_name = "TIME",
		.preset = "30s",
	},
	[ENGINE] = {
		.letter = 'e',
		.name = "engine",
		.kind = OPTION_CHOICE,
		.value_name = "NAME",
		.preset = "thread",
		.choice = engine_name,
	},
	[SIZE] = {
		.letter = 's',
		.name = "size",
		.kind = OPTION_SIZE,
		.value_name = "SIZE",
		.preset = "4k",
		.least = 1,
		.most = 1 << 20,
	},
	[RATE] = {
		.letter = 'r',
		.name = "rate",
		.kind = OPTION_RATE,
		.value_name = "RATE",
		.most = 1000000,
	},
	[FILE_NAME] = { .name = "file", .kind = OPTION_TEXT, .value_name = "FILE" },
	[LIMITS] = { .letter = 'l', .name = "limits", .kind = OPTION_LIST, .value_name = "LIMIT" },
};

static const struct command command = {
	.name = "serve",
	.options = options,
	.n_options = N_OPTIONS,
};

static struct arguments arguments;
static struct unit_capture log_of;

#define MOST_WORDS 16

/* The vector that main() passes on; operands point into it. */
static char *vector[MOST_WORDS];

/* Parses the words of a line, which are separated by single spaces. */
static enum option_outcome parse(const char *line)
{
	static char words[256], name[] = "serve";
	char *rest = NULL;
	int n = 0;
	assert_true(strlen(line) < sizeof(words));
	strcpy(words, line);
	vector[n++] = name;
	for (char *word = strtok_r(words, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		assert_true(n < MOST_WORDS - 1);
		vector[n++] = word;
	}
	vector[n] = NULL;
	memset(&arguments, 0x5a, sizeof(arguments));
	unit_capture_begin(&log_of, STDERR_FILENO);
	enum option_outcome outcome = option_parse(&command, n, vector, &arguments);
	unit_capture_end(&log_of);
	return outcome;
}

static void assert_good(const char *line)
{
	if (parse(line) != OPTION_RUN)
		fail_msg("\"%s\": %s", line, log_of.text);
	assert_string_equal(log_of.text, "");
}

static void assert_bad(const char *line, const char *sentence)
{
	char expected[512];
	assert_int_equal(parse(line), OPTION_BAD);
	snprintf(expected, sizeof(expected), "tcpecho: %s\n", sentence);
	assert_string_equal(log_of.text, expected);
	assert_int_equal(arguments.n_operands, 0x5a5a5a5a5a5a5a5a); /* untouched */
}

/* ---- values ---- */

TEST(what_is_not_given_is_at_its_preset)
{
	assert_good("");
	assert_int_equal(arguments.values[QUIET], 0);
	assert_int_equal(arguments.values[MAX_CLIENTS], 0);
	assert_int_equal(arguments.values[MAX_PER_SOURCE], 5);
	assert_int_equal(arguments.values[TIMEOUT], 30 * CLOCK_NS_PER_S);
	assert_int_equal(arguments.values[ENGINE], 1);
	assert_int_equal(arguments.values[SIZE], 4096);
	assert_null(arguments.texts[FILE_NAME]);
	for (size_t i = 0; i < N_OPTIONS; i++)
		assert_int_equal(arguments.sources[i], SOURCE_PRESET);
	assert_int_equal(arguments.n_operands, 0);
}

TEST(every_kind_can_be_given_in_every_form)
{
	static const struct {
		const char *line;
		size_t option;
		uint64_t value;
	} rows[] = {
		{ "-q", QUIET, 1 },
		{ "--quiet", QUIET, 1 },
		{ "-m 7", MAX_CLIENTS, 7 },
		{ "-m7", MAX_CLIENTS, 7 },
		{ "--max-clients 7", MAX_CLIENTS, 7 },
		{ "--max-clients=7", MAX_CLIENTS, 7 },
		{ "-qm7", MAX_CLIENTS, 7 },
		{ "--max-clients=1", MAX_CLIENTS, 1 },
		{ "--max-clients=100", MAX_CLIENTS, 100 },
		{ "--max-per-source=0", MAX_PER_SOURCE, 0 },
		{ "--max-per-source=18446744073709551615", MAX_PER_SOURCE, UINT64_MAX },
		{ "-t 250ms", TIMEOUT, 250 * CLOCK_NS_PER_MS },
		{ "--timeout=off", TIMEOUT, 0 },
		{ "-e fork", ENGINE, 0 },
		{ "--engine=epoll", ENGINE, 2 },
		{ "-s 64", SIZE, 64 },
		{ "--size=1M", SIZE, 1 << 20 },
		{ "-r 500", RATE, 500 },
		{ "--rate=10k", RATE, 10000 },

		/* abbreviations, if they match one option only */
		{ "--q", QUIET, 1 },
		{ "--max-c 7", MAX_CLIENTS, 7 },
		{ "--max-p=7", MAX_PER_SOURCE, 7 },
		{ "--e epoll", ENGINE, 2 },

		/* the last one wins */
		{ "-m 7 -m 8", MAX_CLIENTS, 8 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_good(rows[i].line);
		assert_int_equal(arguments.values[rows[i].option], rows[i].value);
		assert_int_equal(arguments.sources[rows[i].option], SOURCE_COMMAND_LINE);
	}
}

TEST(a_text_is_what_was_given)
{
	assert_good("--file=a/b.json");
	assert_string_equal(arguments.texts[FILE_NAME], "a/b.json");
	assert_int_equal(arguments.sources[FILE_NAME], SOURCE_COMMAND_LINE);
	setenv("TCPECHO_SERVE_FILE", "c.json", 1);
	assert_good("");
	assert_string_equal(arguments.texts[FILE_NAME], "c.json");
	assert_bad("--file=", "--file '': must not be empty");
}

TEST(a_list_is_all_that_was_given)
{
	assert_good("");
	assert_int_equal(arguments.n_list, 0);
	setenv("TCPECHO_SERVE_LIMITS", "c", 1);
	assert_good("");
	assert_int_equal(arguments.n_list, 1);
	assert_string_equal(arguments.list[0], "c");
	assert_good("-l b --limits=a x");
	assert_int_equal(arguments.n_list, 2);
	assert_string_equal(arguments.list[0], "b");
	assert_string_equal(arguments.list[1], "a");
	assert_int_equal(arguments.sources[LIMITS], SOURCE_COMMAND_LINE);
	assert_bad("--limits a --limits=", "--limits '': must not be empty");
}

/* ---- operands ---- */

static void assert_operands(const char *line, const char *first, const char *second)
{
	assert_good(line);
	assert_int_equal(arguments.n_operands, 2);
	assert_string_equal(arguments.operands[0], first);
	assert_string_equal(arguments.operands[1], second);
}

TEST(operands_and_options_stand_in_any_order)
{
	assert_operands("a b", "a", "b");
	assert_operands("-q a b", "a", "b");
	assert_operands("a -q b", "a", "b");
	assert_operands("a b -q -m 7", "a", "b");
	assert_int_equal(arguments.values[MAX_CLIENTS], 7);
}

TEST(behind_two_dashes_all_are_operands)
{
	assert_operands("-q -- -m 7", "-m", "7");
	assert_int_equal(arguments.sources[MAX_CLIENTS], SOURCE_PRESET);
	assert_operands("a -- --help", "a", "--help");
}

TEST(a_dash_alone_is_an_operand)
{
	assert_operands("- -q -", "-", "-");
}

/* ---- help ---- */

TEST(help_is_help_whatever_else_is_there)
{
	assert_int_equal(parse("--help"), OPTION_HELP);
	assert_int_equal(parse("-h"), OPTION_HELP);
	assert_int_equal(parse("--h"), OPTION_HELP);
	assert_int_equal(parse("-qh"), OPTION_HELP);
	assert_int_equal(parse("a -m 7 --help"), OPTION_HELP);
	assert_int_equal(parse("-h --no-such-thing"), OPTION_HELP);
	assert_string_equal(log_of.text, "");
}

/* ---- what is wrong ---- */

TEST(a_bad_value_is_named_with_its_option_and_what_would_be_good)
{
	assert_bad("-m 0", "--max-clients 0: out of range, from 1 to 100");
	assert_bad("-m 101", "--max-clients 101: out of range, from 1 to 100");
	assert_bad("-m 99999999999999999999",
		   "--max-clients 99999999999999999999: out of range, from 1 to 100");
	assert_bad("--max-clients=x", "--max-clients x: not a whole number");
	assert_bad("--max-clients=-1", "--max-clients -1: not a whole number");
	assert_bad("--max-clients=", "--max-clients '': not a whole number");
	assert_bad("-t 5x", "--timeout 5x: unknown unit (write 250ms, 10s, 2m or 1h)");
	assert_bad("-t x", "--timeout x: not a time (write 250ms, 10s, 2m or off)");
	assert_bad("-t 999999999h", "--timeout 999999999h: out of range");
	assert_bad("-s 1m", "--size 1m: not a size (write 64, 4k or 1M)");
	assert_bad("-s 0", "--size 0: out of range, from 1 to 1048576");
	assert_bad("-s 2M", "--size 2M: out of range, from 1 to 1048576");
	assert_bad("-r fast", "--rate fast: not a rate per second (write 500, 10k or 1M)");
	assert_bad("-e uring", "--engine uring: not one of: fork, thread, epoll");
	assert_bad("-e for", "--engine for: not one of: fork, thread, epoll");
	assert_bad("-e FORK", "--engine FORK: not one of: fork, thread, epoll");
}

TEST(an_option_that_there_is_not_is_named)
{
	const char *long_one = "unknown option --no-such (see 'tcpecho serve --help')";
	const char *short_one = "unknown option -z (see 'tcpecho serve --help')";
	assert_bad("--no-such", long_one);
	assert_bad("--no-such a", long_one);
	assert_bad("a b --no-such", long_one);
	assert_bad("-z", short_one);
	assert_bad("-qz", short_one);
	assert_bad("-zq", short_one);
	assert_bad("a -z b", short_one);
	assert_bad("--no-such=7", "unknown option --no-such=7 (see 'tcpecho serve --help')");
}

TEST(an_abbreviation_of_two_options_is_none)
{
	assert_bad("--max 7", "option --max is ambiguous (see 'tcpecho serve --help')");
	assert_bad("--max=7", "option --max=7 is ambiguous (see 'tcpecho serve --help')");
	assert_bad("--maximum 7", "unknown option --maximum (see 'tcpecho serve --help')");
}

TEST(a_missing_value_is_named_with_its_option)
{
	assert_bad("-m", "option --max-clients needs a value: N");
	assert_bad("-qm", "option --max-clients needs a value: N");
	assert_bad("--max-clients", "option --max-clients needs a value: N");
	assert_bad("a --engine", "option --engine needs a value: NAME");
	assert_bad("-t", "option --timeout needs a value: TIME");
}

TEST(a_value_too_many_is_named_with_its_option)
{
	assert_bad("--quiet=1", "option --quiet takes no value");
	assert_bad("--help=serve", "option --help takes no value");
}

TEST(nothing_that_was_typed_reaches_the_terminal_as_it_is)
{
	assert_bad("--engine=\033[2J", "--engine ^[[2J: not one of: fork, thread, epoll");
	assert_bad("--\033[2J", "unknown option --^[[2J (see 'tcpecho serve --help')");
	assert_bad("-\033", "unknown option -^[ (see 'tcpecho serve --help')");
}

TEST(a_value_of_any_length_is_a_bad_value_and_no_more)
{
	char line[200] = "--engine=";
	memset(line + strlen(line), 'x', sizeof(line) - strlen(line) - 1);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(parse(line), OPTION_BAD);
	assert_int_equal(unit_lines(log_of.text), 1);
}

/* ---- the environment ---- */

TEST(variables_are_named_after_command_and_option)
{
	assert_string_equal(option_variable(&command, &options[QUIET]).name, "TCPECHO_SERVE_QUIET");
	assert_string_equal(option_variable(&command, &options[MAX_PER_SOURCE]).name,
			    "TCPECHO_SERVE_MAX_PER_SOURCE");
}

TEST(the_environment_wins_over_presets_and_the_command_line_over_it)
{
	setenv("TCPECHO_SERVE_ENGINE", "epoll", 1);
	setenv("TCPECHO_SERVE_MAX_CLIENTS", "9", 1);
	setenv("TCPECHO_SERVE_TIMEOUT", "2m", 1);
	setenv("TCPECHO_SERVE_QUIET", "1", 1);
	assert_good("");
	assert_int_equal(arguments.values[ENGINE], 2);
	assert_int_equal(arguments.values[MAX_CLIENTS], 9);
	assert_int_equal(arguments.values[TIMEOUT], 120 * CLOCK_NS_PER_S);
	assert_int_equal(arguments.values[QUIET], 1);
	assert_int_equal(arguments.sources[ENGINE], SOURCE_ENVIRONMENT);
	assert_int_equal(arguments.sources[QUIET], SOURCE_ENVIRONMENT);
	assert_int_equal(arguments.sources[MAX_PER_SOURCE], SOURCE_PRESET);

	assert_good("-e fork -m 3");
	assert_int_equal(arguments.values[ENGINE], 0);
	assert_int_equal(arguments.values[MAX_CLIENTS], 3);
	assert_int_equal(arguments.values[TIMEOUT], 120 * CLOCK_NS_PER_S);
	assert_int_equal(arguments.sources[ENGINE], SOURCE_COMMAND_LINE);
	assert_int_equal(arguments.sources[TIMEOUT], SOURCE_ENVIRONMENT);
}

TEST(a_flag_in_the_environment_is_0_or_1)
{
	setenv("TCPECHO_SERVE_QUIET", "0", 1);
	assert_good("");
	assert_int_equal(arguments.values[QUIET], 0);
	setenv("TCPECHO_SERVE_QUIET", "2", 1);
	assert_bad("", "TCPECHO_SERVE_QUIET=2: must be 0 or 1");
	setenv("TCPECHO_SERVE_QUIET", "yes", 1);
	assert_bad("", "TCPECHO_SERVE_QUIET=yes: must be 0 or 1");
}

TEST(a_bad_variable_is_named)
{
	setenv("TCPECHO_SERVE_MAX_CLIENTS", "101", 1);
	assert_bad("", "TCPECHO_SERVE_MAX_CLIENTS=101: out of range, from 1 to 100");
	setenv("TCPECHO_SERVE_MAX_CLIENTS", "5", 1);
	setenv("TCPECHO_SERVE_ENGINE", "", 1);
	assert_bad("", "TCPECHO_SERVE_ENGINE='': not one of: fork, thread, epoll");
}

TEST(a_bad_variable_of_another_command_is_ignored)
{
	setenv("TCPECHO_SERVE_MAX_CLIENTS", "101", 1);
	assert_good("-m 5");
	assert_int_equal(arguments.values[MAX_CLIENTS], 5);
	assert_int_equal(parse("--help"), OPTION_HELP);
	assert_string_equal(log_of.text, "");
}

TEST(variables_of_another_command_mean_nothing)
{
	setenv("TCPECHO_TALK_QUIET", "2", 1);
	setenv("TCPECHO_QUIET", "2", 1);
	assert_good("");
	unsetenv("TCPECHO_TALK_QUIET");
	unsetenv("TCPECHO_QUIET");
}

/* ---- tables ---- */

TEST(choices_are_joined_and_cut_where_there_is_no_room)
{
	char out[64];
	option_choices(&options[ENGINE], ", ", out, sizeof(out));
	assert_string_equal(out, "fork, thread, epoll");
	option_choices(&options[ENGINE], "|", out, sizeof(out));
	assert_string_equal(out, "fork|thread|epoll");
	for (size_t size = 1; size < sizeof("fork|thread|epoll"); size++) {
		memset(out, 'x', sizeof(out));
		option_choices(&options[ENGINE], "|", out, size);
		assert_int_equal(strlen(out), size - 1);
		assert_memory_equal(out, "fork|thread|epoll", size - 1);
		assert_int_equal(out[size], 'x');
	}
}

static void parse_a_bad_preset(const void *argument)
{
	(void)argument;
	static const struct option_row row = {
		.name = "count",
		.kind = OPTION_COUNT,
		.value_name = "N",
		.most = 5,
		.preset = "6",
	};
	static const struct command bad = { .name = "bad", .options = &row, .n_options = 1 };
	char *words[] = { vector[0], NULL };
	ignore_result(option_parse(&bad, 1, words, &arguments)); /* it does not come back */
}

TEST(a_preset_that_its_own_option_refuses_is_a_bug)
{
	unit_child_dies_of(SIGABRT, parse_a_bad_preset, NULL);
}

TEST(a_command_without_options_has_help_all_the_same)
{
	static const struct command bare = { .name = "bare" };
	char name[] = "bare", help[] = "--help", operand[] = "x";
	char *for_help[] = { name, help, NULL }, *for_run[] = { name, operand, NULL };
	assert_int_equal(option_parse(&bare, 2, for_help, &arguments), OPTION_HELP);
	assert_int_equal(option_parse(&bare, 2, for_run, &arguments), OPTION_RUN);
	assert_int_equal(arguments.n_operands, 1);
}

static int clean_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OPTIONS; i++)
		unsetenv(option_variable(&command, &options[i]).name);
	unsetenv("POSIXLY_CORRECT"); /* with which operands come last (getopt(3)) */
	return 0;
}

#define OPTION_TEST(name) cmocka_unit_test_setup(name, clean_environment)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OPTION_TEST(what_is_not_given_is_at_its_preset),
		OPTION_TEST(every_kind_can_be_given_in_every_form),
		OPTION_TEST(a_text_is_what_was_given),
		OPTION_TEST(a_list_is_all_that_was_given),
		OPTION_TEST(operands_and_options_stand_in_any_order),
		OPTION_TEST(behind_two_dashes_all_are_operands),
		OPTION_TEST(a_dash_alone_is_an_operand),
		OPTION_TEST(help_is_help_whatever_else_is_there),
		OPTION_TEST(a_bad_value_is_named_with_its_option_and_what_would_be_good),
		OPTION_TEST(an_option_that_there_is_not_is_named),
		OPTION_TEST(an_abbreviation_of_two_options_is_none),
		OPTION_TEST(a_missing_value_is_named_with_its_option),
		OPTION_TEST(a_value_too_many_is_named_with_its_option),
		OPTION_TEST(nothing_that_was_typed_reaches_the_terminal_as_it_is),
		OPTION_TEST(a_value_of_any_length_is_a_bad_value_and_no_more),
		OPTION_TEST(variables_are_named_after_command_and_option),
		OPTION_TEST(the_environment_wins_over_presets_and_the_command_line_over_it),
		OPTION_TEST(a_flag_in_the_environment_is_0_or_1),
		OPTION_TEST(a_bad_variable_is_named),
		OPTION_TEST(a_bad_variable_of_another_command_is_ignored),
		OPTION_TEST(variables_of_another_command_mean_nothing),
		OPTION_TEST(choices_are_joined_and_cut_where_there_is_no_room),
		OPTION_TEST(a_preset_that_its_own_option_refuses_is_a_bug),
		OPTION_TEST(a_command_without_options_has_help_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
