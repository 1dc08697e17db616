/* SPDX-License-Identifier: MIT */
/*
 * The book of a connection: which messages are under way, and which byte belongs to which.
 */
#include "client/lanes.h"

#include "unit.h"

#define SIZE  100
#define DEPTH 3

static struct lanes lanes;
static struct lane *lane;

static int begin(void **state)
{
	(void)state;
	assert_int_equal(lanes_open(&lanes, 2, DEPTH, SIZE), 0);
	lane = &lanes.list[1];
	lane_begin_connection(lane, 7, 42, payload_of(1, 42));
	return 0;
}

static int end(void **state)
{
	(void)state;
	lanes_close(&lanes);
	return 0;
}

static void begin_message(uint64_t due_ns)
{
	lane_begin_message(&lanes, lane, (struct flight){ .due_ns = due_ns, .begun_ns = due_ns });
}

TEST(a_new_one_is_closed_and_has_no_socket)
{
	assert_int_equal(lanes.list[0].fd, -1);
	assert_int_equal(lanes.list[0].state, LANE_CLOSED);
	assert_int_equal(lane_in_flight(&lanes.list[0]), 0);
}

TEST(messages_are_to_be_sent_as_they_begin)
{
	begin_message(1);
	begin_message(2);
	assert_int_equal(lane_in_flight(lane), 2);
	assert_int_equal(lane_unsent(&lanes, lane), 2 * SIZE);
	lane->sent += SIZE + 1;
	assert_int_equal(lane_unsent(&lanes, lane), SIZE - 1);
}

TEST(the_oldest_is_back_with_its_last_byte)
{
	begin_message(1);
	begin_message(2);
	lane->sent = 2 * SIZE;
	lane->returned = SIZE - 1;
	assert_false(lane_has_back(&lanes, lane));
	lane->returned = SIZE;
	assert_true(lane_has_back(&lanes, lane));
	assert_int_equal(lane_oldest(&lanes, lane)->due_ns, 1);
	lane->n_back++;
	assert_false(lane_has_back(&lanes, lane));
	assert_int_equal(lane_oldest(&lanes, lane)->due_ns, 2);
	lane->returned = 2 * SIZE;
	assert_true(lane_has_back(&lanes, lane));
}

TEST(the_places_of_those_that_are_back_are_for_others)
{
	for (uint64_t i = 0; i < 10 * DEPTH; i++) {
		if (lane_in_flight(lane) == DEPTH) {
			assert_int_equal(lane_oldest(&lanes, lane)->due_ns, i - DEPTH);
			lane->n_back++;
		}
		begin_message(i);
	}
	assert_int_equal(lane_in_flight(lane), DEPTH);
}

TEST(neighbours_have_their_own_places)
{
	lane_begin_message(&lanes, &lanes.list[0], (struct flight){ .due_ns = 9 });
	for (uint64_t i = 0; i < DEPTH; i++)
		begin_message(i);
	assert_int_equal(lane_oldest(&lanes, &lanes.list[0])->due_ns, 9);
	assert_int_equal(lane_oldest(&lanes, lane)->due_ns, 0);
}

TEST(a_new_connection_starts_from_nothing)
{
	begin_message(1);
	lane->sent = lane->returned = 50;
	lane_begin_connection(lane, 8, 43, payload_of(1, 43));
	assert_int_equal(lane_in_flight(lane), 0);
	assert_int_equal(lane_unsent(&lanes, lane), 0);
	assert_int_equal(lane->returned, 0);
	assert_int_equal(lane->number, 43);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_one_is_closed_and_has_no_socket, begin, end),
		cmocka_unit_test_setup_teardown(messages_are_to_be_sent_as_they_begin, begin, end),
		cmocka_unit_test_setup_teardown(the_oldest_is_back_with_its_last_byte, begin, end),
		cmocka_unit_test_setup_teardown(the_places_of_those_that_are_back_are_for_others,
						begin, end),
		cmocka_unit_test_setup_teardown(neighbours_have_their_own_places, begin, end),
		cmocka_unit_test_setup_teardown(a_new_connection_starts_from_nothing, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
