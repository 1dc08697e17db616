/* SPDX-License-Identifier: MIT */
/*
 * The progress line: only on a terminal, after a second, overwriting itself, and removed
 * completely.
 */
#include "client/progress.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

/* A terminal as standard error, and its output. */
struct terminal {
	int master, slave, saved_fd;
};

static struct terminal terminal;

static int open_terminal(void **state)
{
	(void)state;
	if (openpty(&terminal.master, &terminal.slave, NULL, NULL, NULL) < 0)
		terminal.master = terminal.slave = -1; /* unit_need_terminal() skips the test */
	terminal.saved_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return 0;
}

static int close_terminal(void **state)
{
	(void)state;
	close(terminal.master);
	close(terminal.slave);
	close(terminal.saved_fd);
	return 0;
}

/* Makes the terminal standard error until the second call; no assertion may fail meanwhile. */
static void look_at_terminal(void)
{
	dup2(terminal.slave, STDERR_FILENO);
}

static void look_away(void)
{
	dup2(terminal.saved_fd, STDERR_FILENO);
}

/* Returns the output to the screen since the last call. */
static const char *screen(void)
{
	static char text[4096];
	size_t used = 0;
	struct pollfd ready = { .fd = terminal.master, .events = POLLIN };
	while (used < sizeof(text) - 1 && poll(&ready, 1, 0) == 1) {
		ssize_t n = read(terminal.master, text + used, sizeof(text) - 1 - used);
		assert_true(n > 0);
		used += (size_t)n;
	}
	text[used] = '\0';
	return text;
}

/* A progress display that began this number of seconds ago and may be shown now. */
static struct progress after_seconds(uint64_t seconds)
{
	uint64_t now_ns = clock_now_ns();
	return (struct progress){
		.wanted = true,
		.start_ns = now_ns - seconds * CLOCK_NS_PER_S,
		.next_ns = now_ns,
	};
}

static struct progress start(int input_fd, int output_fd)
{
	look_at_terminal();
	struct progress progress = progress_start(input_fd, output_fd);
	look_away();
	return progress;
}

TEST(progress_is_shown_on_a_terminal_without_other_output)
{
	unit_need_terminal();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int screen_fd = terminal.slave;
	assert_true(start(null, null).wanted);
	assert_false(start(screen_fd, null).wanted);
	assert_false(start(null, screen_fd).wanted);
	assert_false(start(screen_fd, screen_fd).wanted);

	dup2(null, STDERR_FILENO);
	struct progress progress = progress_start(null, null);
	look_away();
	assert_false(progress.wanted);
	close(null);
}

TEST(without_progress_there_is_no_wait_and_no_output)
{
	unit_need_terminal();
	struct progress progress = after_seconds(5);
	progress.wanted = false;
	assert_int_equal(progress_deadline_ns(&progress), CLOCK_NEVER);
	look_at_terminal();
	progress_show(&progress, 1000);
	progress_clear(&progress);
	look_away();
	assert_string_equal(screen(), "");
}

/* Shows the progress, and returns the output. */
static const char *show(struct progress *progress, uint64_t bytes)
{
	look_at_terminal();
	progress_show(progress, bytes);
	look_away();
	return screen();
}

TEST(it_comes_after_a_second_and_then_again_and_again)
{
	unit_need_terminal();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct progress progress = start(null, null);
	close(null);
	assert_int_equal(progress_deadline_ns(&progress), progress.start_ns + CLOCK_NS_PER_S);

	progress.next_ns = clock_now_ns() + UNIT_TIMEOUT_S * CLOCK_NS_PER_S;
	assert_string_equal(show(&progress, 1000), "");

	progress = after_seconds(1);
	uint64_t shown_ns = progress.next_ns;
	assert_string_not_equal(show(&progress, 1000), "");
	assert_true(progress_deadline_ns(&progress) > shown_ns);
}

TEST(it_shows_bytes_and_rate_on_a_line_that_writes_over_itself)
{
	unit_need_terminal();
	struct progress progress = after_seconds(10);
	const char *shown = show(&progress, 100 * 1024 * 1024);
	/* The rate covers the last ten seconds and a little more. */
	assert_memory_equal(shown, "\r100.0 MiB  ", 12);
	assert_non_null(strstr(shown, " MiB/s "));
	assert_null(strchr(shown, '%'));
	assert_null(strchr(shown, '\n'));

	size_t width = strlen(shown);
	progress.next_ns = 0;
	assert_int_equal(strlen(show(&progress, 1)), width);
}

TEST(it_shows_the_share_of_a_file)
{
	unit_need_terminal();
	static const struct {
		uint64_t bytes;
		const char *share;
	} rows[] = {
		{ 0, "  0 %" },      { 499, "  49 %" },   { 999, "  99 %" },
		{ 1000, "  100 %" }, { 5000, "  100 %" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct progress progress = after_seconds(10);
		progress.expected = 1000;
		assert_non_null(strstr(show(&progress, rows[i].bytes), rows[i].share));
	}
}

TEST(what_is_expected_is_the_rest_of_a_regular_file)
{
	unit_need_terminal();
	int file = unit_temporary_file(), ends[2];
	assert_int_equal(ftruncate(file, 1000), 0);
	assert_int_equal(start(file, file).expected, 1000);
	assert_int_equal(lseek(file, 300, SEEK_SET), 300);
	assert_int_equal(start(file, file).expected, 700);
	assert_int_equal(lseek(file, 2000, SEEK_SET), 2000);
	assert_int_equal(start(file, file).expected, 0);
	close(file);

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(start(ends[0], ends[1]).expected, 0);
	close(ends[0]);
	close(ends[1]);
}

TEST(clearing_leaves_an_empty_line_once)
{
	unit_need_terminal();
	struct progress progress = after_seconds(10);
	size_t width = strlen(show(&progress, 1000));

	look_at_terminal();
	progress_clear(&progress);
	progress_clear(&progress);
	look_away();
	const char *cleared = screen();
	assert_int_equal(strlen(cleared), width + 1);
	assert_int_equal(strspn(cleared, "\r "), width + 1);
	assert_int_equal(cleared[width], '\r');
}

#define TERMINAL_TEST(name) cmocka_unit_test_setup_teardown(name, open_terminal, close_terminal)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TERMINAL_TEST(progress_is_shown_on_a_terminal_without_other_output),
		TERMINAL_TEST(without_progress_there_is_no_wait_and_no_output),
		TERMINAL_TEST(it_comes_after_a_second_and_then_again_and_again),
		TERMINAL_TEST(it_shows_bytes_and_rate_on_a_line_that_writes_over_itself),
		TERMINAL_TEST(it_shows_the_share_of_a_file),
		TERMINAL_TEST(what_is_expected_is_the_rest_of_a_regular_file),
		TERMINAL_TEST(clearing_leaves_an_empty_line_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
