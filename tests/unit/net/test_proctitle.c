/* SPDX-License-Identifier: MIT */
/*
 * Titles, each in a separate child, because they change the process.
 */
#include "net/proctitle.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

/* The arguments of main(), for the titles. */
static int main_argc;
static char **main_argv;

/* Returns the command line as ps(1) shows it: up to its first NUL. */
static const char *command_line(void)
{
	static char text[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	UNIT_CHILD_MUST(n >= 0);
	text[n] = '\0';
	return text;
}

static void set_titles(const void *argument)
{
	(void)argument;
	char path[512];
	UNIT_CHILD_MUST(getenv("PATH") != NULL);
	snprintf(path, sizeof(path), "%s", getenv("PATH"));
	proctitle_prepare(main_argc, main_argv);

	proctitle_set("tcpecho: serving 192.0.2.7:51334");
	UNIT_CHILD_MUST(strcmp(command_line(), "tcpecho: serving 192.0.2.7:51334") == 0);
	proctitle_set("short");
	UNIT_CHILD_MUST(strcmp(command_line(), "short") == 0);

	/* The environment was moved, not lost, and can be changed. */
	UNIT_CHILD_MUST(strcmp(getenv("PATH"), path) == 0);
	UNIT_CHILD_MUST(setenv("TCPECHO_UNIT", "x", 1) == 0);
	UNIT_CHILD_MUST(strcmp(getenv("TCPECHO_UNIT"), "x") == 0);
	UNIT_CHILD_MUST(strcmp(command_line(), "short") == 0);
}

TEST(ps_shows_the_title_and_the_environment_stays)
{
	unit_in_child(set_titles, NULL);
}

static void set_a_long_title(const void *argument)
{
	(void)argument;
	static char title[1024 * 1024];
	memset(title, 'x', sizeof(title) - 1);
	proctitle_prepare(main_argc, main_argv);
	proctitle_set(title);
	const char *shown = command_line();
	UNIT_CHILD_MUST(strlen(shown) > 0 && strspn(shown, "x") == strlen(shown));
}

TEST(a_title_is_cut_where_there_is_no_room)
{
	unit_in_child(set_a_long_title, NULL);
}

static void set_title_unprepared(const void *argument)
{
	(void)argument;
	char before[4096];
	snprintf(before, sizeof(before), "%s", command_line());
	proctitle_set("x");
	UNIT_CHILD_MUST(strcmp(command_line(), before) == 0);
	proctitle_prepare(0, main_argv);
	proctitle_set("x");
	UNIT_CHILD_MUST(strcmp(command_line(), before) == 0);
}

TEST(without_preparation_titles_stay_as_they_are)
{
	unit_in_child(set_title_unprepared, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ps_shows_the_title_and_the_environment_stays),
		cmocka_unit_test(a_title_is_cut_where_there_is_no_room),
		cmocka_unit_test(without_preparation_titles_stay_as_they_are),
	};
	main_argc = argc;
	main_argv = argv;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
