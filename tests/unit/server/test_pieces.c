/* SPDX-License-Identifier: MIT */
/*
 * Each client who needs one has a piece of his own, and only those who have bytes cost memory.
 */
#include "server/pieces.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

#define MOST ((uint32_t)64)

/* Of several pages, whatever the machine calls a page. */
#define SIZE ((size_t)64 * 1024)

static struct pieces pieces;

static int open_pieces(void **state)
{
	(void)state;
	return pieces_open(&pieces, MOST, SIZE);
}

static int close_pieces(void **state)
{
	(void)state;
	pieces_close(&pieces);
	return 0;
}

/* How many pages of a piece are memory (mincore(2)). */
static size_t pages_of(uint32_t number)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char there[SIZE / 1024];
	size_t n = 0;
	assert_int_equal(mincore(pieces_at(&pieces, number), SIZE, there), 0);
	for (size_t i = 0; i < SIZE / page; i++)
		n += there[i] & 1;
	return n;
}

/* How many of all pieces have pages that are memory. */
static uint32_t count_warm(void)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < MOST; i++)
		n += pages_of(i) > 0;
	return n;
}

static void fill(uint32_t number)
{
	memset(pieces_at(&pieces, number), (int)number + 1, SIZE);
}

static bool is_filled(uint32_t number)
{
	const unsigned char *bytes = pieces_at(&pieces, number);
	for (size_t i = 0; i < SIZE; i++) {
		if (bytes[i] != (unsigned char)(number + 1))
			return false;
	}
	return true;
}

TEST(each_of_most_clients_has_a_piece_of_his_own)
{
	bool seen[MOST] = { false };
	for (uint32_t i = 0; i < MOST; i++) {
		uint32_t number = pieces_take(&pieces);
		assert_true(number < MOST && !seen[number]);
		seen[number] = true;
		fill(number);
	}
	for (uint32_t i = 0; i < MOST; i++)
		assert_true(is_filled(i)); /* none has written into another's */
}

static void take_one_too_many(const void *argument)
{
	(void)argument;
	for (uint32_t i = 0; i <= MOST; i++)
		pieces_take(&pieces);
}

static void give_back_one_too_many(const void *argument)
{
	(void)argument;
	uint32_t number = pieces_take(&pieces);
	pieces_give_back(&pieces, number);
	pieces_give_back(&pieces, number);
}

TEST(one_too_many_and_one_too_few_are_bugs_of_the_caller)
{
	unit_child_dies_of(SIGABRT, take_one_too_many, NULL);
	unit_child_dies_of(SIGABRT, give_back_one_too_many, NULL);
}

TEST(what_was_given_back_is_taken_again_the_latest_first)
{
	uint32_t numbers[4];
	for (size_t i = 0; i < 4; i++)
		numbers[i] = pieces_take(&pieces);
	pieces_give_back(&pieces, numbers[2]);
	pieces_give_back(&pieces, numbers[0]);
	assert_int_equal(pieces_take(&pieces), numbers[0]);
	assert_int_equal(pieces_take(&pieces), numbers[2]);
}

TEST(any_order_of_taking_and_giving_back_gives_nobody_anothers)
{
	bool taken[MOST] = { false };
	uint32_t random = 1, count = 0;
	for (int step = 0; step < 20000; step++) {
		random = random * 1664525 + 1013904223;
		uint32_t number = random >> 16 & (MOST - 1);
		if (taken[number]) {
			pieces_give_back(&pieces, number);
			count--;
		} else if (count < MOST) {
			number = pieces_take(&pieces);
			assert_false(taken[number]);
			count++;
		}
		taken[number] = !taken[number];
	}
}

TEST(a_piece_that_nobody_has_written_to_is_no_memory)
{
	for (uint32_t i = 0; i < MOST; i++)
		pieces_take(&pieces);
	assert_int_equal(count_warm(), 0);
	memset(pieces_at(&pieces, 5), 'x', 1);
	assert_int_equal(pages_of(5), 1);
	assert_int_equal(count_warm(), 1);
}

/* All are taken and filled, then all but so many given back. */
static void have_a_crowd_and_keep(uint32_t n_kept)
{
	for (uint32_t i = 0; i < MOST; i++)
		fill(pieces_take(&pieces));
	assert_int_equal(count_warm(), MOST);
	for (uint32_t i = n_kept; i < MOST; i++)
		pieces_give_back(&pieces, i);
}

TEST(of_those_that_were_given_back_a_few_stay_memory_and_no_more)
{
	have_a_crowd_and_keep(3);
	assert_int_equal(count_warm(), 3 + PIECES_WARM);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(is_filled(i)); /* nobody who has one has lost anything */
}

TEST(the_next_who_needs_one_gets_one_that_is_memory_already)
{
	have_a_crowd_and_keep(0);
	for (int i = 0; i < PIECES_WARM; i++)
		assert_true(pages_of(pieces_take(&pieces)) > 0);
	assert_int_equal(pages_of(pieces_take(&pieces)), 0);
}

TEST(a_crowd_that_comes_and_goes_leaves_no_more_memory_than_the_first)
{
	for (int i = 0; i < 5; i++) {
		have_a_crowd_and_keep(0);
		assert_int_equal(count_warm(), PIECES_WARM);
	}
	/* Nor does one who comes and goes alone. */
	for (int i = 0; i < 100; i++) {
		uint32_t number = pieces_take(&pieces);
		fill(number);
		pieces_give_back(&pieces, number);
	}
	assert_int_equal(count_warm(), PIECES_WARM);
}

TEST(pieces_for_the_most_clients_there_can_be_cost_only_what_is_used)
{
	struct pieces large;
	assert_int_equal(pieces_open(&large, 4000000, SIZE), 0);
	memset(pieces_at(&large, pieces_take(&large)), 'x', SIZE);
	pieces_give_back(&large, 0);
	pieces_close(&large);
	assert_null(large.memory);
	pieces_close(&large);
}

TEST(more_than_there_is_address_space_for_is_an_error)
{
	struct pieces none = { .most = 4242 };
	assert_int_equal(pieces_open(&none, 1024, (size_t)1 << 50), -ENOMEM);
	assert_int_equal(none.most, 4242);
}

#define PIECES_TEST(name) cmocka_unit_test_setup_teardown(name, open_pieces, close_pieces)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PIECES_TEST(each_of_most_clients_has_a_piece_of_his_own),
		PIECES_TEST(one_too_many_and_one_too_few_are_bugs_of_the_caller),
		PIECES_TEST(what_was_given_back_is_taken_again_the_latest_first),
		PIECES_TEST(any_order_of_taking_and_giving_back_gives_nobody_anothers),
		PIECES_TEST(a_piece_that_nobody_has_written_to_is_no_memory),
		PIECES_TEST(of_those_that_were_given_back_a_few_stay_memory_and_no_more),
		PIECES_TEST(the_next_who_needs_one_gets_one_that_is_memory_already),
		PIECES_TEST(a_crowd_that_comes_and_goes_leaves_no_more_memory_than_the_first),
		cmocka_unit_test(pieces_for_the_most_clients_there_can_be_cost_only_what_is_used),
		cmocka_unit_test(more_than_there_is_address_space_for_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
