/* SPDX-License-Identifier: MIT */
/* `tcpecho help`: all commands, one of them, or an error. */
#include "cli/help_command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/exit_status.h"
#include "unit.h"

static struct unit_capture output, log_of;

static int help(const char *first, const char *second)
{
	char words[2][32] = { "", "" };
	char *operands[] = { words[0], words[1] };
	struct arguments arguments = { .operands = operands };
	if (first != NULL)
		strcpy(operands[arguments.n_operands++], first);
	if (second != NULL)
		strcpy(operands[arguments.n_operands++], second);
	unit_capture_begin(&output, STDOUT_FILENO);
	unit_capture_begin(&log_of, STDERR_FILENO);
	int status = (int)help_command.run(&arguments);
	unit_capture_end(&log_of);
	unit_capture_end(&output);
	return status;
}

TEST(alone_it_lists_the_commands)
{
	assert_int_equal(help(NULL, NULL), STATUS_OK);
	assert_non_null(strstr(output.text, "\ncommands:\n"));
	assert_string_equal(log_of.text, "");
}

TEST(with_a_command_it_explains_it)
{
	for (const struct command *const *at = commands; *at != NULL; at++) {
		char usage[64];
		const struct command *parent = (*at)->parent;
		snprintf(usage, sizeof(usage), "usage: tcpecho %s ",
			 command_full_name(*at, ' ').text);
		assert_int_equal(parent != NULL ? help(parent->name, (*at)->name)
						: help((*at)->name, NULL),
				 STATUS_OK);
		assert_memory_equal(output.text, usage, strlen(usage));
	}
}

TEST(anything_else_is_an_error_that_names_it)
{
	assert_int_equal(help("knock", NULL), STATUS_USAGE);
	assert_string_equal(output.text, "");
	assert_string_equal(log_of.text, "tcpecho: no command knock (see 'tcpecho help')\n");
	assert_int_equal(help("report", "talk"), STATUS_USAGE);
	assert_string_equal(log_of.text, "tcpecho: no command report talk (see 'tcpecho help')\n");
	assert_int_equal(help("serve", "talk"), STATUS_USAGE);
	assert_string_equal(output.text, "");
	assert_string_equal(log_of.text, "tcpecho: talk: help explains one command at a time\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alone_it_lists_the_commands),
		cmocka_unit_test(with_a_command_it_explains_it),
		cmocka_unit_test(anything_else_is_an_error_that_names_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
