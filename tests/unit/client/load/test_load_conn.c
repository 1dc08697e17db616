/* SPDX-License-Identifier: MIT */
/* The requests of a connection: which messages are in flight, and which byte belongs to which. */
#include "client/load/load_conn.h"

#include "unit.h"

#define SIZE  100
#define DEPTH 3

static struct load_conns conns;
static struct load_conn *conn;

static int begin(void **state)
{
	(void)state;
	assert_int_equal(load_conns_open(&conns, 2, DEPTH, SIZE), 0);
	conn = &conns.list[1];
	load_conn_begin_connection(conn, 7, 1, 42);
	return 0;
}

static int end(void **state)
{
	(void)state;
	load_conns_close(&conns);
	return 0;
}

static void begin_message(uint64_t due_ns)
{
	load_conn_begin_message(&conns, conn,
				(struct request){ .due_ns = due_ns, .begun_ns = due_ns });
}

TEST(a_new_one_is_closed_and_has_no_socket)
{
	assert_int_equal(conns.list[0].fd, -1);
	assert_int_equal(conns.list[0].state, LOAD_CONN_CLOSED);
	assert_int_equal(load_conn_in_flight(&conns.list[0]), 0);
}

TEST(messages_are_to_be_sent_as_they_begin)
{
	begin_message(1);
	begin_message(2);
	assert_int_equal(load_conn_in_flight(conn), 2);
	assert_int_equal(stream_unsent(&conn->stream), 2 * SIZE);
	conn->stream.sent += SIZE + 1;
	assert_int_equal(stream_unsent(&conn->stream), SIZE - 1);
}

TEST(the_oldest_is_back_with_its_last_byte)
{
	begin_message(1);
	begin_message(2);
	conn->stream.sent = 2 * SIZE;
	conn->stream.returned = SIZE - 1;
	assert_false(load_conn_has_back(&conns, conn));
	conn->stream.returned = SIZE;
	assert_true(load_conn_has_back(&conns, conn));
	assert_int_equal(load_conn_oldest(&conns, conn)->due_ns, 1);
	conn->n_back++;
	assert_false(load_conn_has_back(&conns, conn));
	assert_int_equal(load_conn_oldest(&conns, conn)->due_ns, 2);
	conn->stream.returned = 2 * SIZE;
	assert_true(load_conn_has_back(&conns, conn));
}

TEST(the_places_of_those_that_are_back_are_for_others)
{
	for (uint64_t i = 0; i < 10 * DEPTH; i++) {
		if (load_conn_in_flight(conn) == DEPTH) {
			assert_int_equal(load_conn_oldest(&conns, conn)->due_ns, i - DEPTH);
			conn->n_back++;
		}
		begin_message(i);
	}
	assert_int_equal(load_conn_in_flight(conn), DEPTH);
}

TEST(adjacent_slots_are_separate)
{
	load_conn_begin_message(&conns, &conns.list[0], (struct request){ .due_ns = 9 });
	for (uint64_t i = 0; i < DEPTH; i++)
		begin_message(i);
	assert_int_equal(load_conn_oldest(&conns, &conns.list[0])->due_ns, 9);
	assert_int_equal(load_conn_oldest(&conns, conn)->due_ns, 0);
}

TEST(a_new_connection_starts_from_nothing)
{
	begin_message(1);
	conn->stream.sent = conn->stream.returned = 50;
	load_conn_begin_connection(conn, 8, 1, 43);
	assert_int_equal(load_conn_in_flight(conn), 0);
	assert_int_equal(stream_unsent(&conn->stream), 0);
	assert_int_equal(conn->stream.returned, 0);
	assert_int_equal(conn->stream.number, 43);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_one_is_closed_and_has_no_socket, begin, end),
		cmocka_unit_test_setup_teardown(messages_are_to_be_sent_as_they_begin, begin, end),
		cmocka_unit_test_setup_teardown(the_oldest_is_back_with_its_last_byte, begin, end),
		cmocka_unit_test_setup_teardown(the_places_of_those_that_are_back_are_for_others,
						begin, end),
		cmocka_unit_test_setup_teardown(adjacent_slots_are_separate, begin, end),
		cmocka_unit_test_setup_teardown(a_new_connection_starts_from_nothing, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
