/* SPDX-License-Identifier: MIT */
/*
 * Tags identify events. Events are reported as long as they are watched, and no wait exceeds its
 * deadline.
 */
#include "net/poller.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

static struct poller poller;
static struct poller_events events;

static int open_poller(void **state)
{
	(void)state;
	return poller_open(&poller);
}

static int close_poller(void **state)
{
	(void)state;
	poller_close(&poller);
	return 0;
}

/* Exactly one event is ready, with this tag. Returns its kinds. */
static uint32_t the_event_of(uint64_t tag)
{
	assert_int_equal(poller_wait(&poller, &events, 0), 1);
	assert_int_equal(events.n, 1);
	assert_int_equal(events.list[0].data.u64, tag);
	return events.list[0].events;
}

static void assert_no_event(void)
{
	events.n = 4242;
	assert_int_equal(poller_wait(&poller, &events, 0), 0);
	assert_int_equal(events.n, 0);
}

TEST(it_is_closed_on_exec_and_closing_leaves_nothing_open)
{
	assert_true(unit_is_cloexec(poller.fd));
	poller_close(&poller);
	assert_int_equal(poller.fd, -1);
	poller_close(&poller);
}

static void open_without_descriptors(const void *argument)
{
	(void)argument;
	struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };
	struct poller other = { .fd = 4242 };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &none) == 0);
	UNIT_CHILD_MUST(poller_open(&other) == -EMFILE);
	UNIT_CHILD_MUST(other.fd == 4242);
}

TEST(without_descriptors_there_is_none)
{
	unit_in_child(open_without_descriptors, NULL);
}

TEST(an_event_has_the_tag_of_its_descriptor)
{
	static const uint64_t tags[] = { 0, 7, UINT64_C(1) << 32, UINT64_MAX };
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		int one, other;
		unit_socket_pair(&one, &other);
		assert_int_equal(poller_add(&poller, one, EPOLLIN, tags[i]), 0);
		assert_no_event();
		unit_write(other, "x", 1);
		assert_int_equal(the_event_of(tags[i]), EPOLLIN);
		assert_int_equal(the_event_of(tags[i]), EPOLLIN); /* as long as it is readable */
		assert_int_equal(poller_remove(&poller, one), 0);
		assert_no_event();
		close(one);
		close(other);
	}
}

TEST(a_closed_descriptor_leaves_the_set_if_no_other_process_has_it)
{
	int one, other;
	unit_socket_pair(&one, &other);
	assert_int_equal(poller_add(&poller, one, EPOLLIN, 1), 0);
	unit_write(other, "x", 1);
	close(one);
	assert_no_event();
	close(other);
}

TEST(an_edge_is_reported_once_and_again_after_rearming)
{
	int one, other;
	unit_socket_pair(&one, &other);
	assert_int_equal(poller_add(&poller, one, EPOLLIN | EPOLLET, 1), 0);
	unit_write(other, "x", 1);
	assert_int_equal(the_event_of(1), EPOLLIN);
	assert_no_event();
	assert_int_equal(poller_change(&poller, one, EPOLLIN | EPOLLET, 2), 0);
	assert_int_equal(the_event_of(2), EPOLLIN);
	assert_no_event();
	close(one);
	close(other);
}

TEST(what_is_asked_for_anew_comes_behind_all_others)
{
	int one, other, third, fourth;
	unit_socket_pair(&one, &other);
	unit_socket_pair(&third, &fourth);
	assert_int_equal(poller_add(&poller, one, EPOLLIN | EPOLLET, 1), 0);
	assert_int_equal(poller_add(&poller, third, EPOLLIN | EPOLLET, 2), 0);
	unit_write(other, "x", 1);
	assert_int_equal(the_event_of(1), EPOLLIN);
	unit_write(fourth, "x", 1);
	assert_int_equal(poller_change(&poller, one, EPOLLIN | EPOLLET, 1), 0);
	assert_int_equal(poller_wait(&poller, &events, 0), 2);
	assert_int_equal(events.list[0].data.u64, 2);
	assert_int_equal(events.list[1].data.u64, 1);
	close(one);
	close(other);
	close(third);
	close(fourth);
}

TEST(no_more_events_come_at_once_than_there_is_room_for_and_none_is_lost)
{
	enum { MANY = POLLER_EVENTS + 10 };
	static int fds[MANY];
	static bool seen[MANY];
	int one, other;
	unit_socket_pair(&one, &other);
	unit_write(other, "x", 1);
	for (size_t i = 0; i < MANY; i++) {
		fds[i] = dup(one);
		assert_true(fds[i] >= 0);
		assert_int_equal(poller_add(&poller, fds[i], EPOLLIN | EPOLLET, i), 0);
	}
	for (int n = 0; n < MANY; n += events.n) {
		assert_true(poller_wait(&poller, &events, 0) > 0);
		assert_true(events.n <= POLLER_EVENTS);
		for (int i = 0; i < events.n; i++) {
			assert_false(seen[events.list[i].data.u64]);
			seen[events.list[i].data.u64] = true;
		}
	}
	assert_no_event();
	for (size_t i = 0; i < MANY; i++)
		close(fds[i]);
	close(one);
	close(other);
}

TEST(what_cannot_be_waited_for_is_an_error)
{
	int one, other;
	unit_socket_pair(&one, &other);
	assert_int_equal(poller_add(&poller, -1, EPOLLIN, 1), -EBADF);
	assert_int_equal(poller_remove(&poller, one), -ENOENT);
	assert_int_equal(poller_change(&poller, one, EPOLLIN, 1), -ENOENT);
	assert_int_equal(poller_add(&poller, one, EPOLLIN, 1), 0);
	assert_int_equal(poller_add(&poller, one, EPOLLIN, 1), -EEXIST);
	struct poller none = { .fd = -1 };
	assert_int_equal(poller_wait(&none, &events, 0), -EBADF);
	assert_int_equal(events.n, 0); /* events of the last call must not count as new ones */
	close(one);
	close(other);
}

TEST(it_waits_until_the_deadline_and_no_longer)
{
	uint64_t deadline_ns = clock_now_ns() + 30 * CLOCK_NS_PER_MS;
	assert_int_equal(poller_wait(&poller, &events, deadline_ns), 0);
	assert_true(clock_now_ns() >= deadline_ns);
	/* the deadline has passed */
	assert_int_equal(poller_wait(&poller, &events, deadline_ns), 0);
	assert_int_equal(poller_wait(&poller, &events, 1), 0);
}

TEST(an_event_ends_the_wait)
{
	int one, other;
	unit_socket_pair(&one, &other);
	assert_int_equal(poller_add(&poller, one, EPOLLIN, 1), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		unit_sleep_ms(20);
		_exit(write(other, "x", 1) == 1 ? 0 : 1);
	}
	alarm(UNIT_TIMEOUT_S);
	assert_int_equal(poller_wait(&poller, &events, CLOCK_NEVER), 1);
	alarm(0);
	close(one);
	close(other);
}

static void nothing(int signal)
{
	(void)signal;
}

static void wait_interrupted(const void *argument)
{
	(void)argument;
	const struct sigaction heard = { .sa_handler = nothing };
	const struct itimerval soon = { .it_value = { .tv_usec = 20000 } };
	UNIT_CHILD_MUST(sigaction(SIGALRM, &heard, NULL) == 0);
	UNIT_CHILD_MUST(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	uint64_t deadline_ns = clock_deadline_ns(100 * CLOCK_NS_PER_MS);
	events.n = 4242;
	UNIT_CHILD_MUST(poller_wait(&poller, &events, deadline_ns) == 0);
	UNIT_CHILD_MUST(events.n == 0);
	UNIT_CHILD_MUST(clock_now_ns() >= deadline_ns);
}

TEST(a_signal_does_not_end_the_wait)
{
	unit_in_child(wait_interrupted, NULL);
}

static void event_comes_late(const void *argument)
{
	const int *fd = argument;
	uint64_t deadline_ns = clock_deadline_ns(100 * CLOCK_NS_PER_MS);
	UNIT_CHILD_MUST(write(*fd, "x", 1) == 1); /* now the process waits, and the test stops it */
	UNIT_CHILD_MUST(poller_wait(&poller, &events, deadline_ns) == 1);
	UNIT_CHILD_MUST(clock_now_ns() >= deadline_ns);
}

/* Stops it while it waits, and continues it when its deadline has passed and an event is ready. */
static void stop_and_go_on(int fd, pid_t pid)
{
	char byte;
	unit_read(fd, &byte, 1);
	unit_sleep_ms(20);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	unit_sleep_ms(200);
	unit_write(fd, "x", 1);
	assert_int_equal(kill(pid, SIGCONT), 0);
}

TEST(what_came_while_it_was_stopped_is_there_though_the_deadline_has_passed)
{
	int one, other;
	unit_socket_pair(&one, &other);
	assert_int_equal(poller_add(&poller, one, EPOLLIN, 1), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		event_comes_late(&one);
		_exit(0);
	}
	stop_and_go_on(other, pid);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(one);
	close(other);
}

#define POLLER_TEST(name) cmocka_unit_test_setup_teardown(name, open_poller, close_poller)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POLLER_TEST(it_is_closed_on_exec_and_closing_leaves_nothing_open),
		POLLER_TEST(without_descriptors_there_is_none),
		POLLER_TEST(an_event_has_the_tag_of_its_descriptor),
		POLLER_TEST(a_closed_descriptor_leaves_the_set_if_no_other_process_has_it),
		POLLER_TEST(an_edge_is_reported_once_and_again_after_rearming),
		POLLER_TEST(what_is_asked_for_anew_comes_behind_all_others),
		POLLER_TEST(no_more_events_come_at_once_than_there_is_room_for_and_none_is_lost),
		POLLER_TEST(what_cannot_be_waited_for_is_an_error),
		POLLER_TEST(it_waits_until_the_deadline_and_no_longer),
		POLLER_TEST(an_event_ends_the_wait),
		POLLER_TEST(a_signal_does_not_end_the_wait),
		POLLER_TEST(what_came_while_it_was_stopped_is_there_though_the_deadline_has_passed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
