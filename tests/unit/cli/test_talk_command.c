/* SPDX-License-Identifier: MIT */
/*
 * `tcpecho talk` understands where to connect to, or refuses. The message of the failed connection
 * shows what it understood, because no server listens there.
 */
#include "cli/talk_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit_status.h"
#include "cli/option.h"
#include "unit.h"

static struct unit_capture log_of;

#define MOST_WORDS 8

/* Runs it in this process with the words of a line, which are separated by single spaces. */
static int talk(const char *line)
{
	char words[512], name[] = "talk", *vector[MOST_WORDS] = { name }, *rest = NULL;
	int n = 1;
	struct arguments arguments;
	snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok_r(words, " ", &rest); word != NULL && n < MOST_WORDS - 1;
	     word = strtok_r(NULL, " ", &rest))
		vector[n++] = word;
	assert_int_equal(option_parse(&talk_command, n, vector, &arguments), OPTION_RUN);
	unit_capture_begin(&log_of, STDERR_FILENO);
	int status = (int)talk_command.run(&arguments);
	unit_capture_end(&log_of);
	return status;
}

/* A loopback port without a listener: it was free just now. */
static unsigned int dead_port(void)
{
	struct sockaddr_in address;
	close(unit_listen(1, &address));
	return ntohs(address.sin_port);
}

TEST(host_and_port_are_understood_in_every_form)
{
	/* The port is at the end of each. */
	static const char *const forms[] = {
		"127.0.0.1 ",   "127.0.0.1:",   "-4 127.0.0.1 ", "--timeout 20s 127.0.0.1 ",
		"[127.0.0.1]:", "[127.0.0.1] ",
	};
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		unsigned int port = dead_port();
		char line[128], expected[256];
		snprintf(line, sizeof(line), "%s%u", forms[i], port);
		snprintf(expected, sizeof(expected),
			 "tcpecho: cannot connect to 127.0.0.1 port %u: connection refused "
			 "(is a server listening there?)\n",
			 port);
		assert_int_equal(talk(line), STATUS_NO_CONNECTION);
		assert_string_equal(log_of.text, expected);
	}
}

TEST(a_unix_path_is_a_host_without_port)
{
	assert_int_equal(talk("unix:/no/such/path"), STATUS_NO_CONNECTION);
	assert_string_equal(log_of.text,
			    "tcpecho: cannot connect to unix:/no/such/path: no such file or "
			    "directory (its directory does not exist)\n");
}

TEST(what_is_wrong_is_named)
{
	static const struct {
		const char *line, *sentence;
	} rows[] = {
		{ "a 7 b", "b: too many operands (write HOST [PORT])" },
		{ "-4 -6", "--ipv4 and --ipv6 exclude each other" },
		{ "a 0", "0: the port must be a number from 1 to 65535" },
		{ "a 65536", "65536: the port must be a number from 1 to 65535" },
		{ "a echo", "echo: the port must be a number from 1 to 65535" },
		{ "a:7 8", "a:7 8: the address already has a port" },
		{ "[::1]:7 8", "[::1]:7 8: the address already has a port" },
		{ "unix:@a 8", "unix:@a 8: the address already has a port" },
		{ "a:x", "a:x: the port must be a number from 0 to 65535" },
		{ "unix:", "unix:: not an address of a server (write HOST [PORT], HOST:PORT, "
			   "[V6]:PORT, unix:/path or unix:@name)" },
		{ ":7", ":7: not an address of a server (write HOST [PORT], HOST:PORT, "
			"[V6]:PORT, unix:/path or unix:@name)" },
		{ "9877", "9877: a port needs a host (write 'tcpecho talk localhost 9877')" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char line[512];
		snprintf(line, sizeof(line), "tcpecho: %s\n", rows[i].sentence);
		assert_int_equal(talk(rows[i].line), STATUS_USAGE);
		assert_string_equal(log_of.text, line);
	}
}

TEST(of_both_families_the_command_lines_wins_over_the_environments)
{
	char line[64];
	setenv("TCPECHO_TALK_IPV6", "1", 1);
	snprintf(line, sizeof(line), "-4 127.0.0.1 %u", dead_port());
	assert_int_equal(talk(line), STATUS_NO_CONNECTION);
	assert_non_null(strstr(log_of.text, "connection refused"));
	snprintf(line, sizeof(line), "127.0.0.1 %u", dead_port());
	assert_int_equal(talk(line), STATUS_NO_CONNECTION);
	assert_non_null(strstr(log_of.text, "the host has no address of that family"));

	setenv("TCPECHO_TALK_IPV4", "1", 1);
	assert_int_equal(talk("127.0.0.1"), STATUS_USAGE);
	assert_string_equal(log_of.text, "tcpecho: --ipv4 and --ipv6 exclude each other\n");
}

TEST(a_port_that_no_server_can_have_is_wrong_in_every_form)
{
	assert_int_equal(talk("127.0.0.1 0"), STATUS_USAGE);
	assert_int_equal(talk("127.0.0.1:0"), STATUS_USAGE);
	assert_int_equal(talk("[::1]:0"), STATUS_USAGE);
}

TEST(a_name_too_long_is_no_host)
{
	char line[400];
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(talk(line), STATUS_USAGE);
}

/* Removes the test runner's variables from the environment. */
static int clean_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < talk_command.n_options; i++)
		unsetenv(option_variable(&talk_command, &talk_command.options[i]).name);
	return 0;
}

#define TALK_TEST(name) cmocka_unit_test_setup(name, clean_environment)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK_TEST(host_and_port_are_understood_in_every_form),
		TALK_TEST(a_unix_path_is_a_host_without_port),
		TALK_TEST(what_is_wrong_is_named),
		TALK_TEST(of_both_families_the_command_lines_wins_over_the_environments),
		TALK_TEST(a_port_that_no_server_can_have_is_wrong_in_every_form),
		TALK_TEST(a_name_too_long_is_no_host),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
