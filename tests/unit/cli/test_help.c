/* SPDX-License-Identifier: MIT */
/* --help prints everything in the tables, and nothing else. */
#include "cli/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_status.h"
#include "cli/option.h"
#include "server/engine.h"
#include "unit.h"

/* Output of the last call of one of the functions, until the next call. */
static char *printed;

static FILE *begin_printing(void)
{
	static size_t size;
	free(printed);
	printed = NULL;
	FILE *out = open_memstream(&printed, &size);
	assert_non_null(out);
	return out;
}

static void print_command(const struct command *command)
{
	FILE *out = begin_printing();
	help_on_command(out, command);
	fclose(out);
}

/* Minimum indentation of a line that continues another one. */
#define CONTINUED 9

/*
 * Returns the line that contains a text, with the lines that continue it in the column of
 * explanations; NULL if it has none.
 */
static const char *line_with(const char *text)
{
	static char line[1024];
	const char *found = strstr(printed, text);
	if (found == NULL)
		return NULL;
	while (found > printed && found[-1] != '\n')
		found--;
	size_t n = 0;
	do {
		size_t length = strcspn(found, "\n");
		assert_true(n + length < sizeof(line));
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%.*s", (int)length, found);
		found += length + (found[length] == '\n');
		if (strspn(found, " ") < CONTINUED)
			return line;
		found += strspn(found, " ") - 1; /* one space between the words */
	} while (true);
}

static void assert_in_line(const char *line, const char *text)
{
	if (strstr(line, text) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", text, line);
}

/* ---- one command ---- */

static void assert_row_is_shown(const struct option_row *row)
{
	char text[128], letter[] = "   ";
	if (row->letter != 0) {
		letter[0] = row->letter;
		letter[1] = ',';
	}
	snprintf(text, sizeof(text), "  %c%s--%s%s%s ", row->letter != 0 ? '-' : ' ', letter,
		 row->name, row->value_name != NULL ? " " : "",
		 row->value_name != NULL ? row->value_name : "");
	const char *line = line_with(text);
	if (line == NULL)
		fail_msg("--%s is not shown", row->name);
	assert_in_line(line, row->help);
	if (option_default(row) != NULL) {
		snprintf(text, sizeof(text), "(default: %s)", option_default(row));
		assert_in_line(line, text);
	}
	for (size_t i = 0; row->kind == OPTION_CHOICE && row->choice(i) != NULL; i++)
		assert_in_line(line, row->choice(i));
}

TEST(every_option_of_every_command_is_shown_with_its_whole_row)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		print_command(*at);
		for (size_t i = 0; i < (*at)->n_options; i++)
			assert_row_is_shown(&(*at)->options[i]);
		assert_non_null(line_with("  -h, --help"));
	}
}

TEST(nothing_is_shown_that_is_no_option)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		size_t n = 0;
		print_command(*at);
		for (const char *line = printed; line != NULL; line = strchr(line, '\n')) {
			line += *line == '\n';
			if (strncmp(line, "  -", 3) == 0 || strncmp(line, "      --", 8) == 0)
				n++;
		}
		assert_int_equal(n, (*at)->n_options + 1);
	}
}

TEST(usage_is_the_first_line)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		char usage[128];
		snprintf(usage, sizeof(usage), "usage: tcpecho %s%s %s\n\n",
			 command_full_name(*at, ' ').text,
			 (*at)->n_options > 0 ? " [OPTION]..." : "", (*at)->operands);
		print_command(*at);
		assert_memory_equal(printed, usage, strlen(usage));
	}
}

TEST(every_exit_status_is_explained)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		print_command(*at);
		const struct exit_status_row *rows = command_statuses(*at);
		assert_int_equal(rows->status, STATUS_OK);
		for (; rows->sentence != NULL; rows++) {
			char line[256];
			snprintf(line, sizeof(line), "\n  %d      ", (int)rows->status);
			assert_non_null(strstr(printed, line));
			assert_in_line(line_with(line + 1), rows->sentence);
		}
		assert_in_line(printed, "\n  128+N  ended by signal N\n");
	}
}

TEST(the_environment_has_an_example_where_there_are_options)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		print_command(*at);
		const char *variable = (*at)->n_options > 0
					       ? option_variable(*at, &(*at)->options[0]).name
					       : "TCPECHO_";
		assert_int_equal(strstr(printed, variable) != NULL, (*at)->n_options > 0);
	}
}

TEST(no_line_is_wider_than_a_terminal)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		print_command(*at);
		for (const char *line = printed; line != NULL; line = strchr(line, '\n')) {
			line += *line == '\n';
			if (strcspn(line, "\n") > 80)
				fail_msg("%.*s", (int)strcspn(line, "\n"), line);
		}
	}
}

TEST(a_command_with_subcommands_lists_them)
{
	const struct command *report = command_find(NULL, "report");
	print_command(report);
	const struct command *command;
	for (size_t i = 0; (command = command_sub(report, i)) != NULL; i++) {
		char line[256];
		snprintf(line, sizeof(line), "\n  %-10s %s\n", command->name, command->summary);
		assert_in_line(printed, line);
	}
}

TEST(explanations_are_wrapped_and_lose_no_word)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		print_command(*at);
		const struct option_group *group = (*at)->groups;
		char heading[128];
		snprintf(heading, sizeof(heading), "\n%s:\n",
			 command_sub(*at, 0) != NULL ? "commands"
			 : group != NULL             ? group->heading
						     : "options");
		const char *end = strstr(printed, heading);
		assert_non_null(end);
		/* The output without its line ends. */
		char flat[8192] = "";
		size_t n = 0, column = 0;
		for (const char *c = printed; c < end; c++) {
			assert_true(n < sizeof(flat) - 1);
			flat[n++] = *c == '\n' ? ' ' : *c;
			column = *c == '\n' ? 0 : column + 1;
			assert_true(column <= 80);
		}
		flat[n] = '\0';
		for (const char *const *text = (*at)->description; *text != NULL; text++)
			assert_in_line(flat, *text);
	}
}

/* ---- the program ---- */

TEST(the_program_lists_every_command)
{
	FILE *out = begin_printing();
	help_program(out);
	fclose(out);
	for (const struct command *const *at = commands; *at != NULL; at++) {
		char line[256];
		snprintf(line, sizeof(line), "\n  %-10s %s\n", (*at)->name, (*at)->summary);
		assert_int_equal(strstr(printed, line) != NULL, (*at)->parent == NULL);
	}
}

TEST(the_version_says_what_is_built_in)
{
	FILE *out = begin_printing();
	help_version(out);
	fclose(out);
	assert_memory_equal(printed, "tcpecho ", 8);
	for (const struct engine *const *at = engines; *at != NULL; at++)
		assert_in_line(line_with("engines:"), (*at)->name);
}

static int free_printed(void **state)
{
	(void)state;
	free(printed);
	printed = NULL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_of_every_command_is_shown_with_its_whole_row),
		cmocka_unit_test(nothing_is_shown_that_is_no_option),
		cmocka_unit_test(usage_is_the_first_line),
		cmocka_unit_test(every_exit_status_is_explained),
		cmocka_unit_test(the_environment_has_an_example_where_there_are_options),
		cmocka_unit_test(no_line_is_wider_than_a_terminal),
		cmocka_unit_test(a_command_with_subcommands_lists_them),
		cmocka_unit_test(explanations_are_wrapped_and_lose_no_word),
		cmocka_unit_test(the_program_lists_every_command),
		cmocka_unit_test(the_version_says_what_is_built_in),
	};
	return cmocka_run_group_tests(tests, NULL, free_printed);
}
