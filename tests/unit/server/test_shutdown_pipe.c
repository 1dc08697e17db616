/* SPDX-License-Identifier: MIT */
/*
 * Closing the shutdown pipe, or the end of the process that holds it, wakes every process at its
 * other end.
 */
#include "server/shutdown_pipe.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static short events_of(int fd, int wait_ms)
{
	struct pollfd end = { .fd = fd, .events = POLLIN };
	return poll(&end, 1, wait_ms) == 1 ? end.revents : 0;
}

TEST(a_lifeline_is_silent_and_closed_on_exec)
{
	struct shutdown_pipe line;
	assert_int_equal(shutdown_pipe_open(&line), 0);
	assert_int_equal(events_of(line.child_fd, 0), 0);
	assert_true(unit_is_cloexec(line.child_fd) && unit_is_cloexec(line.parent_fd));
	shutdown_pipe_close(&line);
}

TEST(cutting_it_wakes_the_other_end_and_may_be_done_again)
{
	struct shutdown_pipe line;
	assert_int_equal(shutdown_pipe_open(&line), 0);
	shutdown_pipe_signal(&line);
	assert_int_equal(line.parent_fd, -1);
	assert_true(events_of(line.child_fd, 0) & POLLHUP);
	shutdown_pipe_signal(&line);
	assert_true(events_of(line.child_fd, 0) & POLLHUP);
	shutdown_pipe_close(&line);
}

TEST(closing_leaves_nothing_open)
{
	struct shutdown_pipe line;
	size_t before = unit_open_descriptors();
	assert_int_equal(shutdown_pipe_open(&line), 0);
	shutdown_pipe_close(&line);
	assert_int_equal(unit_open_descriptors(), before);
	assert_int_equal(line.parent_fd, -1);
	assert_int_equal(line.child_fd, -1);
	shutdown_pipe_close(&line);
}

TEST(the_death_of_the_parent_cuts_it)
{
	struct shutdown_pipe line;
	assert_int_equal(shutdown_pipe_open(&line), 0);
	pid_t parent = fork();
	assert_true(parent >= 0);
	if (parent == 0) {
		pause();
		_exit(0);
	}
	close(line.parent_fd);
	line.parent_fd = -1;
	assert_int_equal(events_of(line.child_fd, 0), 0);
	kill(parent, SIGKILL);
	assert_true(events_of(line.child_fd, UNIT_TIMEOUT_S * 1000) & POLLHUP);
	waitpid(parent, NULL, 0);
	shutdown_pipe_close(&line);
}

static void open_without_descriptors(const void *argument)
{
	(void)argument;
	struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };
	struct shutdown_pipe line = { .parent_fd = 4242 };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &none) == 0);
	UNIT_CHILD_MUST(shutdown_pipe_open(&line) == -EMFILE);
	UNIT_CHILD_MUST(line.parent_fd == 4242);
}

TEST(without_descriptors_there_is_none)
{
	unit_in_child(open_without_descriptors, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lifeline_is_silent_and_closed_on_exec),
		cmocka_unit_test(cutting_it_wakes_the_other_end_and_may_be_done_again),
		cmocka_unit_test(closing_leaves_nothing_open),
		cmocka_unit_test(the_death_of_the_parent_cuts_it),
		cmocka_unit_test(without_descriptors_there_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
