/* SPDX-License-Identifier: MIT */
/*
 * Man pages of commands with every form of operands, and with none.
 */
#include "cli/docgen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static const char *const description[] = { "Does nothing.", NULL };
static const struct man_section no_sections[] = { { 0 } };
static const struct man_example no_examples[] = { { 0 } };

/* Asserts the line of the synopsis with the operands, after the command's name. */
static void assert_operands(const char *operands, const char *line)
{
	const struct command command = {
		.name = "nothing",
		.summary = "does nothing",
		.operands = operands,
		.description = description,
		.has_page = true,
		.sections = no_sections,
		.examples = no_examples,
	};
	char *page = NULL, expected[128];
	size_t size;
	FILE *out = open_memstream(&page, &size);
	assert_non_null(out);
	docgen_man_command(out, &command);
	assert_int_equal(fclose(out), 0);
	snprintf(expected, sizeof(expected), ".Nm tcpecho nothing\n%s.Sh DESCRIPTION\n", line);
	if (strstr(page, expected) == NULL)
		fail_msg("no %s in %s", expected, page);
	free(page);
}

TEST(operands_in_the_synopsis)
{
	assert_operands("", "");
	assert_operands(NULL, "");
	assert_operands("FILE", ".Ar FILE\n");
	assert_operands("FILE...", ".Ar FILE...\n");
	assert_operands("HOST [PORT]", ".Ar HOST Op Ar PORT\n");
	assert_operands("[HOST [PORT]]", ".Op Ar HOST Op Ar PORT\n");
	assert_operands("[ADDRESS]...", ".Op Ar ADDRESS ...\n");
	assert_operands("[COMMAND]", ".Op Ar COMMAND\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operands_in_the_synopsis),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
