/* SPDX-License-Identifier: MIT */
/*
 * `tcpecho serve` refuses a wrong command line before it opens anything. tests/contract tests
 * correct ones.
 */
#include "cli/serve_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit_status.h"
#include "cli/option.h"
#include "server/listeners.h"
#include "unit.h"

static struct unit_capture log_of;

#define MOST_WORDS (LISTENERS_MAX + 8)

/* Runs it with these words; it must not start to serve. */
static int serve(char *const *words, int n)
{
	static char name[] = "serve";
	char *vector[MOST_WORDS] = { name };
	struct arguments arguments;
	assert_true(n < MOST_WORDS - 1);
	memcpy(vector + 1, words, (size_t)n * sizeof(*words));
	assert_int_equal(option_parse(&serve_command, n + 1, vector, &arguments), OPTION_RUN);
	unit_capture_begin(&log_of, STDERR_FILENO);
	int status = (int)serve_command.run(&arguments);
	unit_capture_end(&log_of);
	return status;
}

static int serve_on(const char *address)
{
	char word[512];
	snprintf(word, sizeof(word), "%s", address);
	return serve((char *[]){ word }, 1);
}

TEST(a_bad_address_is_named_with_what_would_be_good)
{
	static const struct {
		const char *address, *why;
	} rows[] = {
		{ "localhost", "not an address (write PORT, HOST:PORT, [V6]:PORT, :PORT, "
			       "unix:/path or unix:@name)" },
		{ "65536", "the port must be a number from 0 to 65535" },
		{ "localhost:echo", "the port must be a number from 0 to 65535" },
		{ "unix:/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		  "the path or name is longer than 107 bytes" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char line[1024];
		snprintf(line, sizeof(line), "tcpecho: %s: %s\n", rows[i].address, rows[i].why);
		assert_int_equal(serve_on(rows[i].address), STATUS_USAGE);
		assert_string_equal(log_of.text, line);
	}
}

TEST(addresses_have_a_bound)
{
	static char word[] = "127.0.0.1:0";
	char *words[LISTENERS_MAX + 1];
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		words[i] = word;
	assert_int_equal(serve(words, ARRAY_LEN(words)), STATUS_USAGE);
	assert_string_equal(log_of.text, "tcpecho: too many addresses: 65, at most 64\n");
}

TEST(a_descriptor_for_readiness_must_be_open_for_writing)
{
	static char word[] = "--ready-fd=999", address[] = "127.0.0.1:0";
	assert_int_equal(serve((char *[]){ word, address }, 2), STATUS_USAGE);
	assert_string_equal(log_of.text,
			    "tcpecho: cannot write to --ready-fd 999: it is not open\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_address_is_named_with_what_would_be_good),
		cmocka_unit_test(addresses_have_a_bound),
		cmocka_unit_test(a_descriptor_for_readiness_must_be_open_for_writing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
