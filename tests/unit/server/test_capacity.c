/* SPDX-License-Identifier: MIT */
/*
 * A number of clients that somebody asked for is kept or refused; the one that nobody asked for is
 * lowered to what is possible.
 */
#include "server/capacity.h"

#include <string.h>
#include <sys/resource.h>

#include "base/err.h"
#include "unit.h"

TEST(what_was_asked_for_is_had_or_refused)
{
	static const struct {
		uint64_t asked, most;
		int rc;
		uint64_t clients;
	} rows[] = {
		/* asked for */
		{ 1, 1, 0, 1 },
		{ 10, 10, 0, 10 },
		{ 10, 11, 0, 10 },
		{ 10, MACHINE_UNLIMITED, 0, 10 },
		{ CAPACITY_MOST, CAPACITY_MOST, 0, CAPACITY_MOST },
		{ 11, 10, ERR_OUT_OF_RANGE },
		{ 1, 0, ERR_OUT_OF_RANGE },
		{ CAPACITY_DEFAULT + 1, CAPACITY_DEFAULT, ERR_OUT_OF_RANGE },

		/* not asked for */
		{ 0, MACHINE_UNLIMITED, 0, CAPACITY_DEFAULT },
		{ 0, CAPACITY_DEFAULT + 1, 0, CAPACITY_DEFAULT },
		{ 0, CAPACITY_DEFAULT, 0, CAPACITY_DEFAULT },
		{ 0, CAPACITY_DEFAULT - 1, 0, CAPACITY_DEFAULT - 1 },
		{ 0, 1, 0, 1 },
		{ 0, 0, 0, 1 }, /* it may be possible after all: one is always tried */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct machine_bound bound = { .most = rows[i].most, .set_by = "a test" };
		uint64_t clients = 4242;
		assert_int_equal(capacity_decide(rows[i].asked, bound, &clients), rows[i].rc);
		assert_int_equal(clients, rows[i].rc == 0 ? rows[i].clients : 4242);
	}
}

struct descriptors {
	rlim_t soft, hard;
	uint64_t wanted, most;
};

static void ask_machine(const void *argument)
{
	const struct descriptors *row = argument;
	struct rlimit limit = { .rlim_cur = row->soft, .rlim_max = row->hard };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	struct machine_bound bound = capacity_of_machine(row->wanted);
	UNIT_CHILD_MUST(bound.most == row->most);
	UNIT_CHILD_MUST(strcmp(bound.set_by, "descriptors, ulimit -n") == 0);
}

TEST(descriptors_are_for_clients_but_for_a_few_and_raised_for_the_wanted)
{
	static const struct descriptors rows[] = {
		{ .soft = 64, .hard = 64, .wanted = 1000, .most = 64 - CAPACITY_OWN_DESCRIPTORS },
		{ .soft = 32, .hard = 64, .wanted = 20, .most = 20 },
		{ .soft = 32, .hard = 64, .wanted = 48, .most = 48 },
		{ .soft = 32, .hard = 64, .wanted = 49, .most = 48 },
		{ .soft = 10, .hard = 10, .wanted = 1, .most = 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		unit_in_child(ask_machine, &rows[i]);
}

static void ask_with_processes(const void *argument)
{
	(void)argument;
	struct machine_bound processes = machine_processes();
	struct machine_bound bound = capacity_of_machine(CAPACITY_MOST);
	UNIT_CHILD_MUST(bound.most <= processes.most - CAPACITY_OWN_PROCESSES);
}

TEST(processes_bind_too)
{
	unit_in_child(ask_with_processes, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_asked_for_is_had_or_refused),
		cmocka_unit_test(
			descriptors_are_for_clients_but_for_a_few_and_raised_for_the_wanted),
		cmocka_unit_test(processes_bind_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
