/* SPDX-License-Identifier: MIT */
/*
 * A number of clients that somebody asked for is kept or refused; the one that nobody asked for is
 * lowered to what is possible.
 */
#include "server/capacity.h"

#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

/* A client who takes next to nothing but a descriptor. */
static const struct capacity_need small = { .kib = 1 };

struct descriptors {
	rlim_t soft, hard;
	uint64_t wanted, most;
	bool many_workers;
	uint32_t n_workers;
};

static void ask_machine(const void *argument)
{
	const struct descriptors *row = argument;
	struct rlimit limit = { .rlim_cur = row->soft, .rlim_max = row->hard };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	struct capacity_need need = small;
	need.many_workers = row->many_workers;
	struct machine_bound bound = capacity_of_machine(row->wanted, need, row->n_workers);
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
		/* without tables of their own the number of workers means nothing */
		{ .soft = 64, .hard = 64, .wanted = 1000, .most = 48, .n_workers = 4 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		unit_in_child(ask_machine, &rows[i]);
}

TEST(each_worker_has_a_table_of_descriptors_of_its_own)
{
	static const struct descriptors rows[] = {
		/* each raises its own as far as its share needs */
		{ 32, 64, .wanted = 40, .most = 40, .many_workers = true, .n_workers = 2 },
		{ 32, 64, .wanted = 41, .most = 42, .many_workers = true, .n_workers = 2 },
		{ 32, 64, .wanted = 96, .most = 96, .many_workers = true, .n_workers = 2 },
		{ 32, 64, .wanted = 97, .most = 96, .many_workers = true, .n_workers = 2 },
		{ 64, 64, .wanted = 1, .most = 48, .many_workers = true, .n_workers = 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		unit_in_child(ask_machine, &rows[i]);
}

static void ask_with_processes(const void *argument)
{
	(void)argument;
	struct machine_bound processes = machine_processes();
	struct capacity_need need = { .process = true, .kib = 1 };
	struct machine_bound bound = capacity_of_machine(CAPACITY_MOST, need, 1);
	UNIT_CHILD_MUST(bound.most <= processes.most - CAPACITY_OWN_PROCESSES);
}

/* As somebody who may have twenty processes. */
static void ask_with_few_processes(const void *argument)
{
	(void)argument;
	struct rlimit few = { .rlim_cur = 20, .rlim_max = 20 };
	struct capacity_need need = { .process = true, .kib = 1 };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NPROC, &few) == 0);
	if (geteuid() == 0)
		UNIT_CHILD_MUST(setresuid(65534, 65534, 65534) == 0);
	UNIT_CHILD_MUST(capacity_of_machine(30, need, 1).most <= 20 - CAPACITY_OWN_PROCESSES);
	need.process = false;
	UNIT_CHILD_MUST(capacity_of_machine(30, need, 1).most > 20);
}

TEST(processes_bind_too_where_a_client_takes_one)
{
	unit_in_child(ask_with_processes, NULL);
	unit_in_child(ask_with_few_processes, NULL);
}

TEST(so_many_clients_as_the_memory_of_this_machine_has_room_for)
{
	uint64_t free_kib = machine_free_memory_kib();
	if (free_kib == MACHINE_UNLIMITED)
		unit_skip("/proc is not mounted");
	/* One who would take half of what is free: there is room for two, more or less. */
	assert_true(free_kib / 2 <= UINT_MAX);
	struct capacity_need need = { .kib = (unsigned int)(free_kib / 2) };
	struct machine_bound bound = capacity_of_machine(1, need, 1);
	assert_string_equal(bound.set_by, "memory, MemAvailable");
	assert_true(bound.most <= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_asked_for_is_had_or_refused),
		cmocka_unit_test(
			descriptors_are_for_clients_but_for_a_few_and_raised_for_the_wanted),
		cmocka_unit_test(each_worker_has_a_table_of_descriptors_of_its_own),
		cmocka_unit_test(processes_bind_too_where_a_client_takes_one),
		cmocka_unit_test(so_many_clients_as_the_memory_of_this_machine_has_room_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
