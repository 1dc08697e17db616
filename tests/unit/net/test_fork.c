/* SPDX-License-Identifier: MIT */
/*
 * Starting and reaping children, and what they inherit. Each test runs in a separate child, because
 * it changes the process.
 */
#include "net/fork.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/proctitle.h"
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

/* ---- starting and reaping ---- */

/* Each child has its own copy, so all may use the same. */
static struct fork_stack stack;

static int end_with(void *status)
{
	_exit((int)(intptr_t)status);
}

static int wait_to_be_killed(void *argument)
{
	(void)argument;
	pause();
	_exit(0);
}

/* Starts a child that exits at once with a status. */
static pid_t start_one(int status)
{
	pid_t pid = fork_child(&stack, end_with, (void *)(intptr_t)status);
	UNIT_CHILD_MUST(pid > 0);
	return pid;
}

/* The next `interruptions` waits are interrupted before they do anything. */
static int interruptions;

pid_t __real_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);

pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
	if (interruptions == 0)
		return __real_waitpid(pid, status, options);
	interruptions--;
	errno = EINTR;
	return -1;
}

/* Waits for a child to end, as a parent with SIGCHLD does not have to. */
static struct child_end reap_one(void)
{
	struct child_end end = { 0 };
	int rc;
	for (long tries = 0; (rc = fork_reap_child(&end)) == 0; tries++) {
		UNIT_CHILD_MUST(tries < UNIT_TIMEOUT_S * 1000L);
		unit_sleep_ms(1);
	}
	UNIT_CHILD_MUST(rc == 1);
	return end;
}

static void reap_in_every_way(const void *argument)
{
	(void)argument;
	struct child_end end = { .pid = 4242 };
	UNIT_CHILD_MUST(fork_reap_child(&end) == 0); /* no children */
	UNIT_CHILD_MUST(end.pid == 4242);

	pid_t pid = fork_child(&stack, wait_to_be_killed, NULL);
	UNIT_CHILD_MUST(pid > 0);
	UNIT_CHILD_MUST(fork_reap_child(&end) == 0); /* a child that has not ended */
	UNIT_CHILD_MUST(end.pid == 4242);
	kill(pid, SIGKILL);
	end = reap_one();
	UNIT_CHILD_MUST(end.pid == pid && end.signal == SIGKILL && end.status == 0);

	pid = start_one(7);
	end = reap_one();
	UNIT_CHILD_MUST(end.pid == pid && end.signal == 0 && end.status == 7);

	pid = start_one(0);
	interruptions = 3;
	end = reap_one();
	UNIT_CHILD_MUST(interruptions == 0);
	UNIT_CHILD_MUST(end.pid == pid && end.signal == 0 && end.status == 0);
	UNIT_CHILD_MUST(fork_reap_child(&end) == 0);
}

TEST(a_child_that_ended_is_reaped_once_with_how_it_ended)
{
	unit_in_child(reap_in_every_way, NULL);
}

static void reap_many(const void *argument)
{
	(void)argument;
	enum { N = 50 };
	for (int i = 0; i < N; i++)
		start_one(i);
	bool seen[N] = { false };
	for (int i = 0; i < N; i++) {
		struct child_end end = reap_one();
		UNIT_CHILD_MUST(end.status < N && !seen[end.status]);
		seen[end.status] = true;
	}
}

TEST(each_of_many_children_is_reaped)
{
	unit_in_child(reap_many, NULL);
}

static void fork_at_the_limit(const void *argument)
{
	(void)argument;
	struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NPROC, &none) == 0);
	if (geteuid() == 0)
		UNIT_CHILD_MUST(setresuid(65534, 65534, 65534) == 0);
	UNIT_CHILD_MUST(fork_child(&stack, end_with, NULL) == -EAGAIN);
}

TEST(a_child_beyond_the_limit_is_refused_with_its_code)
{
	unit_in_child(fork_at_the_limit, NULL);
}

/* One object of each kind that a child may read, if it exists. */
static int in_data = 1;
static struct {
	int in_bss;
	int *on_stack;
	bool has_stack;
} seen;

static bool is_mapped(const void *address)
{
	unsigned char resident;
	uintptr_t page = (uintptr_t)address / 4096 * 4096;
	return mincore((void *)page, 1, &resident) == 0;
}

static int look_around(void *argument)
{
	in_data++;
	seen.in_bss++;
	bool as_wanted = argument == &seen && in_data == 2 && seen.in_bss == 1 &&
			 is_mapped(seen.on_stack) == seen.has_stack;
	proctitle_set("a child");
	as_wanted = as_wanted && strcmp(command_line(), "a child") == 0;
	_exit(as_wanted ? 0 : 1);
}

static void start_one_that_looks_around(bool has_stack)
{
	seen.has_stack = has_stack;
	pid_t pid = fork_child(&stack, look_around, &seen);
	UNIT_CHILD_MUST(pid > 0);
	struct child_end end = reap_one();
	UNIT_CHILD_MUST(end.pid == pid && end.signal == 0 && end.status == 0);
	UNIT_CHILD_MUST(in_data == 1 && seen.in_bss == 0); /* the child had its own copy */
}

static void start_with_and_without(const void *argument)
{
	(void)argument;
	int on_stack = 0;
	seen.on_stack = &on_stack;
	proctitle_prepare(main_argc, main_argv);
	start_one_that_looks_around(true);
	fork_prepare();
	start_one_that_looks_around(TCPECHO_INSTRUMENTED);
	/* The parent's title is unchanged. */
	proctitle_set("the parent");
	UNIT_CHILD_MUST(strcmp(command_line(), "the parent") == 0);
}

TEST(a_child_has_its_own_memory_and_not_its_parents_stack)
{
	unit_in_child(start_with_and_without, NULL);
}

/* ---- descriptors ---- */

struct kept {
	int fd, other_fd;
};

#define HIGHEST 30

static void keep_only(const void *argument)
{
	const struct kept *kept = argument;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= HIGHEST; fd++)
		UNIT_CHILD_MUST(dup2(null, fd) == fd);
	fork_keep_only(kept->fd, kept->other_fd);
	for (int fd = 0; fd <= HIGHEST + 10; fd++) {
		bool wanted = fd <= 2 || fd == kept->fd || fd == kept->other_fd;
		UNIT_CHILD_MUST(unit_is_open(fd) == wanted);
	}
	UNIT_CHILD_MUST(unit_open_descriptors() == (kept->fd == kept->other_fd ? 4 : 5));
}

TEST(exactly_the_standard_descriptors_and_the_two_named_stay_open)
{
	static const struct kept rows[] = {
		{ 10, 20 },     { 20, 10 },     { 3, 4 },
		{ 4, 3 },       { 3, HIGHEST }, { 3, 5 },
		{ 10, 11 },     { 7, 7 },       { HIGHEST, HIGHEST - 1 },
		{ HIGHEST, 3 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		unit_in_child(keep_only, &rows[i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_that_ended_is_reaped_once_with_how_it_ended),
		cmocka_unit_test(each_of_many_children_is_reaped),
		cmocka_unit_test(a_child_beyond_the_limit_is_refused_with_its_code),
		cmocka_unit_test(a_child_has_its_own_memory_and_not_its_parents_stack),
		cmocka_unit_test(exactly_the_standard_descriptors_and_the_two_named_stay_open),
	};
	main_argc = argc;
	main_argv = argv;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
