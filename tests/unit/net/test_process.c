/* SPDX-License-Identifier: MIT */
/*
 * Forking, reaping, titles and descriptors: each in a separate child, because it changes the
 * process.
 */
#include "net/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* The arguments of main(), for the titles. */
static int main_argc;
static char **main_argv;

/* ---- standard descriptors ---- */

/* The closed standard descriptors. */
struct closed {
	bool fd[3];
};

static bool is_null_device(int fd)
{
	struct stat null, status;
	return stat("/dev/null", &null) == 0 && fstat(fd, &status) == 0 &&
	       status.st_rdev == null.st_rdev;
}

static void fill_standard_fds(const void *argument)
{
	const struct closed *closed = argument;
	int reader_writer[2];
	char byte;
	/* Not /dev/null, to check that it stays. */
	int other = open("/proc/self", O_RDONLY | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		UNIT_CHILD_MUST(closed->fd[fd] ? close(fd) == 0 : dup2(other, fd) == fd);
	UNIT_CHILD_MUST(process_fill_standard_fds() == 0);
	for (int fd = 0; fd < 3; fd++)
		UNIT_CHILD_MUST(is_null_device(fd) == closed->fd[fd]);

	/* A call in the direction that must fail. */
	if (closed->fd[0])
		UNIT_CHILD_MUST(read(0, &byte, 1) < 0 && errno == EBADF);
	for (int fd = 1; fd < 3; fd++) {
		if (closed->fd[fd])
			UNIT_CHILD_MUST(write(fd, "x", 1) < 0 && errno == EBADF);
	}

	/* The next descriptor is not a standard one. */
	UNIT_CHILD_MUST(pipe(reader_writer) == 0);
	UNIT_CHILD_MUST(reader_writer[0] > 2 && reader_writer[1] > 2);
}

TEST(standard_descriptors_that_were_closed_lead_nowhere_and_fail)
{
	for (unsigned int set = 0; set < 8; set++) {
		struct closed closed = { { set & 1, set & 2, set & 4 } };
		unit_in_child(fill_standard_fds, &closed);
	}
}

static void fill_without_descriptors(const void *argument)
{
	(void)argument;
	struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };
	close(0);
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &none) == 0);
	UNIT_CHILD_MUST(process_fill_standard_fds() == -EMFILE);
}

TEST(what_cannot_be_filled_is_an_error)
{
	unit_in_child(fill_without_descriptors, NULL);
}

/* ---- titles ---- */

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
	process_prepare_title(main_argc, main_argv);

	process_set_title("tcpecho: serving 192.0.2.7:51334");
	UNIT_CHILD_MUST(strcmp(command_line(), "tcpecho: serving 192.0.2.7:51334") == 0);
	process_set_title("short");
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
	process_prepare_title(main_argc, main_argv);
	process_set_title(title);
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
	process_set_title("x");
	UNIT_CHILD_MUST(strcmp(command_line(), before) == 0);
	process_prepare_title(0, main_argv);
	process_set_title("x");
	UNIT_CHILD_MUST(strcmp(command_line(), before) == 0);
}

TEST(without_preparation_titles_stay_as_they_are)
{
	unit_in_child(set_title_unprepared, NULL);
}

/* ---- starting and reaping ---- */

/* Each child has its own copy, so all may use the same. */
static struct process_stack stack;

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
	pid_t pid = process_start(&stack, end_with, (void *)(intptr_t)status);
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
static struct process_end reap_one(void)
{
	struct process_end end = { 0 };
	int rc;
	for (long tries = 0; (rc = process_reap(&end)) == 0; tries++) {
		UNIT_CHILD_MUST(tries < UNIT_PATIENCE_S * 1000L);
		unit_sleep_ms(1);
	}
	UNIT_CHILD_MUST(rc == 1);
	return end;
}

static void reap_in_every_way(const void *argument)
{
	(void)argument;
	struct process_end end = { .pid = 4242 };
	UNIT_CHILD_MUST(process_reap(&end) == 0); /* no children */
	UNIT_CHILD_MUST(end.pid == 4242);

	pid_t pid = process_start(&stack, wait_to_be_killed, NULL);
	UNIT_CHILD_MUST(pid > 0);
	UNIT_CHILD_MUST(process_reap(&end) == 0); /* a child that has not ended */
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
	UNIT_CHILD_MUST(process_reap(&end) == 0);
}

TEST(a_child_that_ended_is_reaped_once_with_how_it_ended)
{
	unit_in_child(reap_in_every_way, NULL);
}

static void reap_a_crowd(const void *argument)
{
	(void)argument;
	enum { N = 50 };
	for (int i = 0; i < N; i++)
		start_one(i);
	bool seen[N] = { false };
	for (int i = 0; i < N; i++) {
		struct process_end end = reap_one();
		UNIT_CHILD_MUST(end.status < N && !seen[end.status]);
		seen[end.status] = true;
	}
}

TEST(every_child_of_a_crowd_is_reaped)
{
	unit_in_child(reap_a_crowd, NULL);
}

static void fork_at_the_limit(const void *argument)
{
	(void)argument;
	struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NPROC, &none) == 0);
	if (geteuid() == 0)
		UNIT_CHILD_MUST(setresuid(65534, 65534, 65534) == 0);
	UNIT_CHILD_MUST(process_start(&stack, end_with, NULL) == -EAGAIN);
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
	process_set_title("a child");
	as_wanted = as_wanted && strcmp(command_line(), "a child") == 0;
	_exit(as_wanted ? 0 : 1);
}

static void start_one_that_looks_around(bool has_stack)
{
	seen.has_stack = has_stack;
	pid_t pid = process_start(&stack, look_around, &seen);
	UNIT_CHILD_MUST(pid > 0);
	struct process_end end = reap_one();
	UNIT_CHILD_MUST(end.pid == pid && end.signal == 0 && end.status == 0);
	UNIT_CHILD_MUST(in_data == 1 && seen.in_bss == 0); /* the child had its own copy */
}

static void start_with_and_without(const void *argument)
{
	(void)argument;
	int on_stack = 0;
	seen.on_stack = &on_stack;
	process_prepare_title(main_argc, main_argv);
	start_one_that_looks_around(true);
	process_prepare_children();
	start_one_that_looks_around(TCPECHO_INSTRUMENTED);
	/* The parent's title is unchanged. */
	process_set_title("the parent");
	UNIT_CHILD_MUST(strcmp(command_line(), "the parent") == 0);
}

TEST(a_child_has_its_own_memory_and_not_its_parents_stack)
{
	unit_in_child(start_with_and_without, NULL);
}

static int write_answer(void *memory)
{
	unsigned char *bytes = memory;
	bytes[0] = 42;
	_exit(0);
}

TEST(shared_memory_is_zero_and_what_a_child_writes_its_parent_reads)
{
	enum { SIZE = 100000 };
	void *memory = NULL;
	assert_int_equal(process_share(SIZE, &memory), 0);
	assert_int_equal((uintptr_t)memory % 4096, 0);
	unsigned char *bytes = memory;
	for (size_t i = 0; i < SIZE; i++)
		assert_int_equal(bytes[i], 0);

	pid_t pid = process_start(&stack, write_answer, &bytes[SIZE - 1]);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(bytes[SIZE - 1], 42);
	process_unshare(memory, SIZE);
}

TEST(memory_that_there_is_not_is_not_shared)
{
	void *memory = NULL;
	assert_int_equal(process_share(SIZE_MAX - 4096, &memory), -ENOMEM);
	assert_null(memory);
}

TEST(reserved_memory_is_zero_ones_own_and_zero_again_when_given_back)
{
	enum { SIZE = 64 * 1024 };
	void *memory;
	assert_int_equal(process_reserve(SIZE, &memory), 0);
	unsigned char *bytes = memory;
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < SIZE; i++)
			assert_int_equal(bytes[i], 0);
		memset(bytes, 7, SIZE);
		pid_t pid = process_start(&stack, write_answer, &bytes[SIZE - 1]);
		assert_true(pid > 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(bytes[SIZE - 1], 7);
		process_release(bytes, SIZE);
	}
	process_unshare(memory, SIZE);
	memory = NULL;
	assert_int_equal(process_reserve(SIZE_MAX - 4096, &memory), -ENOMEM);
	assert_null(memory);
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
	process_keep_only(kept->fd, kept->other_fd);
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
		cmocka_unit_test(standard_descriptors_that_were_closed_lead_nowhere_and_fail),
		cmocka_unit_test(what_cannot_be_filled_is_an_error),
		cmocka_unit_test(ps_shows_the_title_and_the_environment_stays),
		cmocka_unit_test(a_title_is_cut_where_there_is_no_room),
		cmocka_unit_test(without_preparation_titles_stay_as_they_are),
		cmocka_unit_test(a_child_that_ended_is_reaped_once_with_how_it_ended),
		cmocka_unit_test(every_child_of_a_crowd_is_reaped),
		cmocka_unit_test(a_child_beyond_the_limit_is_refused_with_its_code),
		cmocka_unit_test(a_child_has_its_own_memory_and_not_its_parents_stack),
		cmocka_unit_test(shared_memory_is_zero_and_what_a_child_writes_its_parent_reads),
		cmocka_unit_test(memory_that_there_is_not_is_not_shared),
		cmocka_unit_test(reserved_memory_is_zero_ones_own_and_zero_again_when_given_back),
		cmocka_unit_test(exactly_the_standard_descriptors_and_the_two_named_stay_open),
	};
	main_argc = argc;
	main_argv = argv;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
