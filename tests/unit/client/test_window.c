/* SPDX-License-Identifier: MIT */
/*
 * Each returned byte is compared with the sent one, wherever it is in the ring. A wrong byte, or
 * one that was never sent, is found at its offset.
 */
#include "client/window.h"

#include <string.h>

#include "unit.h"

/* A megabyte: too large for the stack, and shared by all tests. */
static struct window window;

/* Returns the byte at an offset of the stream; no short period divides the size of the ring. */
static unsigned char byte_at(uint64_t offset)
{
	return (unsigned char)(offset * 31 + offset / 251);
}

static unsigned char stream[WINDOW_SIZE + 16];

/* Returns `n` bytes of the stream from an offset on, as they come back. */
static unsigned char *stream_from(uint64_t offset, size_t n)
{
	assert_true(n <= sizeof(stream));
	for (size_t i = 0; i < n; i++)
		stream[i] = byte_at(offset + i);
	return stream;
}

/* Takes up to n contiguous bytes of input. Returns the number of bytes. */
static size_t take(size_t n)
{
	unsigned char *room;
	size_t size = window_room(&window, &room);
	size = size < n ? size : n;
	for (size_t i = 0; i < size; i++)
		room[i] = byte_at(window.taken + i);
	window_add(&window, size);
	return size;
}

static void take_all(size_t n)
{
	while (n > 0) {
		size_t size = take(n);
		assert_true(size > 0);
		n -= size;
	}
}

static void send_all(void)
{
	const unsigned char *bytes;
	size_t size;
	while ((size = window_unsent(&window, &bytes)) > 0) {
		for (size_t i = 0; i < size; i++)
			assert_int_equal(bytes[i], byte_at(window.sent + i));
		window_send(&window, size);
	}
}

static enum window_verdict give_back(size_t n)
{
	unsigned char sent;
	return window_verify(&window, stream_from(window.returned, n), n, &sent);
}

/* Begins a window through which `offset` bytes have already gone. */
static int begin_at(uint64_t offset)
{
	memset(&window, 0, sizeof(window));
	window.taken = window.sent = window.returned = offset;
	return 0;
}

static int begin(void **state)
{
	(void)state;
	return begin_at(0);
}

TEST(a_zeroed_window_is_empty_and_has_room)
{
	unsigned char *room;
	const unsigned char *bytes;
	assert_int_equal(window_room(&window, &room), WINDOW_SIZE);
	assert_ptr_equal(room, window.ring);
	assert_int_equal(window_unsent(&window, &bytes), 0);
	assert_int_equal(window_in_flight(&window), 0);
}

TEST(bytes_are_unsent_then_in_flight_then_returned)
{
	const unsigned char *bytes;
	assert_int_equal(take(300), 300);
	assert_int_equal(window_unsent(&window, &bytes), 300);
	assert_int_equal(window_in_flight(&window), 0);
	window_send(&window, 120);
	assert_int_equal(window_unsent(&window, &bytes), 180);
	assert_int_equal(bytes[0], byte_at(120));
	assert_int_equal(window_in_flight(&window), 120);
	assert_int_equal(give_back(50), WINDOW_SAME);
	assert_int_equal(window_in_flight(&window), 70);
	assert_int_equal(window.returned, 50);
	assert_int_equal(window_first_in_flight(&window, &bytes), 70);
	assert_int_equal(bytes[0], byte_at(50));
}

TEST(a_full_window_has_no_room_until_something_comes_back)
{
	unsigned char *room;
	take_all(WINDOW_SIZE);
	assert_int_equal(window_room(&window, &room), 0);
	send_all();
	assert_int_equal(window_room(&window, &room), 0);
	assert_int_equal(window_in_flight(&window), WINDOW_SIZE);
	assert_int_equal(give_back(1), WINDOW_SAME);
	assert_int_equal(window_room(&window, &room), 1);
	assert_ptr_equal(room, window.ring);
}

TEST(a_stream_goes_through_in_steps_that_fit_nowhere)
{
	/* Odd steps, so that cuts fall at every place; five times round the ring. */
	size_t step = 1;
	while (window.returned < 5 * WINDOW_SIZE) {
		take(step * 3 % 70001 + 1);
		send_all();
		size_t flying = window_in_flight(&window);
		size_t n = step * 7 % 50021 + 1;
		assert_int_equal(give_back(n < flying ? n : flying), WINDOW_SAME);
		assert_true(window.returned <= window.sent && window.sent <= window.taken);
		assert_true(window.taken <= window.returned + WINDOW_SIZE);
		step += 997;
	}
	assert_int_equal(give_back(window_in_flight(&window)), WINDOW_SAME);
	assert_int_equal(window_in_flight(&window), 0);
}

TEST(offsets_go_beyond_32_bits)
{
	begin_at((UINT64_C(1) << 32) - 100);
	take_all(WINDOW_SIZE);
	send_all();
	assert_int_equal(give_back(WINDOW_SIZE), WINDOW_SAME);
	assert_int_equal(window.returned, (UINT64_C(1) << 32) - 100 + WINDOW_SIZE);
}

/* ---- what is wrong ---- */

/* n bytes come back of which the one at `wrong` differs. */
static void assert_found_at(size_t n, size_t wrong)
{
	uint64_t first = window.returned;
	unsigned char sent = 0;
	unsigned char *bytes = stream_from(first, n);
	bytes[wrong] ^= 0x80;
	assert_int_equal(window_verify(&window, bytes, n, &sent), WINDOW_DIFFERS);
	assert_int_equal(window.returned, first + wrong);
	assert_int_equal(sent, byte_at(first + wrong));
}

TEST(a_wrong_byte_is_found_at_every_place_of_what_came_back)
{
	enum { N = 64 };
	for (size_t wrong = 0; wrong < N; wrong++) {
		/* The end of the ring is before, in and after the block. */
		for (size_t before_end = 0; before_end <= N; before_end++) {
			begin_at(3 * WINDOW_SIZE - before_end);
			take_all(N);
			send_all();
			assert_found_at(N, wrong);
		}
	}
}

TEST(a_wrong_byte_is_found_at_every_place_of_the_ring)
{
	unsigned char wrong, sent = 0;
	take_all(WINDOW_SIZE);
	send_all();
	for (size_t place = 0; place < WINDOW_SIZE; place++) {
		wrong = byte_at(place) ^ 0x01;
		window.returned = place;
		if (window_verify(&window, &wrong, 1, &sent) != WINDOW_DIFFERS ||
		    window.returned != place || sent != byte_at(place))
			fail_msg("not found at %zu", place);
	}
}

TEST(a_wrong_byte_is_found_at_the_far_end_of_a_full_window)
{
	begin_at(WINDOW_SIZE / 3);
	take_all(WINDOW_SIZE);
	send_all();
	assert_found_at(WINDOW_SIZE, WINDOW_SIZE - 1);
}

TEST(a_byte_too_many_was_never_sent)
{
	unsigned char sent = 0x5a;
	take_all(100);
	send_all();
	unsigned char *bytes = stream_from(0, 101);
	assert_int_equal(window_verify(&window, bytes, 101, &sent), WINDOW_SURPLUS);
	assert_int_equal(window.returned, 100);
	assert_int_equal(sent, 0x5a);
}

TEST(what_was_taken_and_not_sent_cannot_have_come_back)
{
	unsigned char sent;
	take_all(100);
	window_send(&window, 40);
	assert_int_equal(window_verify(&window, stream_from(0, 100), 100, &sent), WINDOW_SURPLUS);
	assert_int_equal(window.returned, 40);
}

TEST(a_byte_from_nowhere_was_never_sent)
{
	unsigned char sent;
	assert_int_equal(window_verify(&window, stream_from(0, 1), 1, &sent), WINDOW_SURPLUS);
	assert_int_equal(window.returned, 0);
}

TEST(a_surplus_behind_a_full_window_is_no_second_round)
{
	unsigned char sent;
	take_all(WINDOW_SIZE);
	send_all();
	assert_int_equal(
		window_verify(&window, stream_from(0, WINDOW_SIZE + 5), WINDOW_SIZE + 5, &sent),
		WINDOW_SURPLUS);
	assert_int_equal(window.returned, WINDOW_SIZE);
}

TEST(a_wrong_byte_before_a_surplus_comes_first)
{
	unsigned char sent = 0;
	take_all(100);
	send_all();
	unsigned char *bytes = stream_from(0, 110);
	bytes[99] ^= 0xff;
	assert_int_equal(window_verify(&window, bytes, 110, &sent), WINDOW_DIFFERS);
	assert_int_equal(window.returned, 99);
	assert_int_equal(sent, byte_at(99));
}

TEST(nothing_that_comes_back_is_the_same)
{
	unsigned char sent;
	assert_int_equal(window_verify(&window, stream, 0, &sent), WINDOW_SAME);
}

/* ---- what only a bug can do ---- */

static void take_too_much(const void *argument)
{
	(void)argument;
	begin_at(0);
	window_add(&window, WINDOW_SIZE + 1);
}

static void send_too_much(const void *argument)
{
	(void)argument;
	begin_at(0);
	window_add(&window, 5);
	window_send(&window, 6);
}

TEST(more_than_there_is_room_for_is_a_bug_of_the_caller)
{
	unit_child_dies_of(SIGABRT, take_too_much, NULL);
	unit_child_dies_of(SIGABRT, send_too_much, NULL);
}

#define WINDOW_TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WINDOW_TEST(a_zeroed_window_is_empty_and_has_room),
		WINDOW_TEST(bytes_are_unsent_then_in_flight_then_returned),
		WINDOW_TEST(a_full_window_has_no_room_until_something_comes_back),
		WINDOW_TEST(a_stream_goes_through_in_steps_that_fit_nowhere),
		WINDOW_TEST(offsets_go_beyond_32_bits),
		WINDOW_TEST(a_wrong_byte_is_found_at_every_place_of_what_came_back),
		WINDOW_TEST(a_wrong_byte_is_found_at_every_place_of_the_ring),
		WINDOW_TEST(a_wrong_byte_is_found_at_the_far_end_of_a_full_window),
		WINDOW_TEST(a_byte_too_many_was_never_sent),
		WINDOW_TEST(what_was_taken_and_not_sent_cannot_have_come_back),
		WINDOW_TEST(a_byte_from_nowhere_was_never_sent),
		WINDOW_TEST(a_surplus_behind_a_full_window_is_no_second_round),
		WINDOW_TEST(a_wrong_byte_before_a_surplus_comes_first),
		WINDOW_TEST(nothing_that_comes_back_is_the_same),
		WINDOW_TEST(more_than_there_is_room_for_is_a_bug_of_the_caller),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
