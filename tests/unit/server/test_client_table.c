/* SPDX-License-Identifier: MIT */
/*
 * The table of clients: each client is found from entry to removal, the counts are correct at every
 * moment, and entries are reused. If an owner is killed, only its clients are affected.
 */
#include "server/client_table.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/shm.h"
#include "unit.h"

#define MOST 8

/* An engine's entry: a client, and the engine's additional data. */
struct served {
	_Alignas(64) struct client client;
	char more[80];
};

static struct client_table table;

static int open_table(void **state)
{
	(void)state;
	int rc = client_table_open(&table, MOST, sizeof(struct served));
	table.max_per_source = UINT64_MAX; /* clients are counted by their source */
	return rc;
}

static int close_table(void **state)
{
	(void)state;
	client_table_close(&table);
	return 0;
}

/* 192.0.2.N:51334 */
static struct peer ipv4(unsigned int n)
{
	struct addr addr = addr_wildcard(AF_INET, 51334);
	addr.v4.sin_addr.s_addr = htonl(0xc0000200 + n);
	return peer_of(-1, &addr);
}

/* Adds a client of 192.0.2.N to a table; NULL: its source has too many. */
static struct client *enter_into(struct client_table *clients, unsigned int n)
{
	struct peer peer = ipv4(n);
	return client_table_add(clients, &peer, 0);
}

/* A client of 192.0.2.N with a child. */
static struct client *enter(unsigned int n, pid_t pid)
{
	struct client *client = enter_into(&table, n);
	client_table_set_pid(&table, client, pid);
	return client;
}

static uint64_t count_of_peer(const struct peer *peer)
{
	uint64_t source = 0;
	assert_true(peer_source(peer, &source));
	return u64_map_get(&table.by_source, source);
}

static uint64_t count_of(unsigned int n)
{
	struct peer peer = ipv4(n);
	return count_of_peer(&peer);
}

/* Returns the number of clients in a walk over any table; it must end. */
static size_t walk_all(const struct client_table *clients)
{
	size_t n = 0;
	for (struct client *at = client_table_next(clients, NULL); at != NULL;
	     at = client_table_next(clients, at)) {
		assert_true(n++ < clients->limit);
		assert_ptr_equal(client_table_at(clients, client_table_index(clients, at)), at);
	}
	return n;
}

/* The same for our table, whose clients have children. */
static size_t walk(void)
{
	for (struct client *at = client_table_next(&table, NULL); at != NULL;
	     at = client_table_next(&table, at))
		assert_ptr_equal(client_table_find(&table, at->pid), at);
	return walk_all(&table);
}

TEST(a_new_table_is_empty)
{
	assert_int_equal(table.count, 0);
	assert_int_equal(table.limit, MOST);
	assert_null(client_table_next(&table, NULL));
	assert_null(client_table_find(&table, 1));
	assert_int_equal(count_of(7), 0);
}

TEST(a_new_client_has_a_clean_entry)
{
	uint64_t before_ns = clock_now_ns();
	struct client *client = enter_into(&table, 7);
	assert_int_equal(table.count, 1);
	assert_string_equal(peer_name(&client->peer).text, "192.0.2.7:51334");
	assert_true(client->start_ns >= before_ns && client->start_ns <= clock_now_ns());
	assert_int_equal(client->pid, 0);
	assert_int_equal(client->fd, -1);
	assert_int_equal(atomic_load(&client->stats.in), 0);
	assert_int_equal(atomic_load(&client->stats.reason), 0);
	assert_int_equal(count_of(7), 1);
	/* The entry has its own cache lines, as this engine requests. */
	struct client *next = enter_into(&table, 8);
	assert_int_equal((uintptr_t)client % 64, 0);
	assert_int_equal((char *)next - (char *)client, sizeof(struct served));
}

TEST(a_client_is_found_by_the_pid_of_its_child)
{
	struct client *client = enter_into(&table, 7);
	assert_ptr_equal(client_table_next(&table, NULL), client);
	assert_null(client_table_find(&table, 4711));
	client_table_set_pid(&table, client, 4711);
	assert_ptr_equal(client_table_find(&table, 4711), client);
	assert_ptr_equal(client_table_next(&table, NULL), client);
	assert_null(client_table_next(&table, client));
	assert_null(client_table_find(&table, 4712));
}

TEST(a_client_that_leaves_is_gone_and_not_counted)
{
	struct client *client = enter(7, 4711);
	client_table_remove(&table, client);
	assert_int_equal(table.count, 0);
	assert_null(client_table_find(&table, 4711));
	assert_null(client_table_next(&table, NULL));
	assert_int_equal(count_of(7), 0);
}

TEST(a_client_that_could_not_be_started_leaves_no_trace)
{
	enter(7, 4711);
	client_table_remove(&table, enter_into(&table, 7));
	assert_int_equal(table.count, 1);
	assert_int_equal(count_of(7), 1);
	assert_non_null(client_table_find(&table, 4711));
}

TEST(client_table_are_counted_by_their_source)
{
	struct client *first = enter(7, 101), *second = enter(7, 102), *third = enter(8, 103);
	assert_int_equal(count_of(7), 2);
	assert_int_equal(count_of(8), 1);
	client_table_remove(&table, first);
	assert_int_equal(count_of(7), 1);
	client_table_remove(&table, third);
	assert_int_equal(count_of(8), 0);
	client_table_remove(&table, second);
	assert_int_equal(count_of(7), 0);
}

TEST(a_unix_client_counts_for_no_source)
{
	struct peer unnamed = { .family = AF_UNIX, .number = 4711 };
	struct client *client = client_table_add(&table, &unnamed, 0);
	assert_int_equal(u64_map_get(&table.by_source, 0), 0);
	client_table_remove(&table, client);
	assert_int_equal(u64_map_get(&table.by_source, 0), 0);
	assert_int_equal(table.count, 0);
}

TEST(the_source_of_number_zero_is_one_like_all)
{
	struct addr address = addr_wildcard(AF_INET6, 0);
	address.v6.sin6_addr.s6_addr[15] = 1; /* ::1, of the network ::/64 */
	struct peer loopback = peer_of(-1, &address);
	uint64_t source = 1;
	assert_true(peer_source(&loopback, &source) && source == 0);
	struct client *client = client_table_add(&table, &loopback, 0);
	assert_int_equal(count_of_peer(&loopback), 1);
	client_table_remove(&table, client);
	assert_int_equal(count_of_peer(&loopback), 0);
}

TEST(a_full_table_takes_one_again_when_one_has_left)
{
	struct client *list[MOST];
	for (unsigned int i = 0; i < MOST; i++)
		list[i] = enter(i, 100 + (pid_t)i);
	assert_int_equal(table.count, MOST);
	assert_int_equal(walk(), MOST);
	client_table_remove(&table, list[3]);
	struct client *next = enter(99, 200);
	assert_ptr_equal(next, list[3]); /* its memory was used last */
	assert_int_equal(table.count, MOST);
	assert_int_equal(walk(), MOST);
	assert_null(client_table_find(&table, 103));
	assert_int_equal(count_of(3), 0);
	assert_int_equal(count_of(99), 1);
}

TEST(a_reused_entry_keeps_nothing_of_its_former_client)
{
	struct client *client = enter(7, 4711);
	atomic_store(&client->stats.in, 5);
	atomic_store(&client->stats.out, 5);
	atomic_store(&client->stats.reason, 3);
	atomic_store(&client->stats.code, -5);
	memset(((struct served *)client)->more, 'x', sizeof(((struct served *)client)->more));
	client_table_remove(&table, client);
	struct client *next = enter_into(&table, 8);
	assert_ptr_equal(next, client);
	static const char nothing[sizeof(((struct served *)client)->more)];
	assert_memory_equal(((struct served *)next)->more, nothing, sizeof(nothing));
	assert_int_equal(atomic_load(&next->stats.in), 0);
	assert_int_equal(atomic_load(&next->stats.out), 0);
	assert_int_equal(atomic_load(&next->stats.reason), 0);
	assert_int_equal(atomic_load(&next->stats.code), 0);
	assert_int_equal(next->pid, 0);
	assert_int_equal(next->fd, -1);
	assert_string_equal(peer_name(&next->peer).text, "192.0.2.8:51334");
}

TEST(a_walk_skips_gaps_and_meets_clients_not_served_yet)
{
	struct client *list[5];
	for (unsigned int i = 0; i < ARRAY_LEN(list); i++)
		list[i] = enter(i, 100 + (pid_t)i);
	client_table_remove(&table, list[0]);
	client_table_remove(&table, list[2]);
	struct client *waiting = enter_into(&table, 9);
	assert_ptr_equal(waiting, list[2]);
	assert_ptr_equal(client_table_next(&table, NULL), list[1]);
	assert_ptr_equal(client_table_next(&table, list[1]), waiting);
	assert_ptr_equal(client_table_next(&table, waiting), list[3]);
	assert_ptr_equal(client_table_next(&table, list[3]), list[4]);
	assert_null(client_table_next(&table, list[4]));
	client_table_remove(&table, list[4]);
	assert_null(client_table_next(&table, list[3]));
}

TEST(any_order_of_coming_and_going_leaves_the_counts_true)
{
	struct client *there[MOST] = { NULL };
	uint32_t random = 1, count = 0;
	for (pid_t pid = 1000; pid < 21000; pid++) {
		random = random * 1664525 + 1013904223;
		size_t i = random >> 16 & (MOST - 1);
		if (there[i] != NULL) {
			client_table_remove(&table, there[i]);
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

/* ---- serials ---- */

TEST(each_client_of_a_table_has_a_unique_number_until_it_leaves)
{
	for (uint32_t i = 1; i <= 3 * MOST; i++) {
		struct client *client = enter_into(&table, 7);
		assert_int_equal(atomic_load(&client->serial), i);
		client_table_remove(&table, client);
		assert_int_equal(atomic_load(&client->serial), 0);
	}
	/* The serial number distinguishes two clients that had the same entry. */
	struct client *first = enter_into(&table, 7);
	uint32_t serial = atomic_load(&first->serial);
	client_table_remove(&table, first);
	struct client *next = enter_into(&table, 8);
	assert_ptr_equal(next, first);
	assert_true(atomic_load(&next->serial) != serial);
}

TEST(after_the_last_number_comes_one_because_zero_is_unused)
{
	table.last_serial = UINT32_MAX - 1;
	struct client *last = enter_into(&table, 7), *next = enter_into(&table, 8);
	assert_int_equal(atomic_load(&last->serial), UINT32_MAX);
	assert_int_equal(atomic_load(&next->serial), 1);
	assert_int_equal(walk_all(&table), 2);
}

/* ---- memory of the caller's ---- */

TEST(a_table_in_memory_of_the_callers_is_like_any_other)
{
	size_t size = client_table_size(MOST, sizeof(struct served));
	unsigned char *memory = aligned_alloc(64, size + 64);
	assert_non_null(memory);
	memset(memory, 0, size);
	memset(memory + size, 0xa5, 64);
	struct client_table placed;
	client_table_place(&placed, memory, MOST, sizeof(struct served));
	for (unsigned int i = 0; i < MOST; i++)
		client_table_set_pid(&placed, enter_into(&placed, i), 100 + (pid_t)i);
	for (unsigned int i = 0; i < MOST; i++) {
		struct client *client = client_table_find(&placed, 100 + (pid_t)i);
		assert_int_equal(client_table_index(&placed, client), i);
		struct served *served = (struct served *)client;
		memset(served->more, 0xff, sizeof(served->more));
	}
	assert_int_equal(walk_all(&placed), MOST);
	struct u64_map_entry *end = placed.by_source.entries + placed.by_source.n_places;
	assert_true((unsigned char *)end <= memory + size);
	for (size_t i = size; i < size + 64; i++)
		assert_int_equal(memory[i], 0xa5); /* it used no more memory than it reported */
	client_table_close(&placed);
	free(memory); /* closing did not free memory that the table does not own */
}

TEST(a_ticket_finds_its_client_until_that_leaves_and_no_other)
{
	struct client *first = enter_into(&table, 7), *second = enter_into(&table, 7);
	uint64_t ticket = client_table_ticket(&table, first);
	assert_true(ticket != 0 && ticket != client_table_ticket(&table, second));
	assert_ptr_equal(client_table_find_ticket(&table, ticket), first);
	client_table_remove(&table, first);
	assert_null(client_table_find_ticket(&table, ticket));
	assert_ptr_equal(enter_into(&table, 8), first); /* another client has its entry */
	assert_null(client_table_find_ticket(&table, ticket));
	assert_null(client_table_find_ticket(&table, 0));
	assert_null(client_table_find_ticket(&table, ticket + MOST)); /* the ticket may be wrong */
}

TEST(a_client_has_the_ticket_with_which_it_was_entered)
{
	struct peer peer = ipv4(7);
	assert_int_equal(client_table_add(&table, &peer, 4711)->ticket, 4711);
	assert_int_equal(enter_into(&table, 7)->ticket, 0);
}

/* ---- a limit per source ---- */

TEST(a_source_has_no_more_clients_than_its_limit)
{
	table.max_per_source = 2;
	struct client *first = enter_into(&table, 7);
	assert_non_null(enter_into(&table, 7));
	assert_null(enter_into(&table, 7));
	assert_int_equal(table.count, 2); /* a client that is not entered leaves no trace */
	assert_int_equal(walk_all(&table), 2);
	assert_non_null(enter_into(&table, 8));
	client_table_remove(&table, first);
	assert_non_null(enter_into(&table, 7));
	assert_null(enter_into(&table, 7));
}

TEST(client_table_without_a_source_know_no_limit)
{
	struct peer unnamed = { .family = AF_UNIX, .number = 4711 };
	table.max_per_source = 1;
	for (size_t i = 0; i < MOST; i++)
		assert_non_null(client_table_add(&table, &unnamed, 0));
}

TEST(a_table_without_a_limit_takes_as_many_of_one_source_as_it_has_places)
{
	struct client_table free_for_all;
	assert_int_equal(client_table_open(&free_for_all, MOST, sizeof(struct client)), 0);
	for (size_t i = 0; i < MOST; i++)
		assert_non_null(enter_into(&free_for_all, 7));
	client_table_close(&free_for_all);
}

/* ---- a table whose owner was killed ---- */

/* In shared memory: set when the owner has begun. */
static struct {
	_Atomic int is_ready;
} * owner;

static int open_owned_table(void **state)
{
	(void)state;
	void *memory;
	int rc = shm_map_shared(sizeof(*owner), &memory);
	if (rc < 0)
		return rc;
	owner = memory;
	return client_table_open(&table, MOST, sizeof(struct served));
}

static int close_owned_table(void **state)
{
	shm_unmap(owner, sizeof(*owner));
	return close_table(state);
}

TEST(a_table_that_is_reset_is_empty_and_good_for_another_owner)
{
	struct client *one = enter_into(&table, 7), *other = enter_into(&table, 7);
	client_table_set_pid(&table, one, 101);
	client_table_remove(&table, other);
	assert_non_null(enter_into(&table, 8));

	client_table_reset(&table);
	assert_int_equal(table.count, 0);
	assert_null(client_table_next(&table, NULL));
	assert_null(client_table_find(&table, 101));
	assert_int_equal(atomic_load(&one->serial), 0);

	for (unsigned int i = 0; i < MOST; i++)
		assert_non_null(enter_into(&table, i));
	assert_int_equal(walk_all(&table), MOST);
}

/* The owner of the table runs until it is killed. */
_Noreturn static void come_and_go_for_ever(void)
{
	struct client *list[MOST] = { NULL };
	uint32_t random = 1;
	alarm(UNIT_TIMEOUT_S);
	atomic_store(&owner->is_ready, 1);
	for (;;) {
		random = random * 1664525 + 1013904223;
		size_t i = random >> 16 & (MOST - 1);
		if (list[i] != NULL)
			client_table_remove(&table, list[i]);
		list[i] = list[i] == NULL ? enter_into(&table, (unsigned int)i / 2) : NULL;
	}
}

static void kill_the_owner(int moment)
{
	struct timespec until_then = { .tv_nsec = moment * 1000L };
	atomic_store(&owner->is_ready, 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		come_and_go_for_ever();
	UNIT_WAIT_UNTIL(atomic_load(&owner->is_ready) == 1);
	nanosleep(&until_then, NULL);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

TEST(whatever_an_owner_did_when_it_was_killed_its_table_can_be_reset)
{
	alarm(2 * UNIT_TIMEOUT_S);
	for (int moment = 0; moment < 300; moment++) {
		kill_the_owner(moment);
		assert_true(walk_all(&table) <= MOST);
		client_table_reset(&table);
		assert_int_equal(walk_all(&table), 0);
		/* Each entry can be used. */
		struct client *list[MOST];
		for (unsigned int i = 0; i < MOST; i++) {
			list[i] = enter_into(&table, i);
			assert_non_null(list[i]);
		}
		for (size_t i = 0; i < MOST; i++)
			client_table_remove(&table, list[i]);
		client_table_reset(&table); /* for the next owner */
	}
	alarm(0);
}

/* ---- sharing ---- */

TEST(what_a_child_notes_its_parent_reads_though_it_was_killed)
{
	struct client *client = enter(7, 4711);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		atomic_store(&client->stats.in, 120);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(atomic_load(&client->stats.in), 120);
	assert_int_equal(atomic_load(&client->stats.reason), 0);
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
	client_table_remove(&table, client);
	client_table_remove(&table, client);
}

TEST(one_too_many_and_one_too_few_are_bugs_of_the_caller)
{
	unit_child_dies_of(SIGABRT, enter_one_too_many, NULL);
	unit_child_dies_of(SIGABRT, leave_an_empty_table, NULL);
}

TEST(a_zeroed_table_is_empty_and_can_be_closed)
{
	struct client_table none = { 0 };
	assert_null(client_table_next(&none, NULL));
	client_table_close(&none);
}

TEST(a_table_for_the_most_clients_there_can_be_costs_only_what_is_used)
{
	struct client_table large;
	assert_int_equal(client_table_open(&large, 4000000, sizeof(struct served)), 0);
	client_table_set_pid(&large, enter_into(&large, 7), 4711);
	assert_non_null(client_table_find(&large, 4711));
	client_table_close(&large);
	assert_null(large.memory);
}

#define TABLE_TEST(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)
#define OWNED_TEST(name) cmocka_unit_test_setup_teardown(name, open_owned_table, close_owned_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_TEST(a_new_table_is_empty),
		TABLE_TEST(a_new_client_has_a_clean_entry),
		TABLE_TEST(a_client_is_found_by_the_pid_of_its_child),
		TABLE_TEST(a_client_that_leaves_is_gone_and_not_counted),
		TABLE_TEST(a_client_that_could_not_be_started_leaves_no_trace),
		TABLE_TEST(client_table_are_counted_by_their_source),
		TABLE_TEST(a_unix_client_counts_for_no_source),
		TABLE_TEST(the_source_of_number_zero_is_one_like_all),
		TABLE_TEST(a_full_table_takes_one_again_when_one_has_left),
		TABLE_TEST(a_reused_entry_keeps_nothing_of_its_former_client),
		TABLE_TEST(a_walk_skips_gaps_and_meets_clients_not_served_yet),
		TABLE_TEST(any_order_of_coming_and_going_leaves_the_counts_true),
		TABLE_TEST(each_client_of_a_table_has_a_unique_number_until_it_leaves),
		TABLE_TEST(after_the_last_number_comes_one_because_zero_is_unused),
		cmocka_unit_test(a_table_in_memory_of_the_callers_is_like_any_other),
		TABLE_TEST(a_ticket_finds_its_client_until_that_leaves_and_no_other),
		TABLE_TEST(a_client_has_the_ticket_with_which_it_was_entered),
		TABLE_TEST(a_source_has_no_more_clients_than_its_limit),
		TABLE_TEST(client_table_without_a_source_know_no_limit),
		cmocka_unit_test(
			a_table_without_a_limit_takes_as_many_of_one_source_as_it_has_places),
		OWNED_TEST(a_table_that_is_reset_is_empty_and_good_for_another_owner),
		OWNED_TEST(whatever_an_owner_did_when_it_was_killed_its_table_can_be_reset),
		TABLE_TEST(what_a_child_notes_its_parent_reads_though_it_was_killed),
		TABLE_TEST(one_too_many_and_one_too_few_are_bugs_of_the_caller),
		cmocka_unit_test(a_zeroed_table_is_empty_and_can_be_closed),
		cmocka_unit_test(a_table_for_the_most_clients_there_can_be_costs_only_what_is_used),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
