/* SPDX-License-Identifier: MIT */
/* The events of several workers are counted once, whichever worker is killed, and whenever. */
#include "server/workers/worker_pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/control.h"
#include "server/engine.h"
#include "server/workers/event_ring.h"
#include "unit.h"

#define WORKERS 3

static struct server_config config;
static struct control control;
static struct server server;
static struct worker_pool pool;
static struct unit_capture log_of;

/*
 * Opens a server with n_workers for max_clients; a source has at most most_of_one clients (0: no
 * limit).
 */
static void open_pool(uint32_t n_workers, uint32_t max_clients, uint64_t most_of_one)
{
	config = (struct server_config){
		.engine = engine_find("epoll"),
		.n_workers = n_workers,
		.max_clients = max_clients,
		.max_per_source = most_of_one,
		.quiet = true,
	};
	control = (struct control){ .signals_fd = -1 };
	server = (struct server){ .config = &config, .control = &control };
	assert_int_equal(pool_open(&pool, &server), 0);
}

static int end(void **state)
{
	(void)state;
	pool_close(&pool);
	return 0;
}

/* 192.0.2.N:51334 */
static struct peer peer_number(unsigned int n)
{
	struct addr addr = addr_wildcard(AF_INET, 51334);
	addr.v4.sin_addr.s_addr = htonl(0xc0000200 + n);
	return peer_of(-1, &addr);
}

/* Adds a client of 192.0.2.N as the i-th worker does. NULL: its source has too many. */
static struct client *enter(uint32_t i, unsigned int n)
{
	struct peer peer = peer_number(n);
	atomic_fetch_add(&pool.members[i].slot->accepted, 1);
	return client_table_add(&pool.tables[i], &peer, 0);
}

static void move(struct client *client, uint64_t in, uint64_t out)
{
	atomic_store(&client->stats.in, in);
	atomic_store(&client->stats.out, out);
}

/* The first half of a client's end: its event is written. */
static bool post_end(uint32_t i, const struct client *client)
{
	const struct conn_record record = {
		.peer = client->peer,
		.in = atomic_load(&client->stats.in),
		.out = atomic_load(&client->stats.out),
		.reason = CLOSE_EOF,
		.serial = atomic_load(&client->serial),
		.ticket = client->ticket,
	};
	return event_ring_post(&pool.members[i].event_ring, &record);
}

static const struct child_end killed = { .pid = 1, .signal = SIGKILL };

/* ---- starting ---- */

TEST(a_pool_serves_when_one_of_its_workers_does)
{
	open_pool(3, 30, 0);
	assert_false(pool_any_serves(&pool));
	atomic_store(&pool.members[1].slot->is_serving, 1);
	assert_false(pool_any_serves(&pool)); /* it has ended */
	pool.members[1].pid = 1;
	assert_true(pool_any_serves(&pool));
	pool.members[1].pid = 0;
}

TEST(a_worker_that_ends_early_is_replaced_later_each_time)
{
	uint64_t before_ns = 0;
	struct pool_member member = { .pid = 0 };
	for (int i = 0; i < 6; i++) {
		uint64_t now_ns = member.started_ns = clock_now_ns();
		pool_member_plan_next(&member);
		assert_true(member.start_at_ns > now_ns);
		assert_true(member.start_at_ns - now_ns > before_ns);
		before_ns = member.start_at_ns - now_ns;
	}
	member.started_ns = 0; /* it has run for a long time */
	pool_member_plan_next(&member);
	assert_true(member.start_at_ns <= clock_now_ns());
}

/* ---- shares ---- */

TEST(the_shares_of_the_workers_add_up_and_differ_by_one_at_most)
{
	static const struct {
		uint32_t n, clients;
	} rows[] = { { 1, 1 }, { 3, 3 }, { 3, 10 }, { 7, 1024 }, { 64, 100 }, { 16, 20000 } };
	for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
		open_pool(rows[row].n, rows[row].clients, 0);
		assert_int_equal(pool.n_members, rows[row].n);
		uint32_t sum = 0, least = UINT32_MAX, most = 0;
		for (uint32_t i = 0; i < pool.n_members; i++) {
			uint32_t share = pool.tables[i].limit;
			sum += share;
			least = share < least ? share : least;
			most = share > most ? share : most;
		}
		assert_int_equal(sum, rows[row].clients);
		assert_true(least > 0 && most - least <= 1);
		pool_close(&pool);
	}
}

TEST(every_worker_has_room_for_its_share_and_no_other)
{
	open_pool(WORKERS, 100, 0);
	for (uint32_t i = 0; i < WORKERS; i++) {
		for (uint32_t n = 0; n < pool.tables[i].limit; n++)
			move(enter(i, i + 1), i, n);
	}
	assert_int_equal(pool_count_clients(&pool), 100);
	for (uint32_t i = 0; i < WORKERS; i++) {
		uint64_t n = 0;
		for (struct client *at = client_table_next(&pool.tables[i], NULL); at != NULL;
		     at = client_table_next(&pool.tables[i], at)) {
			assert_int_equal(atomic_load(&at->stats.in), i);
			assert_int_equal(atomic_load(&at->stats.out), n++);
		}
		assert_int_equal(n, pool.tables[i].limit);
	}
}

TEST(a_pool_that_is_closed_leaves_no_descriptor)
{
	size_t before = unit_open_descriptors();
	open_pool(WORKERS, 100, 5);
	pool_close(&pool);
	assert_int_equal(unit_open_descriptors(), before);
	pool_close(&pool); /* a zeroed pool is a valid empty one */
}

/* ---- reported events ---- */

TEST(what_a_worker_reports_is_counted_once)
{
	open_pool(WORKERS, 30, 0);
	assert_false(pool_fetch_all(&pool));
	struct client *client = enter(1, 7);
	move(client, 120, 100);
	assert_true(post_end(1, client));
	client_table_remove(&pool.tables[1], client);
	assert_false(pool_fetch(&pool, 0));
	assert_true(pool_fetch(&pool, 1));
	assert_false(pool_fetch_all(&pool));
	assert_int_equal(control.totals.ended, 1);
	assert_int_equal(control.totals.in, 120);
	assert_int_equal(control.totals.out, 100);
}

TEST(a_client_whose_end_was_reported_is_gone)
{
	open_pool(WORKERS, 30, 0);
	struct client *first = enter(0, 1);
	enter(0, 2), enter(2, 3);
	assert_int_equal(pool_count_clients(&pool), 3);
	assert_true(post_end(0, first));
	assert_true(pool_fetch_all(&pool));
	assert_int_equal(pool_count_clients(&pool), 2);
	client_table_remove(&pool.tables[0], first);
	assert_int_equal(pool_count_clients(&pool), 2);
}

TEST(the_totals_are_the_ended_and_the_current_clients)
{
	open_pool(WORKERS, 30, 0);
	struct client *gone = enter(0, 1);
	move(gone, 10, 10);
	assert_true(post_end(0, gone));
	client_table_remove(&pool.tables[0], gone);
	move(enter(1, 2), 200, 100);
	move(enter(2, 3), 3000, 3000);
	unit_capture_begin(&log_of, STDERR_FILENO);
	pool_log_totals(&pool);
	unit_capture_end(&log_of);
	assert_string_equal(log_of.text, "totals clients=2 accepted=3 ended=1 killed=0 "
					 "turned_away=0 in=3210 out=3110\n");
}

/* ---- a worker that was killed ---- */

TEST(the_clients_of_a_dead_worker_are_counted_as_killed_with_their_bytes)
{
	open_pool(WORKERS, 30, 0);
	move(enter(1, 1), 10, 5);
	move(enter(1, 2), 200, 200);
	move(enter(2, 3), 7000, 7000);
	assert_int_equal(pool_reap(&pool, 1, &killed), 2);
	assert_int_equal(control.totals.accepted, 2);
	assert_int_equal(control.totals.ended, 2);
	assert_int_equal(control.totals.killed, 2);
	assert_int_equal(control.totals.in, 210);
	assert_int_equal(control.totals.out, 205);
	assert_int_equal(pool_count_clients(&pool), 1);
	assert_int_equal(pool_reap(&pool, 1, &killed), 0);
	assert_int_equal(control.totals.ended, 2);
}

TEST(what_a_dead_worker_had_reported_is_counted_as_reported)
{
	open_pool(WORKERS, 30, 0);
	struct client *reported = enter(0, 1), *left = enter(0, 2);
	move(reported, 10, 10);
	move(left, 5, 5);
	move(enter(0, 3), 1, 1);
	assert_true(post_end(0, left));
	client_table_remove(&pool.tables[0], left);
	assert_true(post_end(0, reported)); /* and then it was killed */
	unit_capture_begin(&log_of, STDERR_FILENO);
	config.quiet = false;
	assert_int_equal(pool_reap(&pool, 0, &killed), 1);
	unit_capture_end(&log_of);
	assert_int_equal(unit_lines(log_of.text), 3);
	assert_non_null(strstr(log_of.text, "peer=192.0.2.1:51334 in=10 out=10"));
	assert_non_null(strstr(log_of.text, "peer=192.0.2.2:51334 in=5 out=5"));
	assert_non_null(strstr(log_of.text, "peer=192.0.2.3:51334 in=1 out=1"));
	assert_int_equal(control.totals.ended, 3);
	assert_int_equal(control.totals.killed, 1);
}

TEST(those_of_a_worker_that_failed_ended_by_its_error)
{
	const struct child_end failed = { .pid = 1, .status = 1 };
	open_pool(WORKERS, 30, 0);
	enter(0, 7);
	atomic_store(&pool.members[0].slot->code, -ENOMEM);
	config.quiet = false;
	unit_capture_begin(&log_of, STDERR_FILENO);
	assert_int_equal(pool_reap(&pool, 0, &failed), 1);
	unit_capture_end(&log_of);
	assert_non_null(strstr(log_of.text, "reason=error error=ENOMEM\n"));
	assert_int_equal(control.totals.killed, 0);
}

TEST(the_next_worker_finds_the_place_empty)
{
	open_pool(WORKERS, 30, 0);
	for (unsigned int n = 0; n < 10; n++)
		assert_non_null(enter(0, 7));
	pool_reap(&pool, 0, &killed);
	assert_int_equal(atomic_load(&pool.members[0].slot->accepted), 0);
	assert_null(client_table_next(&pool.tables[0], NULL));
	for (unsigned int n = 0; n < 10; n++)
		assert_non_null(enter(0, 7));
}

/* ---- clients that the supervisor has passed to a worker ---- */

/*
 * A client of 192.0.2.7 in the supervisor's table, and its message in the slot of the i-th worker.
 */
static struct client *pass_on(uint32_t i)
{
	struct peer peer = peer_number(7);
	struct client *client = client_table_add(&server.clients, &peer, 0);
	if (client != NULL)
		pool.members[i].slot->message = (struct dispatch_message){
			.ticket = client_table_ticket(&server.clients, client),
			.peer = peer,
		};
	return client;
}

static struct client *enter_passed_on(uint32_t i)
{
	const struct dispatch_message *message = &pool.members[i].slot->message;
	return client_table_add(&pool.tables[i], &message->peer, message->ticket);
}

static void open_dispatching_pool(void)
{
	open_pool(WORKERS, 30, 2);
	assert_int_equal(client_table_open(&server.clients, 30, sizeof(struct client)), 0);
	server.clients.max_per_source = 2;
}

TEST(a_client_passed_on_counts_for_its_source_until_its_end_is_reported)
{
	open_dispatching_pool();
	assert_non_null(pass_on(0));
	struct client *client = enter_passed_on(0);
	assert_non_null(pass_on(1));
	assert_null(pass_on(1));
	assert_int_equal(pool_count_clients(&pool), 2); /* one is being passed */
	assert_true(post_end(0, client));
	assert_true(pool_fetch_all(&pool));
	client_table_remove(&pool.tables[0], client);
	assert_int_equal(pool_count_clients(&pool), 1);
	assert_non_null(pass_on(1));
	client_table_close(&server.clients);
}

TEST(client_table_of_a_worker_that_died_count_for_their_source_no_more)
{
	open_dispatching_pool();
	assert_non_null(pass_on(0));
	assert_non_null(enter_passed_on(0));
	assert_non_null(pass_on(0)); /* it had taken this one before it was killed */
	config.quiet = false;
	unit_capture_begin(&log_of, STDERR_FILENO);
	assert_int_equal(pool_reap(&pool, 0, &killed), 1);
	unit_capture_end(&log_of);
	assert_int_equal(unit_lines(log_of.text), 2);
	assert_int_equal(server.clients.count, 0);
	assert_int_equal(control.totals.ended, 1);
	assert_int_equal(control.totals.turned_away, 1);
	assert_int_equal(control.totals.killed, 2);
	assert_non_null(pass_on(1));
	assert_non_null(pass_on(1));
	client_table_close(&server.clients);
}

TEST(a_client_entered_or_reported_by_a_dead_worker_is_counted_once)
{
	open_dispatching_pool();
	assert_non_null(pass_on(0));
	struct client *client = enter_passed_on(0);
	assert_true(post_end(0, client));
	assert_int_equal(pool_reap(&pool, 0, &killed), 0);
	assert_int_equal(control.totals.ended, 1);
	assert_non_null(pass_on(1));
	assert_non_null(enter_passed_on(1));
	assert_int_equal(pool_reap(&pool, 1, &killed), 1);
	assert_int_equal(control.totals.ended, 2);
	assert_int_equal(control.totals.turned_away, 0);
	client_table_close(&server.clients);
}

/* ---- a worker that was taken over ---- */

/* Returns whether this address is mapped. */
static bool is_mapped(const void *address)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char here;
	return mincore((void *)((uintptr_t)address / page_size * page_size), 1, &here) == 0;
}

static void keep_one(const void *argument)
{
	uint32_t own = *(const uint32_t *)argument;
	pool_keep_only(&pool, own);
	UNIT_CHILD_MUST(is_mapped(pool.wakeup_sleep) && is_mapped(pool.last_logged_ns));
	for (uint32_t i = 0; i < WORKERS; i++) {
		const struct client_table *table = &pool.tables[i];
		bool is_own = i == own;
		UNIT_CHILD_MUST(is_mapped(pool.members[i].slot) == is_own);
		UNIT_CHILD_MUST(is_mapped(pool.members[i].event_ring.ring) == is_own);
		UNIT_CHILD_MUST(is_mapped(client_table_at(table, 0)) == is_own);
		UNIT_CHILD_MUST(is_mapped(client_table_at(table, table->limit - 1)) == is_own);
	}
	struct client *client = enter(own, 7);
	UNIT_CHILD_MUST(client != NULL && post_end(own, client));
}

TEST(a_worker_has_no_memory_of_the_others)
{
	open_pool(WORKERS, 1000, 0);
	for (uint32_t i = 0; i < WORKERS; i++)
		unit_in_child(keep_one, &i);
	assert_int_equal(pool_count_clients(&pool), WORKERS);
	pool_fetch_all(&pool);
	assert_int_equal(control.totals.ended, WORKERS);
}

/*
 * The worker reports faster than the supervisor reads, without end: the supervisor must still do
 * its other work.
 */
TEST(a_worker_that_goes_on_reporting_does_not_keep_its_supervisor)
{
	open_pool(WORKERS, 30, 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct event_ring *event_ring = &pool.members[0].event_ring;
		for (;;)
			atomic_store(&event_ring->ring->head,
				     atomic_load(&event_ring->ring->tail) + 1);
	}
	UNIT_WAIT_UNTIL(pool_fetch(&pool, 0));
	for (int i = 0; i < 100; i++)
		pool_fetch_all(&pool);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Whatever a worker wrote into its table, the supervisor does not read beyond the end. */
TEST(a_table_that_was_scribbled_on_has_no_more_clients_than_places)
{
	open_pool(WORKERS, 30, 0);
	for (uint32_t i = 0; i < WORKERS; i++) {
		memset(client_table_at(&pool.tables[i], 0), 0xff, 10 * pool.tables[i].entry_size);
		atomic_store(pool.tables[i].used, UINT32_MAX);
	}
	assert_true(pool_count_clients(&pool) <= 30);
	config.quiet = false;
	unit_capture_begin(&log_of, STDERR_FILENO);
	assert_true(pool_reap(&pool, 0, &killed) <= 10);
	unit_capture_end(&log_of);
	config.quiet = true;
	assert_int_equal(pool_count_clients(&pool), 20);
}

/* ---- a worker that is killed at any moment ---- */

/* Clients come, move a byte and go, without end; the event is written first. */
_Noreturn static void work_for_ever(uint32_t i)
{
	for (uint64_t n = 1;; n++) {
		struct client *client = enter(i, 1 + (unsigned int)(n % 200));
		move(client, 1, 1);
		while (!post_end(i, client))
			sched_yield();
		client_table_remove(&pool.tables[i], client);
	}
}

TEST(whenever_a_worker_is_killed_each_client_it_accepted_is_counted_once)
{
	open_pool(WORKERS, 30, 0);
	for (int round = 0; round < 100; round++) {
		uint32_t i = (uint32_t)round % WORKERS;
		pool.members[i].last_read_serial = 0;
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			work_for_ever(i);
		uint64_t enough = control.totals.ended + 1 + (uint64_t)round * 10;
		while (control.totals.ended < enough)
			pool_fetch_all(&pool);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_true(pool_reap(&pool, i, &killed) <= 1);
		/*
		 * The worker may have been killed between accept() and the entry: then the client
		 * was not in the table.
		 */
		uint64_t missing = control.totals.accepted - control.totals.ended;
		assert_true(missing <= 1);
		control.totals.accepted -= missing;
	}
	assert_int_equal(pool_count_clients(&pool), 0);
	/* Clients that were killed with it may not have received, or not have sent, their byte. */
	assert_true(control.totals.ended - control.totals.in <= 100);
	assert_true(control.totals.in - control.totals.out <= 100);
}

#define POOL_TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(a_pool_serves_when_one_of_its_workers_does),
		POOL_TEST(a_worker_that_ends_early_is_replaced_later_each_time),
		POOL_TEST(the_shares_of_the_workers_add_up_and_differ_by_one_at_most),
		POOL_TEST(every_worker_has_room_for_its_share_and_no_other),
		POOL_TEST(a_pool_that_is_closed_leaves_no_descriptor),
		POOL_TEST(what_a_worker_reports_is_counted_once),
		POOL_TEST(a_client_whose_end_was_reported_is_gone),
		POOL_TEST(the_totals_are_the_ended_and_the_current_clients),
		POOL_TEST(the_clients_of_a_dead_worker_are_counted_as_killed_with_their_bytes),
		POOL_TEST(what_a_dead_worker_had_reported_is_counted_as_reported),
		POOL_TEST(those_of_a_worker_that_failed_ended_by_its_error),
		POOL_TEST(the_next_worker_finds_the_place_empty),
		POOL_TEST(a_worker_has_no_memory_of_the_others),
		POOL_TEST(a_worker_that_goes_on_reporting_does_not_keep_its_supervisor),
		POOL_TEST(a_table_that_was_scribbled_on_has_no_more_clients_than_places),
		POOL_TEST(a_client_passed_on_counts_for_its_source_until_its_end_is_reported),
		POOL_TEST(client_table_of_a_worker_that_died_count_for_their_source_no_more),
		POOL_TEST(a_client_entered_or_reported_by_a_dead_worker_is_counted_once),
		POOL_TEST(whenever_a_worker_is_killed_each_client_it_accepted_is_counted_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
