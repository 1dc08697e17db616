/* SPDX-License-Identifier: MIT */
/* A process that is awake is not woken, and no event is missed in a sleep. */
#include "net/wakeup.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/shm.h"
#include "unit.h"

struct shared {
	struct wakeup_sleep sleep;
	_Alignas(64) _Atomic uint64_t sent;
	_Alignas(64) _Atomic uint64_t seen;
};

static struct shared *shared;
static struct wakeup wakeup;

/* Number of write(2) calls, and a function that runs just before the next one. */
static int n_writes;
static void (*before_write)(void);

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	void (*meanwhile)(void) = before_write;
	before_write = NULL;
	n_writes++;
	if (meanwhile != NULL)
		meanwhile();
	return __real_write(fd, bytes, size);
}

static int open_news(void **state)
{
	(void)state;
	void *memory;
	int rc = shm_map_shared(sizeof(*shared), &memory);
	if (rc < 0)
		return rc;
	shared = memory;
	n_writes = 0;
	before_write = NULL;
	return wakeup_open(&wakeup, &shared->sleep);
}

static int close_news(void **state)
{
	(void)state;
	wakeup_close(&wakeup);
	shm_unmap(shared, sizeof(*shared));
	return 0;
}

static bool would_wake(int wait_ms)
{
	struct pollfd ready = { .fd = wakeup.fd, .events = POLLIN };
	return poll(&ready, 1, wait_ms) == 1;
}

TEST(the_descriptor_is_close_on_exec_and_non_blocking)
{
	assert_true(unit_is_cloexec(wakeup.fd));
	assert_true(unit_is_nonblocking(wakeup.fd));
	assert_false(would_wake(0));
	wakeup_close(&wakeup);
	assert_int_equal(wakeup.fd, -1);
}

static void open_without_descriptors(const void *argument)
{
	(void)argument;
	struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };
	struct wakeup another = { .fd = 4242 };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &none) == 0);
	UNIT_CHILD_MUST(wakeup_open(&another, &shared->sleep) == -EMFILE);
	UNIT_CHILD_MUST(another.fd == 4242);
}

TEST(without_descriptors_there_is_none)
{
	unit_in_child(open_without_descriptors, NULL);
}

TEST(a_running_process_costs_no_wake_up)
{
	for (int i = 0; i < 1000; i++)
		wakeup_post(&wakeup);
	assert_int_equal(n_writes, 0);
	assert_false(would_wake(0));
	wakeup_begin_sleep(&wakeup);
	wakeup_end_sleep(&wakeup);
	wakeup_post(&wakeup);
	assert_int_equal(n_writes, 0);
}

TEST(a_sleeping_process_is_woken_once_by_any_number_of_senders)
{
	wakeup_begin_sleep(&wakeup);
	for (int i = 0; i < 1000; i++)
		wakeup_post(&wakeup);
	assert_int_equal(n_writes, 1);
	assert_true(would_wake(0));
	wakeup_end_sleep(&wakeup);
	assert_false(would_wake(0)); /* it took back the wake-up */
}

TEST(each_sleep_is_woken_anew)
{
	for (int i = 0; i < 100; i++) {
		wakeup_begin_sleep(&wakeup);
		assert_false(would_wake(0));
		wakeup_post(&wakeup);
		assert_true(would_wake(0));
		wakeup_end_sleep(&wakeup);
		assert_int_equal(n_writes, i + 1);
	}
}

static void wake_up_for_another_reason(void)
{
	wakeup_end_sleep(&wakeup);
}

/*
 * A poster has seen us asleep, and is about to wake us. Before that a signal wakes us, and there is
 * no wake-up to take back yet. So the next sleep may be short, but not later ones.
 */
TEST(a_wake_that_comes_late_ends_no_more_than_one_sleep)
{
	wakeup_begin_sleep(&wakeup);
	before_write = wake_up_for_another_reason;
	wakeup_post(&wakeup);
	assert_int_equal(n_writes, 1);

	wakeup_begin_sleep(&wakeup);
	wakeup_end_sleep(&wakeup);
	wakeup_begin_sleep(&wakeup);
	assert_false(would_wake(0));
	wakeup_end_sleep(&wakeup);
}

/* ---- a process that is stopped while it posts ---- */

static void tell_once(const void *argument)
{
	(void)argument;
	wakeup_post(&wakeup);
}

/* Another process posts now; the woken sleeper then sleeps again. */
static void another_tells(void)
{
	wakeup_post(&wakeup);
	assert_true(would_wake(0));
	wakeup_end_sleep(&wakeup);
	wakeup_begin_sleep(&wakeup);
}

TEST(a_process_stopped_at_any_instruction_keeps_no_other_from_waking)
{
	wakeup_begin_sleep(&wakeup);
	unit_stop_everywhere(tell_once, NULL, another_tells);
	wakeup_end_sleep(&wakeup);
}

/* ---- between processes ---- */

/* Random delays let the two processes meet in every state. */
static void spend_some_time(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	for (volatile uint32_t spin = *random >> 24; spin > 0; spin--)
		continue;
}

/*
 * Posts n times, and each time waits until the sleeper has seen it. Otherwise the next post would
 * hide one that was missed in a sleep.
 */
_Noreturn static void tell_many(uint64_t n, uint32_t random)
{
	alarm(3 * UNIT_TIMEOUT_S);
	for (uint64_t i = 0; i < n; i++) {
		spend_some_time(&random);
		uint64_t mine = atomic_fetch_add(&shared->sent, 1) + 1;
		wakeup_post(&wakeup);
		for (int tries = 0; atomic_load(&shared->seen) < mine; tries++) {
			if (tries > 1000)
				sched_yield();
		}
	}
	_exit(0);
}

/* Returns whether there was a new post, and marks all posts as seen. */
static bool look(void)
{
	uint64_t sent = atomic_load_explicit(&shared->sent, memory_order_relaxed);
	if (sent == atomic_load_explicit(&shared->seen, memory_order_relaxed))
		return false;
	atomic_store(&shared->seen, sent);
	return true;
}

static void sleep_and_count(uint32_t n_senders, uint64_t n_each)
{
	uint64_t n_sleeps = 0;
	uint32_t random = 4711;
	for (uint32_t i = 0; i < n_senders; i++) {
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			tell_many(n_each, i + 1);
	}
	while (atomic_load(&shared->seen) < n_senders * n_each) {
		if (look())
			continue;
		spend_some_time(&random);
		wakeup_begin_sleep(&wakeup);
		if (!look()) {
			n_sleeps++;
			/* A missed wake-up would end only as a hang. */
			assert_true(would_wake(UNIT_TIMEOUT_S * 1000));
		}
		wakeup_end_sleep(&wakeup);
	}
	for (uint32_t i = 0; i < n_senders; i++) {
		int status;
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(atomic_load(&shared->sent), n_senders * n_each);
	assert_true(n_sleeps > 0);
}

TEST(no_wake_of_one_sender_is_missed)
{
	sleep_and_count(1, 100000);
}

TEST(no_wake_of_several_senders_is_missed)
{
	sleep_and_count(3, 30000);
}

#define NEWS_TEST(name) cmocka_unit_test_setup_teardown(name, open_news, close_news)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NEWS_TEST(the_descriptor_is_close_on_exec_and_non_blocking),
		NEWS_TEST(without_descriptors_there_is_none),
		NEWS_TEST(a_running_process_costs_no_wake_up),
		NEWS_TEST(a_sleeping_process_is_woken_once_by_any_number_of_senders),
		NEWS_TEST(each_sleep_is_woken_anew),
		NEWS_TEST(a_wake_that_comes_late_ends_no_more_than_one_sleep),
		NEWS_TEST(a_process_stopped_at_any_instruction_keeps_no_other_from_waking),
		NEWS_TEST(no_wake_of_one_sender_is_missed),
		NEWS_TEST(no_wake_of_several_senders_is_missed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
