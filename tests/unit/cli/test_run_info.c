/* SPDX-License-Identifier: MIT */
/* A result has the place, the version and the options of the run. */
#include "cli/run_info.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "net/sysinfo.h"
#include "unit.h"
#include "version.h"

static struct run run;

static int begin(void **state)
{
	(void)state;
	assert_int_equal(run_open(&run), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	run_close(&run);
	return 0;
}

static const struct option_row rows[] = {
	{ .name = "size", .kind = OPTION_SIZE },
	{ .name = "source", .kind = OPTION_TEXT },
	{ .name = "rate", .kind = OPTION_RATE },
};

static const struct command command = {
	.name = "bench",
	.options = rows,
	.n_options = ARRAY_LEN(rows),
};

static void aggregate(const struct tcpinfo_sending *sending)
{
	char name[] = "bench", option[] = "-c", value[] = "10", target[] = "[::1]:7";
	char *words[] = { name, option, value, target };
	const struct arguments arguments = { .words = words, .n_words = ARRAY_LEN(words) };
	assert_int_equal(run_info_gather(&run.facts, &command, &arguments, 77, sending), 0);
}

TEST(facts_are_of_this_program_machine_and_command_line)
{
	const struct tcpinfo_sending sending = { .congestion_control = "reno", .mss = 1448 };
	struct utsname found;
	assert_int_equal(uname(&found), 0);
	aggregate(&sending);
	assert_string_equal(run.facts.version, TCPECHO_VERSION);
	assert_string_equal(run.facts.host, found.nodename);
	assert_non_null(strstr(run.facts.kernel, found.release));
	assert_string_equal(run.facts.command_line, "tcpecho bench -c 10 '[::1]:7'");
	assert_int_equal(run.facts.n_cpus, sysinfo_cores());
	assert_int_equal(run.facts.start_ns, 77);
	assert_string_equal(run.facts.congestion_control, "reno");
	assert_int_equal(run.facts.mss, 1448);
}

TEST(options_that_the_environment_gave_are_part_of_the_command_line)
{
	char name[] = "bench";
	char *words[] = { name };
	const struct arguments arguments = {
		.words = words,
		.n_words = ARRAY_LEN(words),
		.sources = { SOURCE_ENVIRONMENT, SOURCE_ENVIRONMENT, SOURCE_COMMAND_LINE },
	};
	setenv("TCPECHO_BENCH_SIZE", "4k", 1);
	setenv("TCPECHO_BENCH_SOURCE", "a b", 1);
	setenv("TCPECHO_BENCH_RATE", "7", 1);
	assert_int_equal(run_info_gather(&run.facts, &command, &arguments, 77, NULL), 0);
	assert_string_equal(run.facts.command_line,
			    "TCPECHO_BENCH_SIZE=4k TCPECHO_BENCH_SOURCE='a b' tcpecho bench");
}

TEST(without_a_tcp_connection_there_is_nothing_of_one)
{
	aggregate(NULL);
	assert_null(run.facts.congestion_control);
	assert_int_equal(run.facts.mss, 0);
}

static void is_copied(const char *text, const char *expected)
{
	char *copy;
	assert_int_equal(run_info_copy(text, &copy), 0);
	assert_string_equal(copy, expected);
	free(copy);
}

TEST(a_copy_is_utf8_whatever_the_text_is)
{
	is_copied("host.example", "host.example");
	is_copied("gr\xc3\xbcn", "gr\xc3\xbcn");
	is_copied("\xff\xc3", "\\xff\\xc3");
	is_copied("\x1b[1m", "^[[1m");
	char *copy;
	assert_int_equal(run_info_copy("", &copy), 0);
	assert_null(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(facts_are_of_this_program_machine_and_command_line,
						begin, end),
		cmocka_unit_test_setup_teardown(
			options_that_the_environment_gave_are_part_of_the_command_line, begin, end),
		cmocka_unit_test_setup_teardown(without_a_tcp_connection_there_is_nothing_of_one,
						begin, end),
		cmocka_unit_test(a_copy_is_utf8_whatever_the_text_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
