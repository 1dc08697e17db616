/* SPDX-License-Identifier: MIT */
/*
 * The tables of all commands meet the assumptions of the parser, --help, the man pages and the
 * completions.
 */
#include "cli/command.h"

#include <ctype.h>
#include <string.h>

#include "cli/option.h"
#include "unit.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"

/* Lower case unless the text begins with a name, and no full stop. */
static void assert_few_words(const char *text)
{
	assert_non_null(text);
	size_t n = strlen(text);
	assert_true(n > 0);
	assert_int_not_equal(text[n - 1], '.');
	assert_false(isupper((unsigned char)text[0]) && islower((unsigned char)text[1]));
}

static void assert_whole_sentence(const char *text)
{
	assert_non_null(text);
	size_t n = strlen(text);
	assert_true(n > 0);
	assert_int_equal(text[n - 1], '.');
}

TEST(every_command_is_found_by_its_name)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		assert_int_equal(strspn((*at)->name, LOWER), strlen((*at)->name));
		assert_ptr_equal(command_find((*at)->parent, (*at)->name), *at);
	}
	assert_non_null(command_find(NULL, "serve"));
	assert_non_null(command_find(NULL, "talk"));
	assert_non_null(command_find(NULL, "help"));
}

TEST(what_is_no_command_is_not_found)
{
	assert_null(command_find(NULL, ""));
	assert_null(command_find(NULL, "serv"));
	assert_null(command_find(NULL, "serve "));
	assert_null(command_find(NULL, "SERVE"));
	assert_null(command_find(NULL, "--help"));
	assert_null(command_find(NULL, "merge"));
	assert_null(command_find(command_find(NULL, "report"), "serve"));
}

TEST(every_command_can_be_explained_and_run)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		const struct command *command = *at;
		assert_few_words(command->summary);
		assert_non_null(command->operands);
		assert_int_equal(command->run == NULL, command_sub(command, 0) != NULL);
		assert_true(command->n_options <= COMMAND_OPTIONS_MAX);
		assert_non_null(command->description);
		assert_non_null(command->description[0]);
		for (const char *const *text = command->description; *text != NULL; text++)
			assert_whole_sentence(*text);
	}
}

TEST(every_option_has_a_name_and_a_letter_of_its_own)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		for (size_t i = 0; i < (*at)->n_options; i++) {
			const struct option_row *row = &(*at)->options[i];
			assert_non_null(row->name);
			assert_int_equal(strspn(row->name, LOWER "0123456789-"), strlen(row->name));
			assert_string_not_equal(row->name, "help");
			assert_true(row->letter == 0 || isalnum((unsigned char)row->letter));
			assert_int_not_equal(row->letter, 'h');
			for (size_t j = 0; j < i; j++) {
				const struct option_row *other = &(*at)->options[j];
				assert_string_not_equal(row->name, other->name);
				assert_true(row->letter == 0 || row->letter != other->letter);
			}
		}
	}
}

TEST(every_option_is_explained_and_has_what_its_kind_needs)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		for (size_t i = 0; i < (*at)->n_options; i++) {
			const struct option_row *row = &(*at)->options[i];
			assert_few_words(row->help);
			assert_whole_sentence(row->details);
			assert_int_equal(row->value_name == NULL, row->kind == OPTION_FLAG);
			assert_int_equal(row->choice != NULL, row->kind == OPTION_CHOICE);
			if (row->kind == OPTION_COUNT)
				assert_true(row->least <= row->most && row->most > 0);
			if (row->kind == OPTION_CHOICE)
				assert_non_null(row->choice(0));
			/* Not truncated: its last letter is the option's. */
			struct option_variable variable = option_variable(*at, row);
			const struct command *owner = (*at)->parent != NULL ? (*at)->parent : *at;
			assert_int_equal(strlen(variable.name), strlen("TCPECHO__") +
									strlen(owner->name) +
									strlen(row->name));
		}
	}
}

/* Width of the explanations in --help, on a terminal with 80 columns. */
#define HELP_WIDTH 50

TEST(every_option_with_a_value_shows_its_default_on_one_line)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		for (size_t i = 0; i < (*at)->n_options; i++) {
			const struct option_row *row = &(*at)->options[i];
			const char *preset = option_default(row);
			size_t n = strlen(row->help);
			if (row->kind != OPTION_FLAG && strstr(row->help, "(required)") == NULL) {
				if (preset == NULL)
					fail_msg("--%s shows no default", row->name);
				if (row->kind != OPTION_CHOICE)
					n += strlen(" (default: )") + strlen(preset);
			}
			if (n > HELP_WIDTH)
				fail_msg("--%s: %zu columns", row->name, n);
		}
	}
}

TEST(options_of_large_commands_are_grouped)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		const struct option_group *group = (*at)->groups;
		assert_int_equal(group != NULL, (*at)->n_options >= 12);
		if (group == NULL)
			continue;
		assert_int_equal(group->first, 0);
		for (size_t last = 0; group->heading != NULL; group++) {
			assert_few_words(group->heading);
			assert_true(group->first >= last && group->first < (*at)->n_options);
			last = group->first + 1;
		}
	}
}

TEST(subcommands_share_the_variables_of_their_parent)
{
	const struct command *report = command_find(NULL, "report");
	const struct command *merge = command_find(report, "merge");
	assert_string_equal(option_variable(merge, &merge->options[0]).name,
			    "TCPECHO_REPORT_OUTPUT");
	assert_string_equal(command_full_name(merge, '-').text, "report-merge");
	assert_ptr_equal(command_sub(report, 1), merge);
	assert_null(command_sub(merge, 0));
}

TEST(every_preset_is_a_value_of_its_option)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		char name[16];
		struct arguments arguments;
		strcpy(name, (*at)->name);
		char *words[] = { name, NULL };
		assert_int_equal(option_parse(*at, 1, words, &arguments), OPTION_RUN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_is_found_by_its_name),
		cmocka_unit_test(what_is_no_command_is_not_found),
		cmocka_unit_test(every_command_can_be_explained_and_run),
		cmocka_unit_test(every_option_has_a_name_and_a_letter_of_its_own),
		cmocka_unit_test(every_option_is_explained_and_has_what_its_kind_needs),
		cmocka_unit_test(every_option_with_a_value_shows_its_default_on_one_line),
		cmocka_unit_test(options_of_large_commands_are_grouped),
		cmocka_unit_test(subcommands_share_the_variables_of_their_parent),
		cmocka_unit_test(every_preset_is_a_value_of_its_option),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
