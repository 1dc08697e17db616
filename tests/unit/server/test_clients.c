/* SPDX-License-Identifier: MIT */
/*
 * The table of clients: whoever entered is found until he leaves, the counts are true at every
 * moment, and entries are used again.
 */
#include "server/clients.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

#define MOST 8

static struct clients table;

static int open_table(void **state)
{
	(void)state;
	return clients_open(&table, MOST);
}

static int close_table(void **state)
{
	(void)state;
	clients_close(&table);
	return 0;
}

/* 192.0.2.N */
static struct addr ipv4(unsigned int n)
{
	struct addr addr = addr_wildcard(AF_INET, 51334);
	addr.v4.sin_addr.s_addr = htonl(0xc0000200 + n);
	return addr;
}

static uint64_t source_of(const struct addr *addr)
{
	uint64_t source = 0;
	assert_true(addr_source(addr, &source));
	return source;
}

/* A client of 192.0.2.N with a child. */
static struct client *enter(unsigned int n, pid_t pid)
{
	struct addr addr = ipv4(n);
	struct client *client = clients_enter(&table, &addr, "peer");
	clients_started(&table, client, pid);
	return client;
}

static uint64_t count_of(unsigned int n)
{
	struct addr addr = ipv4(n);
	return clients_of_source(&table, source_of(&addr));
}

/* How many clients a walk meets; it must end. */
static size_t walk(void)
{
	size_t n = 0;
	for (struct client *at = clients_next(&table, NULL); at != NULL;
	     at = clients_next(&table, at)) {
		assert_true(n++ < MOST);
		assert_ptr_equal(clients_find(&table, at->pid), at);
	}
	return n;
}

TEST(a_new_table_is_empty)
{
	assert_int_equal(table.count, 0);
	assert_int_equal(table.most, MOST);
	assert_null(clients_next(&table, NULL));
	assert_null(clients_find(&table, 1));
	assert_int_equal(count_of(7), 0);
}

TEST(who_enters_has_a_clean_entry_of_his_own)
{
	struct addr addr = ipv4(7);
	uint64_t before_ns = clock_now_ns();
	struct client *client = clients_enter(&table, &addr, "192.0.2.7:51334");
	assert_int_equal(table.count, 1);
	assert_string_equal(client->peer, "192.0.2.7:51334");
	assert_true(client->start_ns >= before_ns && client->start_ns <= clock_now_ns());
	assert_int_equal(client->pid, 0);
	assert_int_equal(atomic_load(&client->score.in), 0);
	assert_int_equal(atomic_load(&client->score.ending), 0);
	assert_int_equal(count_of(7), 1);
	assert_int_equal((uintptr_t)client % 64, 0); /* cache lines of his own */
}

TEST(a_client_is_found_by_his_child_once_it_has_been_started)
{
	struct addr addr = ipv4(7);
	struct client *client = clients_enter(&table, &addr, "peer");
	assert_null(clients_next(&table, NULL));
	clients_started(&table, client, 4711);
	assert_ptr_equal(clients_find(&table, 4711), client);
	assert_ptr_equal(clients_next(&table, NULL), client);
	assert_null(clients_next(&table, client));
	assert_null(clients_find(&table, 4712));
}

TEST(who_leaves_is_gone_and_not_counted)
{
	struct client *client = enter(7, 4711);
	clients_leave(&table, client);
	assert_int_equal(table.count, 0);
	assert_null(clients_find(&table, 4711));
	assert_null(clients_next(&table, NULL));
	assert_int_equal(count_of(7), 0);
}

TEST(who_could_not_be_started_leaves_without_a_trace)
{
	struct addr addr = ipv4(7);
	enter(7, 4711);
	clients_leave(&table, clients_enter(&table, &addr, "peer"));
	assert_int_equal(table.count, 1);
	assert_int_equal(count_of(7), 1);
	assert_non_null(clients_find(&table, 4711));
}

TEST(clients_are_counted_by_their_source)
{
	struct client *first = enter(7, 101), *second = enter(7, 102), *third = enter(8, 103);
	assert_int_equal(count_of(7), 2);
	assert_int_equal(count_of(8), 1);
	clients_leave(&table, first);
	assert_int_equal(count_of(7), 1);
	clients_leave(&table, third);
	assert_int_equal(count_of(8), 0);
	clients_leave(&table, second);
	assert_int_equal(count_of(7), 0);
}

TEST(a_unix_client_counts_for_no_source)
{
	struct addr unnamed = { .len = sizeof(sa_family_t), .any = { .sa_family = AF_UNIX } };
	struct client *client = clients_enter(&table, &unnamed, "unix:4711");
	assert_false(client->has_source);
	assert_int_equal(clients_of_source(&table, 0), 0);
	clients_leave(&table, client);
	assert_int_equal(clients_of_source(&table, 0), 0);
	assert_int_equal(table.count, 0);
}

TEST(the_source_of_number_zero_is_one_like_all)
{
	struct addr loopback = addr_wildcard(AF_INET6, 0);
	loopback.v6.sin6_addr.s6_addr[15] = 1; /* ::1, of the network ::/64 */
	assert_int_equal(source_of(&loopback), 0);
	struct client *client = clients_enter(&table, &loopback, "[::1]:7");
	assert_int_equal(clients_of_source(&table, 0), 1);
	clients_leave(&table, client);
	assert_int_equal(clients_of_source(&table, 0), 0);
}

TEST(a_name_too_long_is_cut)
{
	struct addr addr = ipv4(7);
	char name[2 * CLIENT_PEER_SIZE];
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	struct client *client = clients_enter(&table, &addr, name);
	assert_int_equal(strlen(client->peer), CLIENT_PEER_SIZE - 1);
}

TEST(the_longest_address_has_room)
{
	struct addr addr = ipv4(7);
	const char *longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%fifteen-letters]:65535";
	struct client *client = clients_enter(&table, &addr, longest);
	assert_string_equal(client->peer, longest);
}

TEST(a_full_table_takes_one_again_when_one_has_left)
{
	struct client *list[MOST];
	for (unsigned int i = 0; i < MOST; i++)
		list[i] = enter(i, 100 + (pid_t)i);
	assert_int_equal(table.count, MOST);
	assert_int_equal(walk(), MOST);
	clients_leave(&table, list[3]);
	struct client *next = enter(99, 200);
	assert_ptr_equal(next, list[3]); /* its memory is warm */
	assert_int_equal(table.count, MOST);
	assert_int_equal(walk(), MOST);
	assert_null(clients_find(&table, 103));
	assert_int_equal(count_of(3), 0);
	assert_int_equal(count_of(99), 1);
}

TEST(an_entry_that_is_used_again_keeps_nothing_of_who_was_there)
{
	struct client *client = enter(7, 4711);
	atomic_store(&client->score.in, 5);
	atomic_store(&client->score.out, 5);
	atomic_store(&client->score.ending, 3);
	atomic_store(&client->score.code, -5);
	clients_leave(&table, client);
	struct addr addr = ipv4(8);
	struct client *next = clients_enter(&table, &addr, "b");
	assert_ptr_equal(next, client);
	assert_int_equal(atomic_load(&next->score.in), 0);
	assert_int_equal(atomic_load(&next->score.out), 0);
	assert_int_equal(atomic_load(&next->score.ending), 0);
	assert_int_equal(atomic_load(&next->score.code), 0);
	assert_int_equal(next->pid, 0);
	assert_string_equal(next->peer, "b");
}

TEST(a_walk_passes_over_gaps_and_over_who_has_no_child)
{
	struct client *list[5];
	struct addr addr = ipv4(9);
	for (unsigned int i = 0; i < ARRAY_LEN(list); i++)
		list[i] = enter(i, 100 + (pid_t)i);
	clients_leave(&table, list[0]);
	clients_leave(&table, list[2]);
	clients_enter(&table, &addr, "no child yet");
	assert_ptr_equal(clients_next(&table, NULL), list[1]);
	assert_ptr_equal(clients_next(&table, list[1]), list[3]);
	assert_ptr_equal(clients_next(&table, list[3]), list[4]);
	assert_null(clients_next(&table, list[4]));
}

TEST(any_order_of_coming_and_going_leaves_the_counts_true)
{
	struct client *there[MOST] = { NULL };
	uint32_t random = 1, count = 0;
	for (pid_t pid = 1000; pid < 21000; pid++) {
		random = random * 1664525 + 1013904223;
		size_t i = random >> 16 & (MOST - 1);
		if (there[i] != NULL) {
			clients_leave(&table, there[i]);
			there[i] = NULL;
			count--;
		} else {
			there[i] = enter((unsigned int)i / 2, pid);
			count++;
		}
		assert_int_equal(table.count, count);
		assert_int_equal(walk(), count);
		for (unsigned int n = 0; n < MOST / 2; n++)
			assert_int_equal(count_of(n),
					 (there[2 * n] != NULL) + (there[2 * n + 1] != NULL));
	}
}

TEST(what_a_child_notes_its_parent_reads_though_it_was_killed)
{
	struct client *client = enter(7, 4711);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		atomic_store(&client->score.in, 120);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(atomic_load(&client->score.in), 120);
	assert_int_equal(atomic_load(&client->score.ending), 0);
}

static void enter_one_too_many(const void *argument)
{
	(void)argument;
	for (unsigned int i = 0; i <= MOST; i++)
		enter(i, 100 + (pid_t)i);
}

static void leave_an_empty_table(const void *argument)
{
	(void)argument;
	struct client *client = enter(1, 100);
	clients_leave(&table, client);
	clients_leave(&table, client);
}

TEST(one_too_many_and_one_too_few_are_bugs_of_the_caller)
{
	unit_child_dies_of(SIGABRT, enter_one_too_many, NULL);
	unit_child_dies_of(SIGABRT, leave_an_empty_table, NULL);
}

TEST(a_zeroed_table_can_be_closed)
{
	struct clients none = { 0 };
	clients_close(&none);
}

TEST(a_table_for_the_most_clients_there_can_be_costs_only_what_is_used)
{
	struct clients large;
	assert_int_equal(clients_open(&large, 4000000), 0);
	struct addr addr = ipv4(7);
	clients_started(&large, clients_enter(&large, &addr, "peer"), 4711);
	assert_non_null(clients_find(&large, 4711));
	clients_close(&large);
	assert_null(large.memory);
}

#define TABLE_TEST(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_TEST(a_new_table_is_empty),
		TABLE_TEST(who_enters_has_a_clean_entry_of_his_own),
		TABLE_TEST(a_client_is_found_by_his_child_once_it_has_been_started),
		TABLE_TEST(who_leaves_is_gone_and_not_counted),
		TABLE_TEST(who_could_not_be_started_leaves_without_a_trace),
		TABLE_TEST(clients_are_counted_by_their_source),
		TABLE_TEST(a_unix_client_counts_for_no_source),
		TABLE_TEST(the_source_of_number_zero_is_one_like_all),
		TABLE_TEST(a_name_too_long_is_cut),
		TABLE_TEST(the_longest_address_has_room),
		TABLE_TEST(a_full_table_takes_one_again_when_one_has_left),
		TABLE_TEST(an_entry_that_is_used_again_keeps_nothing_of_who_was_there),
		TABLE_TEST(a_walk_passes_over_gaps_and_over_who_has_no_child),
		TABLE_TEST(any_order_of_coming_and_going_leaves_the_counts_true),
		TABLE_TEST(what_a_child_notes_its_parent_reads_though_it_was_killed),
		TABLE_TEST(one_too_many_and_one_too_few_are_bugs_of_the_caller),
		cmocka_unit_test(a_zeroed_table_can_be_closed),
		cmocka_unit_test(a_table_for_the_most_clients_there_can_be_costs_only_what_is_used),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
