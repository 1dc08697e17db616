/* SPDX-License-Identifier: MIT */
/*
 * The wait queue keeps the order of arrival, and its limit is fair to sources. That its connections
 * are served and dropped is tested in test_admission.c.
 */
#include "server/wait_queue.h"

#include <arpa/inet.h>

#include "unit.h"

static struct wait_queue queue;

static int begin(void **state)
{
	(void)state;
	queue = (struct wait_queue){ 0 };
	wait_queue_setup(&queue, UINT64_MAX);
	return 0;
}

/* A client from 192.0.2.N. */
static struct peer from(unsigned int n)
{
	struct addr addr = addr_wildcard(AF_INET, 51334);
	addr.v4.sin_addr.s_addr = htonl(0xc0000200 + n);
	return peer_of(-1, &addr);
}

/* Appends a connection from 192.0.2.N; its descriptor is its number. */
static void append(int number, unsigned int n)
{
	const struct waiting_client waiting = { .fd = number, .peer = from(n) };
	wait_queue_insert(&queue, queue.n, waiting);
}

static size_t find_excess_for(unsigned int n)
{
	const struct peer peer = from(n);
	return wait_queue_find_excess(&queue, &peer);
}

TEST(the_limit_is_a_share_of_the_descriptors_and_bounded)
{
	static const struct {
		uint64_t descriptors;
		size_t limit;
	} rows[] = {
		{ 64, 16 },
		{ UINT64_C(4) * WAIT_QUEUE_MAX - 4, WAIT_QUEUE_MAX - 1 },
		{ UINT64_C(4) * WAIT_QUEUE_MAX, WAIT_QUEUE_MAX },
		{ UINT64_C(16) * WAIT_QUEUE_MAX, WAIT_QUEUE_MAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		wait_queue_setup(&queue, rows[i].descriptors);
		assert_int_equal(queue.limit, rows[i].limit);
	}
}

TEST(a_connection_that_is_put_back_keeps_its_place_and_its_time)
{
	for (int i = 0; i < 3; i++)
		append(i, 1);
	struct waiting_client waiting = wait_queue_remove(&queue, 1);
	assert_int_equal(waiting.fd, 1);
	assert_int_equal(queue.list[1].fd, 2);
	waiting.start_ns = 17;
	wait_queue_insert(&queue, 1, waiting);
	for (int i = 0; i < 3; i++)
		assert_int_equal(queue.list[i].fd, i);
	assert_int_equal(queue.list[1].start_ns, 17);
}

TEST(the_latest_connection_of_the_source_with_the_most_gives_way)
{
	append(0, 1);
	append(1, 1);
	append(2, 2);
	append(3, 1);
	append(4, 2);
	assert_int_equal(find_excess_for(3), 3);       /* three entries against none */
	assert_int_equal(find_excess_for(2), queue.n); /* three against two */
	assert_int_equal(find_excess_for(1), queue.n); /* its own source has the most */
}

TEST(unix_clients_do_not_give_way)
{
	const struct waiting_client waiting = { .peer = { .family = AF_UNIX } };
	for (int i = 0; i < 3; i++)
		wait_queue_insert(&queue, 0, waiting);
	assert_int_equal(find_excess_for(1), queue.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_limit_is_a_share_of_the_descriptors_and_bounded, begin),
		cmocka_unit_test_setup(a_connection_that_is_put_back_keeps_its_place_and_its_time,
				       begin),
		cmocka_unit_test_setup(the_latest_connection_of_the_source_with_the_most_gives_way,
				       begin),
		cmocka_unit_test_setup(unix_clients_do_not_give_way, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
