/* SPDX-License-Identifier: MIT */
/* A requested client limit is kept or refused. The default limit is lowered to what is possible. */
#include "server/client_limit.h"

#include <fcntl.h>
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
		/* a requested limit */
		{ 1, 1, 0, 1 },
		{ 10, 10, 0, 10 },
		{ 10, 11, 0, 10 },
		{ 10, SYSINFO_UNLIMITED, 0, 10 },
		{ CLIENT_LIMIT_MAX, CLIENT_LIMIT_MAX, 0, CLIENT_LIMIT_MAX },
		{ 11, 10, ERR_OUT_OF_RANGE },
		{ 1, 0, ERR_OUT_OF_RANGE },
		{ CLIENT_LIMIT_DEFAULT + 1, CLIENT_LIMIT_DEFAULT, ERR_OUT_OF_RANGE },

		/* the default limit */
		{ 0, SYSINFO_UNLIMITED, 0, CLIENT_LIMIT_DEFAULT },
		{ 0, CLIENT_LIMIT_DEFAULT + 1, 0, CLIENT_LIMIT_DEFAULT },
		{ 0, CLIENT_LIMIT_DEFAULT, 0, CLIENT_LIMIT_DEFAULT },
		{ 0, CLIENT_LIMIT_DEFAULT - 1, 0, CLIENT_LIMIT_DEFAULT - 1 },
		{ 0, 1, 0, 1 },
		{ 0, 0, ERR_OUT_OF_RANGE },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sysinfo_bound bound = { .max = rows[i].most, .set_by = "a test" };
		uint64_t clients = 4242;
		assert_int_equal(client_limit_decide(rows[i].asked, bound, &clients), rows[i].rc);
		assert_int_equal(clients, rows[i].rc == 0 ? rows[i].clients : 4242);
	}
}

/* A client that needs only a descriptor and little memory. */
static const struct client_need small = { .kib = 1 };

struct descriptors {
	rlim_t soft, hard;
	uint64_t wanted, most;
	int n_open; /* 3 at least */
	bool many_workers;
	uint32_t n_workers;
};

/* The number left of 64 descriptors in a server with one listening socket and --ready-fd. */
#define OPEN 6
#define LEFT (64 - OPEN - CLIENT_LIMIT_OWN_DESCRIPTORS)

static void ask_machine(const void *argument)
{
	const struct descriptors *row = argument;
	struct rlimit limit = { .rlim_cur = row->soft, .rlim_max = row->hard };
	UNIT_CHILD_MUST(close_range(STDERR_FILENO + 1, UINT_MAX, 0) == 0);
	for (int i = 0; i < row->n_open - 3; i++)
		UNIT_CHILD_MUST(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	struct client_need need = small;
	need.many_workers = row->many_workers;
	struct sysinfo_bound bound = client_limit_of_machine(row->wanted, need, row->n_workers);
	UNIT_CHILD_MUST(bound.max == row->most);
	UNIT_CHILD_MUST(strcmp(bound.set_by, "descriptors, ulimit -n") == 0);
}

TEST(descriptors_are_for_clients_except_a_few_and_those_in_use)
{
	static const struct descriptors rows[] = {
		{ 64, 64, .wanted = 1000, .most = LEFT, .n_open = OPEN },
		{ 32, 64, .wanted = 20, .most = 20, .n_open = OPEN },
		{ 32, 64, .wanted = LEFT, .most = LEFT, .n_open = OPEN },
		{ 32, 64, .wanted = LEFT + 1, .most = LEFT, .n_open = OPEN },
		{ 10, 10, .wanted = 1, .most = 0, .n_open = OPEN },
		{ 64, 64, .wanted = 1000, .most = LEFT - 30, .n_open = OPEN + 30 },
		{ 64, 100, .wanted = 40, .most = 40, .n_open = OPEN + 30 },
		/* without separate descriptor tables the number of workers does not matter */
		{ 64, 64, .wanted = 1000, .most = LEFT, .n_open = OPEN, .n_workers = 4 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		unit_in_child(ask_machine, &rows[i]);
}

TEST(each_worker_has_a_table_of_descriptors_of_its_own)
{
	static const struct descriptors rows[] = {
		/* each raises its own as far as its share needs */
		{ 32, 64, .wanted = 40, .most = 40, OPEN, true, .n_workers = 2 },
		{ 32, 64, .wanted = 41, .most = 42, OPEN, true, .n_workers = 2 },
		{ 32, 64, .wanted = 2 * LEFT, .most = 2 * LEFT, OPEN, true, .n_workers = 2 },
		{ 32, 64, .wanted = 2 * LEFT + 1, .most = 2 * LEFT, OPEN, true, .n_workers = 2 },
		{ 64, 64, .wanted = 1, .most = LEFT, OPEN, true, .n_workers = 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		unit_in_child(ask_machine, &rows[i]);
}

static void ask_with_processes(const void *argument)
{
	(void)argument;
	struct sysinfo_bound processes = sysinfo_processes(CLIENT_LIMIT_MAX);
	struct client_need need = { .process = true, .kib = 1 };
	struct sysinfo_bound bound = client_limit_of_machine(CLIENT_LIMIT_MAX, need, 1);
	/* Other processes start and end meanwhile. */
	UNIT_CHILD_MUST(bound.max <= processes.max - CLIENT_LIMIT_OWN_PROCESSES + 1000);
}

/* As a user that may have twenty processes. */
static void ask_with_few_processes(const void *argument)
{
	(void)argument;
	struct rlimit few = { .rlim_cur = 20, .rlim_max = 20 };
	struct client_need need = { .process = true, .kib = 1 };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NPROC, &few) == 0);
	if (geteuid() == 0)
		UNIT_CHILD_MUST(setresuid(65534, 65534, 65534) == 0);
	UNIT_CHILD_MUST(client_limit_of_machine(30, need, 1).max <=
			20 - CLIENT_LIMIT_OWN_PROCESSES);
	need.process = false;
	UNIT_CHILD_MUST(client_limit_of_machine(30, need, 1).max > 20);
}

TEST(processes_bind_too_where_a_client_takes_one)
{
	unit_in_child(ask_with_processes, NULL);
	unit_in_child(ask_with_few_processes, NULL);
}

TEST(at_most_as_many_clients_as_the_memory_of_this_machine_allows)
{
	uint64_t free_kib = sysinfo_memory_kib().max;
	if (free_kib == SYSINFO_UNLIMITED)
		unit_skip("/proc is not mounted");
	/* A client that would take half of the free memory: there is room for about two. */
	assert_true(free_kib / 2 <= UINT_MAX);
	struct client_need need = { .kib = (unsigned int)(free_kib / 2) };
	struct sysinfo_bound bound = client_limit_of_machine(1, need, 1);
	assert_non_null(strstr(bound.set_by, "memory"));
	assert_true(bound.max <= 4);
}

/* A server with an address space of 1 GiB, of which a client takes 1 MiB. */
static void ask_with_address_space(const void *argument)
{
	(void)argument;
	struct rlimit limit = { .rlim_cur = (rlim_t)1 << 30, .rlim_max = (rlim_t)1 << 30 };
	struct client_need need = { .many_workers = true, .kib = 1, .space_kib = 1024 };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_AS, &limit) == 0);
	struct sysinfo_bound one = client_limit_of_machine(CLIENT_LIMIT_DEFAULT, need, 1);
	struct sysinfo_bound two = client_limit_of_machine(CLIENT_LIMIT_DEFAULT, need, 2);
	UNIT_CHILD_MUST(strcmp(one.set_by, "address space, ulimit -v") == 0);
	UNIT_CHILD_MUST(one.max > 900 && one.max < 1024);
	UNIT_CHILD_MUST(two.max == 2 * one.max); /* each worker has its own */
	need.worker_space_kib = 100 * 1024;
	UNIT_CHILD_MUST(client_limit_of_machine(CLIENT_LIMIT_DEFAULT, need, 1).max ==
			one.max - 100);
	need.worker_space_kib = 2 * 1024 * 1024;
	UNIT_CHILD_MUST(client_limit_of_machine(CLIENT_LIMIT_DEFAULT, need, 1).max == 1);
}

TEST(address_space_binds_where_a_client_takes_some)
{
	if (TCPECHO_INSTRUMENTED)
		unit_skip("a sanitizer takes more address space than any limit");
	unit_in_child(ask_with_address_space, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_asked_for_is_had_or_refused),
		cmocka_unit_test(descriptors_are_for_clients_except_a_few_and_those_in_use),
		cmocka_unit_test(each_worker_has_a_table_of_descriptors_of_its_own),
		cmocka_unit_test(processes_bind_too_where_a_client_takes_one),
		cmocka_unit_test(address_space_binds_where_a_client_takes_some),
		cmocka_unit_test(at_most_as_many_clients_as_the_memory_of_this_machine_allows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
