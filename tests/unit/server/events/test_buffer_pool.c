/* SPDX-License-Identifier: MIT */
/* Each client that needs a buffer has its own, and only buffers with bytes use memory. */
#include "server/events/buffer_pool.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

#define MOST ((uint32_t)64)

/* Several pages, whatever the page size of the machine is. */
#define SIZE ((size_t)64 * 1024)

static struct buffer_pool pool;

static int open_pieces(void **state)
{
	(void)state;
	return buffer_pool_open(&pool, MOST, SIZE);
}

static int close_pieces(void **state)
{
	(void)state;
	buffer_pool_close(&pool);
	return 0;
}

/* Returns the number of resident pages of a buffer (mincore(2)). */
static size_t pages_of(uint32_t number)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char there[SIZE / 1024];
	size_t n = 0;
	assert_int_equal(mincore(buffer_pool_at(&pool, number), SIZE, there), 0);
	for (size_t i = 0; i < SIZE / page; i++)
		n += there[i] & 1;
	return n;
}

/* Returns the number of buffers with resident pages. */
static uint32_t count_warm(void)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < MOST; i++)
		n += pages_of(i) > 0;
	return n;
}

static void fill(uint32_t number)
{
	memset(buffer_pool_at(&pool, number), (int)number + 1, SIZE);
}

static bool is_filled(uint32_t number)
{
	const unsigned char *bytes = buffer_pool_at(&pool, number);
	for (size_t i = 0; i < SIZE; i++) {
		if (bytes[i] != (unsigned char)(number + 1))
			return false;
	}
	return true;
}

TEST(each_of_the_maximum_of_clients_has_its_own_buffer)
{
	bool seen[MOST] = { false };
	for (uint32_t i = 0; i < MOST; i++) {
		uint32_t number = buffer_pool_take(&pool);
		assert_true(number < MOST && !seen[number]);
		seen[number] = true;
		fill(number);
	}
	for (uint32_t i = 0; i < MOST; i++)
		assert_true(is_filled(i)); /* no buffer overlaps another */
}

static void take_one_too_many(const void *argument)
{
	(void)argument;
	for (uint32_t i = 0; i <= MOST; i++)
		buffer_pool_take(&pool);
}

static void give_back_one_too_many(const void *argument)
{
	(void)argument;
	uint32_t number = buffer_pool_take(&pool);
	buffer_pool_give_back(&pool, number);
	buffer_pool_give_back(&pool, number);
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
		numbers[i] = buffer_pool_take(&pool);
	buffer_pool_give_back(&pool, numbers[2]);
	buffer_pool_give_back(&pool, numbers[0]);
	assert_int_equal(buffer_pool_take(&pool), numbers[0]);
	assert_int_equal(buffer_pool_take(&pool), numbers[2]);
}

TEST(any_order_of_taking_and_returning_gives_no_buffer_twice)
{
	bool taken[MOST] = { false };
	uint32_t random = 1, count = 0;
	for (int step = 0; step < 20000; step++) {
		random = random * 1664525 + 1013904223;
		uint32_t number = random >> 16 & (MOST - 1);
		if (taken[number]) {
			buffer_pool_give_back(&pool, number);
			count--;
		} else if (count < MOST) {
			number = buffer_pool_take(&pool);
			assert_false(taken[number]);
			count++;
		}
		taken[number] = !taken[number];
	}
}

TEST(a_buffer_never_written_to_takes_no_memory)
{
	for (uint32_t i = 0; i < MOST; i++)
		buffer_pool_take(&pool);
	assert_int_equal(count_warm(), 0);
	memset(buffer_pool_at(&pool, 5), 'x', 1);
	assert_int_equal(pages_of(5), 1);
	assert_int_equal(count_warm(), 1);
}

/* Takes and fills all buffers, then returns all except n_kept. */
static void have_many_and_keep(uint32_t n_kept)
{
	for (uint32_t i = 0; i < MOST; i++)
		fill(buffer_pool_take(&pool));
	assert_int_equal(count_warm(), MOST);
	for (uint32_t i = n_kept; i < MOST; i++)
		buffer_pool_give_back(&pool, i);
}

TEST(of_those_that_were_given_back_a_few_stay_memory_and_no_more)
{
	have_many_and_keep(3);
	assert_int_equal(count_warm(), 3 + BUFFER_POOL_WARM);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(is_filled(i)); /* no remaining buffer has lost bytes */
}

TEST(the_next_client_gets_a_buffer_that_is_memory_already)
{
	have_many_and_keep(0);
	for (int i = 0; i < BUFFER_POOL_WARM; i++)
		assert_true(pages_of(buffer_pool_take(&pool)) > 0);
	assert_int_equal(pages_of(buffer_pool_take(&pool)), 0);
}

TEST(many_clients_that_come_and_go_leave_no_more_memory_than_the_first)
{
	for (int i = 0; i < 5; i++) {
		have_many_and_keep(0);
		assert_int_equal(count_warm(), BUFFER_POOL_WARM);
	}
	/* Memory stays the same while one client at a time comes and goes. */
	for (int i = 0; i < 100; i++) {
		uint32_t number = buffer_pool_take(&pool);
		fill(number);
		buffer_pool_give_back(&pool, number);
	}
	assert_int_equal(count_warm(), BUFFER_POOL_WARM);
}

TEST(buffer_pool_for_the_most_clients_there_can_be_cost_only_what_is_used)
{
	struct buffer_pool large;
	assert_int_equal(buffer_pool_open(&large, 4000000, SIZE), 0);
	memset(buffer_pool_at(&large, buffer_pool_take(&large)), 'x', SIZE);
	buffer_pool_give_back(&large, 0);
	buffer_pool_close(&large);
	assert_null(large.memory);
	buffer_pool_close(&large);
}

TEST(more_than_there_is_address_space_for_is_an_error)
{
	struct buffer_pool none = { .max = 4242 };
	assert_int_equal(buffer_pool_open(&none, 1024, (size_t)1 << 50), -ENOMEM);
	assert_int_equal(none.max, 4242);
}

#define BUFFER_POOL_TEST(name) cmocka_unit_test_setup_teardown(name, open_pieces, close_pieces)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUFFER_POOL_TEST(each_of_the_maximum_of_clients_has_its_own_buffer),
		BUFFER_POOL_TEST(one_too_many_and_one_too_few_are_bugs_of_the_caller),
		BUFFER_POOL_TEST(what_was_given_back_is_taken_again_the_latest_first),
		BUFFER_POOL_TEST(any_order_of_taking_and_returning_gives_no_buffer_twice),
		BUFFER_POOL_TEST(a_buffer_never_written_to_takes_no_memory),
		BUFFER_POOL_TEST(of_those_that_were_given_back_a_few_stay_memory_and_no_more),
		BUFFER_POOL_TEST(the_next_client_gets_a_buffer_that_is_memory_already),
		BUFFER_POOL_TEST(many_clients_that_come_and_go_leave_no_more_memory_than_the_first),
		cmocka_unit_test(
			buffer_pool_for_the_most_clients_there_can_be_cost_only_what_is_used),
		cmocka_unit_test(more_than_there_is_address_space_for_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
