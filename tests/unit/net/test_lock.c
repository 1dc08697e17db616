/* SPDX-License-Identifier: MIT */
/*
 * One at a time, among processes; and a holder who dies holds nobody up.
 */
#include "net/lock.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net/process.h"
#include "unit.h"

#define N_CHILDREN 4
#define N_TURNS    20000

struct shared {
	struct lock lock;
	uint64_t count; /* guarded by it */
	_Atomic int n_ready;
};

static struct shared *shared;

static int open_shared(void **state)
{
	(void)state;
	void *memory;
	int rc = process_share(sizeof(*shared), &memory);
	if (rc < 0)
		return rc;
	shared = memory;
	/* A lock that is lost would be waited for without end. */
	alarm(2 * UNIT_PATIENCE_S);
	return lock_open(&shared->lock);
}

static int close_shared(void **state)
{
	(void)state;
	alarm(0);
	process_unshare(shared, sizeof(*shared));
	return 0;
}

_Noreturn static void count_up(void)
{
	alarm(UNIT_PATIENCE_S);
	atomic_fetch_add(&shared->n_ready, 1);
	while (atomic_load(&shared->n_ready) < N_CHILDREN)
		sched_yield();
	for (int i = 0; i < N_TURNS; i++) {
		lock_take(&shared->lock);
		/* In two steps, between which another would be in the way. */
		uint64_t count = *(volatile uint64_t *)&shared->count;
		if (i % 64 == 0)
			sched_yield();
		*(volatile uint64_t *)&shared->count = count + 1;
		lock_give(&shared->lock);
	}
	_exit(0);
}

TEST(of_several_processes_one_has_it_at_a_time)
{
	for (int i = 0; i < N_CHILDREN; i++) {
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			count_up();
	}
	for (int i = 0; i < N_CHILDREN; i++) {
		int status;
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(shared->count, N_CHILDREN * N_TURNS);
}

static void die_with_it(const void *argument)
{
	const int *deadly = argument;
	lock_take(&shared->lock);
	raise(*deadly);
}

TEST(a_child_that_is_killed_with_it_does_not_lock_the_others_out)
{
	static const int signals[] = { SIGKILL, SIGTERM };
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		unit_child_dies_of(signals[i], die_with_it, &signals[i]);
		/* It is a lock like any other afterwards, also for the next who dies. */
		for (int n = 0; n < 2; n++) {
			lock_take(&shared->lock);
			lock_give(&shared->lock);
		}
	}
}

static void exit_with_it(const void *argument)
{
	(void)argument;
	lock_take(&shared->lock);
}

TEST(a_child_that_ends_with_it_does_not_either)
{
	unit_in_child(exit_with_it, NULL);
	lock_take(&shared->lock);
	lock_give(&shared->lock);
}

TEST(whoever_waits_gets_it_when_its_holder_dies)
{
	pid_t holder = fork();
	assert_true(holder >= 0);
	if (holder == 0) {
		alarm(UNIT_PATIENCE_S);
		lock_take(&shared->lock);
		atomic_store(&shared->n_ready, 1);
		pause();
		_exit(0);
	}
	UNIT_WAIT_UNTIL(atomic_load(&shared->n_ready) == 1);
	pid_t waiter = fork();
	assert_true(waiter >= 0);
	if (waiter == 0) {
		alarm(UNIT_PATIENCE_S);
		atomic_store(&shared->n_ready, 2);
		lock_take(&shared->lock);
		lock_give(&shared->lock);
		_exit(0);
	}
	UNIT_WAIT_UNTIL(atomic_load(&shared->n_ready) == 2);
	unit_sleep_ms(20); /* most likely it waits by now; if not, that is as good */
	int status = -1;
	assert_int_equal(waitpid(waiter, &status, WNOHANG), 0); /* the holder still has it */
	kill(holder, SIGKILL);
	assert_int_equal(waitpid(waiter, &status, 0), waiter);
	assert_int_equal(status, 0);
	assert_int_equal(waitpid(holder, NULL, 0), holder);
}

TEST(killed_at_any_moment_it_leaves_a_lock_that_can_be_had)
{
	for (long moment = 0; moment < 300; moment++) {
		struct timespec until_then = { .tv_nsec = moment * 1000 };
		atomic_store(&shared->n_ready, 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			alarm(UNIT_PATIENCE_S);
			atomic_store(&shared->n_ready, 1);
			for (;;) {
				lock_take(&shared->lock);
				lock_give(&shared->lock);
			}
		}
		UNIT_WAIT_UNTIL(atomic_load(&shared->n_ready) == 1);
		nanosleep(&until_then, NULL);
		kill(pid, SIGKILL);
		/* Before it is reaped too: a zombie holds nothing. */
		lock_take(&shared->lock);
		lock_give(&shared->lock);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
}

static void give_what_one_has_not(const void *argument)
{
	(void)argument;
	lock_give(&shared->lock);
}

TEST(who_gives_what_he_has_not_is_a_bug)
{
	lock_take(&shared->lock);
	unit_child_dies_of(SIGABRT, give_what_one_has_not, NULL);
	lock_give(&shared->lock);
}

#define LOCK_TEST(name) cmocka_unit_test_setup_teardown(name, open_shared, close_shared)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOCK_TEST(of_several_processes_one_has_it_at_a_time),
		LOCK_TEST(a_child_that_is_killed_with_it_does_not_lock_the_others_out),
		LOCK_TEST(a_child_that_ends_with_it_does_not_either),
		LOCK_TEST(whoever_waits_gets_it_when_its_holder_dies),
		LOCK_TEST(killed_at_any_moment_it_leaves_a_lock_that_can_be_had),
		LOCK_TEST(who_gives_what_he_has_not_is_a_bug),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
