/* SPDX-License-Identifier: MIT */
/* Filters, each installed in a child, because a filter cannot be removed. */
#include "net/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/privileges.h"
#include "unit.h"

/* The call that a child needs to end. */
#define END                                  \
	{ .call = __NR_exit_group },         \
	{                                    \
		.call = __NR_rt_sigprocmask, \
	}

/* The command of fcntl(2) is argument 1. */
#define FCNTL(command)                                                     \
	{                                                                  \
		.call = __NR_fcntl, .checks = { SECCOMP_IS(1, (command)) } \
	}

static const struct seccomp_rule rules[] = {
	END,
	{ .call = __NR_getppid },
	FCNTL(F_GETFD),
	FCNTL(F_GETFL),
};

/* Compiles the filter of one table. */
static struct seccomp_filter compile(const struct seccomp_rule *table, size_t n,
				     enum seccomp_otherwise otherwise)
{
	const struct seccomp_rules tables[] = { { table, n } };
	return seccomp_compile(tables, ARRAY_LEN(tables), otherwise);
}

static void put_on(enum seccomp_otherwise otherwise)
{
	struct seccomp_filter list = compile(rules, ARRAY_LEN(rules), otherwise);
	UNIT_CHILD_MUST(list.len > 0);
	UNIT_CHILD_MUST(privileges_set_no_new() == 0);
	UNIT_CHILD_MUST(seccomp_install(&list) == 0);
}

static void make_calls_of_the_list(const void *argument)
{
	pid_t parent = *(const pid_t *)argument;
	put_on(SECCOMP_OTHERWISE_KILL);
	bool all = getppid() == parent && fcntl(0, F_GETFD) >= 0 && fcntl(0, F_GETFL) >= 0;
	_exit(all ? 0 : 1);
}

static void make_another_call(const void *argument)
{
	put_on(SECCOMP_OTHERWISE_KILL);
	syscall(*(const long *)argument, -1, -1, -1);
	_exit(0);
}

static void make_call_with_another_argument(const void *argument)
{
	put_on(SECCOMP_OTHERWISE_KILL);
	ignore_result(fcntl(0, *(const int *)argument)); /* it does not return */
	_exit(0);
}

static void fail_in_another_call(const void *argument)
{
	(void)argument;
	put_on(SECCOMP_OTHERWISE_FAIL);
	bool failed = syscall(__NR_socket, AF_INET, SOCK_STREAM, 0) < 0 && errno == ENOSYS &&
		      fcntl(0, F_DUPFD, 0) < 0 && errno == ENOSYS && fcntl(0, F_GETFD) >= 0;
	_exit(failed ? 0 : 1);
}

TEST(calls_of_the_list_are_made)
{
	pid_t self = getpid();
	unit_in_child(make_calls_of_the_list, &self);
}

TEST(any_other_call_is_death)
{
	static const long calls[] = { __NR_socket, __NR_execve, __NR_getpid, __NR_seccomp, 9999 };
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		unit_child_dies_of(SIGSYS, make_another_call, &calls[i]);
}

TEST(a_call_of_the_list_with_another_argument_is_death)
{
	static const int commands[] = { F_DUPFD, F_SETFL, F_SETOWN };
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		unit_child_dies_of(SIGSYS, make_call_with_another_argument, &commands[i]);
}

TEST(or_it_fails_as_if_the_kernel_lacked_it)
{
	unit_in_child(fail_in_another_call, NULL);
}

#ifdef __x86_64__
/* Makes call 20 in the 32-bit numbering: there it is getpid, here another call. */
static void call_as_another_architecture(const void *argument)
{
	(void)argument;
	static const struct seccomp_rule twenty[] = { END, { .call = 20 } };
	struct seccomp_filter list = compile(twenty, ARRAY_LEN(twenty), SECCOMP_OTHERWISE_KILL);
	UNIT_CHILD_MUST(privileges_set_no_new() == 0 && seccomp_install(&list) == 0);
	long number = 20;
	__asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
	_exit(0);
}

/* The numbers of x32, which count as the same architecture. */
static void call_by_x32(const void *argument)
{
	(void)argument;
	put_on(SECCOMP_OTHERWISE_KILL);
	syscall(0x40000000L + __NR_getppid);
	_exit(0);
}
#endif

TEST(the_numbers_of_another_architecture_are_other_calls)
{
#ifdef __x86_64__
	unit_child_dies_of(SIGSYS, call_as_another_architecture, NULL);
	unit_child_dies_of(SIGSYS, call_by_x32, NULL);
#else
	unit_skip("this architecture has one set of call numbers");
#endif
}

static void lists_add_up(const void *argument)
{
	(void)argument;
	static const struct seccomp_rule wide[] = {
		END,
		{ .call = __NR_seccomp },
		{ .call = __NR_getppid },
		{ .call = __NR_getuid },
	};
	static const struct seccomp_rule narrow[] = { END,
						      { .call = __NR_getuid },
						      { .call = __NR_getgid } };
	struct seccomp_filter first = compile(wide, ARRAY_LEN(wide), SECCOMP_OTHERWISE_FAIL);
	struct seccomp_filter second = compile(narrow, ARRAY_LEN(narrow), SECCOMP_OTHERWISE_FAIL);
	UNIT_CHILD_MUST(privileges_set_no_new() == 0);
	UNIT_CHILD_MUST(seccomp_install(&first) == 0 && seccomp_install(&second) == 0);
	bool right =
		syscall(__NR_getuid) >= 0 && syscall(__NR_getgid) < 0 && syscall(__NR_getppid) < 0;
	_exit(right ? 0 : 1);
}

TEST(lists_add_up_and_none_can_be_taken_off)
{
	unit_in_child(lists_add_up, NULL);
}

/*
 * Argument checks are tested with calls that do nothing: getppid ignores its arguments. The numbers
 * below are argument indexes; the kernel passes arguments to a filter unchanged.
 */
struct attempt {
	struct seccomp_rule rule;
	long arguments[6];
	bool is_allowed;
};

#define HUGE_NUMBER 0x100000000L

static const struct attempt attempts[] = {
	/* several checks: all must hold */
	{ { __NR_getppid, { SECCOMP_IS(0, 1), SECCOMP_IS(5, 2) } }, { 1, 9, 9, 9, 9, 2 }, true },
	{ { __NR_getppid, { SECCOMP_IS(0, 1), SECCOMP_IS(5, 2) } }, { 1, 9, 9, 9, 9, 3 }, false },
	{ { __NR_getppid, { SECCOMP_IS(0, 1), SECCOMP_IS(5, 2) } }, { 2, 9, 9, 9, 9, 2 }, false },
	/* an int is the lower half */
	{ { __NR_getppid, { SECCOMP_IS(1, -1) } }, { 0, -1 }, true },
	{ { __NR_getppid, { SECCOMP_IS(1, -1) } }, { 0, 0xffffffffL }, true },
	{ { __NR_getppid, { SECCOMP_IS(1, 7) } }, { 0, HUGE_NUMBER + 7 }, true },
	/* a mask: other bits may be anything */
	{ { __NR_getppid, { SECCOMP_BITS(2, 0xf0, 0x30) } }, { 0, 0, 0x0f3f }, true },
	{ { __NR_getppid, { SECCOMP_BITS(2, 0xf0, 0x30) } }, { 0, 0, 0x0f7f }, false },
	{ { __NR_getppid, { SECCOMP_BITS(2, ~3, 0) } }, { 0, 0, 3 }, true },
	{ { __NR_getppid, { SECCOMP_BITS(2, ~3, 0) } }, { 0, 0, 4 }, false },
	{ { __NR_getppid, { SECCOMP_BITS(2, INT32_MIN, 0) } }, { 0, 0, INT32_MAX }, true },
	{ { __NR_getppid, { SECCOMP_BITS(2, INT32_MIN, 0) } }, { 0, 0, -1 }, false },
	/* at least; unsigned */
	{ { __NR_getppid, { SECCOMP_AT_MIN(3, 3) } }, { 0, 0, 0, 3 }, true },
	{ { __NR_getppid, { SECCOMP_AT_MIN(3, 3) } }, { 0, 0, 0, 1000 }, true },
	{ { __NR_getppid, { SECCOMP_AT_MIN(3, 3) } }, { 0, 0, 0, 2 }, false },
	{ { __NR_getppid, { SECCOMP_AT_MIN(3, 3) } }, { 0, 0, 0, HUGE_NUMBER + 2 }, false },
	/* a pointer is both halves */
	{ { __NR_getppid, { SECCOMP_IS_NULL(4) } }, { 0, 0, 0, 0, 0 }, true },
	{ { __NR_getppid, { SECCOMP_IS_NULL(4) } }, { 0, 0, 0, 0, 1 }, false },
	{ { __NR_getppid, { SECCOMP_IS_NULL(4) } }, { 0, 0, 0, 0, HUGE_NUMBER }, false },
	/* the maximum number of checks */
	{ { __NR_getppid,
	    { SECCOMP_BITS(0, ~1, 0), SECCOMP_BITS(1, ~1, 0), SECCOMP_BITS(2, ~1, 0),
	      SECCOMP_BITS(3, ~1, 0) } },
	  { 1, 1, 1, 1 },
	  true },
	{ { __NR_getppid,
	    { SECCOMP_BITS(0, ~1, 0), SECCOMP_BITS(1, ~1, 0), SECCOMP_BITS(2, ~1, 0),
	      SECCOMP_BITS(3, ~1, 0) } },
	  { 1, 1, 1, 2 },
	  false },
};

/* The rules before and after it name other calls: each must compare the call number again. */
static void try_checks(const void *argument)
{
	const struct attempt *attempt = argument;
	static const struct seccomp_rule before[] = { END };
	static const struct seccomp_rule behind[] = { { .call = __NR_getuid } };
	const struct seccomp_rules tables[] = {
		SECCOMP_RULES(before),
		{ &attempt->rule, 1 },
		SECCOMP_RULES(behind),
	};
	struct seccomp_filter list =
		seccomp_compile(tables, ARRAY_LEN(tables), SECCOMP_OTHERWISE_FAIL);
	UNIT_CHILD_MUST(privileges_set_no_new() == 0 && seccomp_install(&list) == 0);
	const long *a = attempt->arguments;
	long rc = syscall(__NR_getppid, a[0], a[1], a[2], a[3], a[4], a[5]);
	UNIT_CHILD_MUST((rc >= 0) == attempt->is_allowed);
	UNIT_CHILD_MUST(syscall(__NR_getuid) >= 0 && syscall(__NR_getgid) < 0);
}

TEST(a_rule_allows_a_call_if_all_its_checks_hold)
{
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++)
		unit_in_child(try_checks, &attempts[i]);
}

static void put_on_the_longest(const void *argument)
{
	(void)argument;
	static struct seccomp_rule longest[(SECCOMP_CODE_MAX - 32) / 5];
	for (size_t i = 0; i < ARRAY_LEN(longest); i++)
		longest[i] =
			(struct seccomp_rule)FCNTL(i == ARRAY_LEN(longest) - 1 ? F_GETFD : 5000);
	const struct seccomp_rules tables[] = { SECCOMP_RULES(longest), SECCOMP_RULES(rules) };
	struct seccomp_filter list =
		seccomp_compile(tables, ARRAY_LEN(tables), SECCOMP_OTHERWISE_KILL);
	UNIT_CHILD_MUST(list.len > SECCOMP_CODE_MAX - 32);
	UNIT_CHILD_MUST(privileges_set_no_new() == 0 && seccomp_install(&list) == 0);
	UNIT_CHILD_MUST(fcntl(0, F_GETFD) >= 0 && getppid() > 0);
}

TEST(a_long_list_holds_to_its_last_rule)
{
	unit_in_child(put_on_the_longest, NULL);
}

static void compile_too_much(const void *argument)
{
	(void)argument;
	static struct seccomp_rule longest[SECCOMP_CODE_MAX];
	compile(longest, ARRAY_LEN(longest), SECCOMP_OTHERWISE_KILL);
}

TEST(a_list_that_is_too_long_is_a_bug)
{
	unit_child_dies_of(SIGABRT, compile_too_much, NULL);
}

static void put_nothing_on(const void *argument)
{
	(void)argument;
	const struct seccomp_filter none = { 0 };
	UNIT_CHILD_MUST(seccomp_install(&none) == 0);
	UNIT_CHILD_MUST(syscall(__NR_getuid) >= 0);
}

TEST(a_zeroed_list_is_none)
{
	unit_in_child(put_nothing_on, NULL);
}

static void put_on_with_new_privileges(const void *argument)
{
	(void)argument;
	struct seccomp_filter list = compile(rules, ARRAY_LEN(rules), SECCOMP_OTHERWISE_KILL);
	UNIT_CHILD_MUST(privileges_drop_capabilities() == 0);
	UNIT_CHILD_MUST(seccomp_install(&list) == -EACCES);
}

TEST(without_no_new_privs_no_filter_can_be_installed)
{
	unit_in_child(put_on_with_new_privileges, NULL);
}

int main(void)
{
	if (!TCPECHO_SANDBOX || !seccomp_is_known_here()) {
		puts("1..1\nok 1 - lists of calls # SKIP no sandbox, or no list known here");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_of_the_list_are_made),
		cmocka_unit_test(any_other_call_is_death),
		cmocka_unit_test(a_call_of_the_list_with_another_argument_is_death),
		cmocka_unit_test(or_it_fails_as_if_the_kernel_lacked_it),
		cmocka_unit_test(the_numbers_of_another_architecture_are_other_calls),
		cmocka_unit_test(lists_add_up_and_none_can_be_taken_off),
		cmocka_unit_test(a_rule_allows_a_call_if_all_its_checks_hold),
		cmocka_unit_test(a_long_list_holds_to_its_last_rule),
		cmocka_unit_test(a_list_that_is_too_long_is_a_bug),
		cmocka_unit_test(a_zeroed_list_is_none),
		cmocka_unit_test(without_no_new_privs_no_filter_can_be_installed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
