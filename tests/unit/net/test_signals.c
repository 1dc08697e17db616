/* SPDX-License-Identifier: MIT */
/*
 * The table of net/signals.h: the disposition of each signal in each role, whichever process
 * started it and whatever that process had blocked or ignored.
 */
#include "net/signals.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static void dispose(int signal, void (*how)(int))
{
	struct sigaction action = { .sa_handler = how };
	UNIT_CHILD_MUST(sigaction(signal, &action, NULL) == 0);
}

static void handle(int signal)
{
	(void)signal;
}

static bool is_disposed(int signal, void (*how)(int))
{
	struct sigaction action;
	UNIT_CHILD_MUST(sigaction(signal, NULL, &action) == 0);
	return action.sa_handler == how;
}

static bool is_blocked(int signal)
{
	sigset_t mask;
	UNIT_CHILD_MUST(sigprocmask(SIG_SETMASK, NULL, &mask) == 0);
	return sigismember(&mask, signal) == 1;
}

/*
 * The parent had blocked all signals, and ignored or caught signals that a server must not inherit
 * so.
 */
static void start_badly(void)
{
	sigset_t all;
	sigfillset(&all);
	UNIT_CHILD_MUST(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
	dispose(SIGCHLD, SIG_IGN);
	dispose(SIGPIPE, SIG_DFL);
	dispose(SIGTERM, SIG_IGN);
	dispose(SIGINT, SIG_IGN);
	dispose(SIGUSR1, handle);
}

enum meets { DEFAULT, IGNORE, READ };

/* A row of the table, for one role. */
struct row {
	int signal;
	enum meets meets;
};

/* Checks every signal: the rows as given, all others at their default and not blocked. */
static void expect(const struct row *rows, size_t n)
{
	for (int signal = 1; signal < NSIG; signal++) {
		if (signal == 32 || signal == 33)
			continue; /* used by the C library */
		enum meets meets = DEFAULT;
		for (size_t i = 0; i < n; i++) {
			if (rows[i].signal == signal)
				meets = rows[i].meets;
		}
		UNIT_CHILD_MUST(is_disposed(signal, meets == IGNORE ? SIG_IGN : SIG_DFL));
		UNIT_CHILD_MUST(is_blocked(signal) == (meets == READ));
	}
}

/* cmocka catches some signals: a child of a test starts with the defaults, as a program does. */
static void start_clean(void)
{
	for (int signal = 1; signal < NSIG; signal++) {
		struct sigaction action = { .sa_handler = SIG_DFL };
		sigaction(signal, &action, NULL);
	}
}

/* ---- roles ---- */

static void be_client(const void *argument)
{
	(void)argument;
	static const struct row rows[] = { { SIGPIPE, IGNORE }, { SIGXFSZ, IGNORE } };
	sigset_t all;
	start_clean();
	sigfillset(&all);
	UNIT_CHILD_MUST(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
	signals_setup_program();
	signals_setup_client();
	expect(rows, ARRAY_LEN(rows));
}

TEST(a_client_ignores_what_a_failed_write_raises_and_keeps_other_defaults)
{
	unit_in_child(be_client, NULL);
}

static const struct row of_server[] = {
	{ SIGPIPE, IGNORE }, { SIGXFSZ, IGNORE }, { SIGTTOU, IGNORE }, { SIGINT, READ },
	{ SIGTERM, READ },   { SIGUSR1, READ },   { SIGCHLD, READ },
};

static void be_server(const void *argument)
{
	(void)argument;
	start_clean();
	start_badly();
	int fd = signals_setup_server();
	UNIT_CHILD_MUST(fd >= 0);
	UNIT_CHILD_MUST(unit_is_nonblocking(fd) && unit_is_cloexec(fd));
	expect(of_server, ARRAY_LEN(of_server));
}

TEST(a_server_reads_its_signals_whatever_its_parent_blocked)
{
	unit_in_child(be_server, NULL);
}

static void be_meter(const void *argument)
{
	(void)argument;
	static const struct row rows[] = {
		{ SIGPIPE, IGNORE }, { SIGXFSZ, IGNORE }, { SIGINT, IGNORE },
		{ SIGTERM, READ },   { SIGQUIT, READ },
	};
	start_clean();
	dispose(SIGINT, SIG_IGN);
	int fd = signals_setup_meter();
	UNIT_CHILD_MUST(fd >= 0);
	UNIT_CHILD_MUST(unit_is_nonblocking(fd) && unit_is_cloexec(fd));
	expect(rows, ARRAY_LEN(rows));
	raise(SIGINT);
	UNIT_CHILD_MUST(signals_next(fd) == 0);
	raise(SIGTERM);
	UNIT_CHILD_MUST(signals_next(fd) == SIGTERM);
}

TEST(a_client_that_measures_leaves_an_ignored_signal_ignored)
{
	unit_in_child(be_meter, NULL);
}

/* ---- reading them ---- */

static void read_signals(const void *argument)
{
	(void)argument;
	int fd = signals_setup_server();
	UNIT_CHILD_MUST(fd >= 0);
	UNIT_CHILD_MUST(signals_next(fd) == 0);

	raise(SIGUSR1);
	UNIT_CHILD_MUST(signals_next(fd) == SIGUSR1);
	UNIT_CHILD_MUST(signals_next(fd) == 0);

	/* All that arrived, each once, in any order. */
	raise(SIGTERM);
	raise(SIGINT);
	raise(SIGTERM);
	int first = signals_next(fd), second = signals_next(fd);
	UNIT_CHILD_MUST((first == SIGTERM && second == SIGINT) ||
			(first == SIGINT && second == SIGTERM));
	UNIT_CHILD_MUST(signals_next(fd) == 0);
}

TEST(a_signal_is_read_once_and_then_none)
{
	unit_in_child(read_signals, NULL);
}

static void read_of_many_children(const void *argument)
{
	(void)argument;
	enum { N = 20 };
	int fd = signals_setup_server();
	for (int i = 0; i < N; i++) {
		pid_t pid = fork();
		UNIT_CHILD_MUST(pid >= 0);
		if (pid == 0)
			_exit(0);
		/* The child has ended when this returns, and is still to be reaped. */
		siginfo_t info;
		UNIT_CHILD_MUST(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
	}
	UNIT_CHILD_MUST(signals_next(fd) == SIGCHLD);
	UNIT_CHILD_MUST(signals_next(fd) == 0);
	for (int i = 0; i < N; i++)
		/* the child was not reaped automatically */
		UNIT_CHILD_MUST(waitpid(-1, NULL, WNOHANG) > 0);
}

TEST(many_children_are_one_signal_and_none_of_them_is_lost)
{
	unit_in_child(read_of_many_children, NULL);
}

TEST(what_is_no_descriptor_of_signals_has_none)
{
	assert_int_equal(signals_next(-1), 0);
}

/* ---- names ---- */

TEST(signals_have_their_names)
{
	assert_string_equal(signals_name(SIGKILL).text, "SIGKILL");
	assert_string_equal(signals_name(SIGTERM).text, "SIGTERM");
	assert_string_equal(signals_name(SIGCHLD).text, "SIGCHLD");
	assert_string_equal(signals_name(SIGPIPE).text, "SIGPIPE");
	assert_string_equal(signals_name(34).text, "signal 34");
	assert_string_equal(signals_name(64).text, "signal 64");
	assert_string_equal(signals_name(4242).text, "signal 4242");
	for (int signal = 1; signal < 32; signal++)
		assert_memory_equal(signals_name(signal).text, "SIG", 3);
}

/* ---- dying ---- */

static void die_in_role(const void *argument)
{
	const int *signal = argument;
	start_badly();
	ignore_result(signals_setup_server()); /* only its mask matters here */
	signals_die_of(*signal);
}

TEST(a_process_is_ended_by_a_signal_that_it_had_blocked_or_ignored)
{
	static const int fatal[] = { SIGTERM, SIGINT, SIGPIPE, SIGUSR1 };
	for (size_t i = 0; i < ARRAY_LEN(fatal); i++)
		unit_child_dies_of(fatal[i], die_in_role, &fatal[i]);
}

TEST(where_a_signal_cannot_end_process_1_the_exit_status_names_it)
{
	static const int harmless = SIGCHLD;
	unit_child_exits_with(128 + SIGCHLD, die_in_role, &harmless);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_client_ignores_what_a_failed_write_raises_and_keeps_other_defaults),
		cmocka_unit_test(a_server_reads_its_signals_whatever_its_parent_blocked),
		cmocka_unit_test(a_client_that_measures_leaves_an_ignored_signal_ignored),
		cmocka_unit_test(a_signal_is_read_once_and_then_none),
		cmocka_unit_test(many_children_are_one_signal_and_none_of_them_is_lost),
		cmocka_unit_test(what_is_no_descriptor_of_signals_has_none),
		cmocka_unit_test(signals_have_their_names),
		cmocka_unit_test(a_process_is_ended_by_a_signal_that_it_had_blocked_or_ignored),
		cmocka_unit_test(where_a_signal_cannot_end_process_1_the_exit_status_names_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
