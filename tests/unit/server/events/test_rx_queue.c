/* SPDX-License-Identifier: MIT */
/*
 * The queue keeps the order and the sizes of each connection's buffers: compared with a copied
 * list.
 */
#include "server/events/rx_queue.h"

#include <signal.h>
#include <string.h>

#include "unit.h"

#define N_QUEUES 5

static struct rx_buffers rx;
static struct rx_queue queues[N_QUEUES];

static int begin(void **state)
{
	(void)state;
	memset(queues, 0, sizeof(queues));
	memset(&rx, 0xff, sizeof(rx)); /* former contents do not matter */
	return 0;
}

static void assert_taken(struct rx_queue *queue, int buffer, int size)
{
	int found_size = -1;
	assert_int_equal(rx_queue_take(&rx, queue, &found_size), buffer);
	assert_int_equal(found_size, size);
}

TEST(a_new_queue_is_empty)
{
	assert_false(rx_queue_any(&queues[0]));
	assert_false(rx_queue_several(&queues[0]));
}

TEST(buffers_are_taken_in_the_order_in_which_they_came_with_their_sizes)
{
	rx_queue_put(&rx, &queues[0], 7, 1);
	assert_true(rx_queue_any(&queues[0]));
	assert_false(rx_queue_several(&queues[0]));
	rx_queue_put(&rx, &queues[0], 0, UINT16_MAX);
	rx_queue_put(&rx, &queues[0], RX_BUFFERS_MAX - 1, 4096);
	assert_true(rx_queue_several(&queues[0]));
	assert_taken(&queues[0], 7, 1);
	assert_taken(&queues[0], 0, UINT16_MAX);
	assert_false(rx_queue_several(&queues[0]));
	assert_taken(&queues[0], RX_BUFFERS_MAX - 1, 4096);
	assert_false(rx_queue_any(&queues[0]));
	assert_false(rx_queue_several(&queues[0]));
}

TEST(a_buffer_that_was_taken_can_come_again_to_another)
{
	rx_queue_put(&rx, &queues[0], 3, 10);
	rx_queue_put(&rx, &queues[0], 4, 11);
	assert_taken(&queues[0], 3, 10);
	rx_queue_put(&rx, &queues[1], 3, 20);
	rx_queue_put(&rx, &queues[0], 5, 12);
	assert_taken(&queues[1], 3, 20);
	assert_false(rx_queue_any(&queues[1]));
	assert_taken(&queues[0], 4, 11);
	assert_taken(&queues[0], 5, 12);
}

/* ---- against lists that are copied ---- */

static struct {
	int n, buffers[RX_BUFFERS_MAX], sizes[RX_BUFFERS_MAX];
} model[N_QUEUES];

static uint32_t next_random(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return *random >> 8;
}

static void take_first(unsigned int queue, bool *is_taken)
{
	int buffer = model[queue].buffers[0];
	assert_taken(&queues[queue], buffer, model[queue].sizes[0]);
	is_taken[buffer] = false;
	model[queue].n--;
	size_t left = (size_t)model[queue].n * sizeof(int);
	memmove(model[queue].buffers, model[queue].buffers + 1, left);
	memmove(model[queue].sizes, model[queue].sizes + 1, left);
}

TEST(any_order_of_steps_is_as_lists_have_it_that_are_copied)
{
	bool is_taken[RX_BUFFERS_MAX] = { false };
	uint32_t random = 9877;
	memset(model, 0, sizeof(model));
	for (int step = 0; step < 50000; step++) {
		unsigned int queue = next_random(&random) % N_QUEUES;
		int buffer = (int)(next_random(&random) % RX_BUFFERS_MAX);
		if (!is_taken[buffer]) {
			int size = 1 + (int)(next_random(&random) % UINT16_MAX);
			rx_queue_put(&rx, &queues[queue], buffer, size);
			model[queue].buffers[model[queue].n] = buffer;
			model[queue].sizes[model[queue].n++] = size;
			is_taken[buffer] = true;
		} else if (model[queue].n > 0) {
			take_first(queue, is_taken);
		}
		assert_int_equal(rx_queue_any(&queues[queue]), model[queue].n > 0);
		assert_int_equal(rx_queue_several(&queues[queue]), model[queue].n > 1);
	}
}

/* ---- what only a bug can do ---- */

static void put_too_much(const void *argument)
{
	rx_queue_put(&rx, &queues[0], 1, *(const int *)argument);
}

static void take_of_nothing(const void *argument)
{
	(void)argument;
	int size;
	rx_queue_take(&rx, &queues[0], &size);
}

TEST(an_empty_a_too_large_and_an_unowned_buffer_are_bugs)
{
	static const int empty = 0, too_large = UINT16_MAX + 1;
	unit_child_dies_of(SIGABRT, put_too_much, &empty);
	unit_child_dies_of(SIGABRT, put_too_much, &too_large);
	unit_child_dies_of(SIGABRT, take_of_nothing, NULL);
}

#define ARRIVALS_TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARRIVALS_TEST(a_new_queue_is_empty),
		ARRIVALS_TEST(buffers_are_taken_in_the_order_in_which_they_came_with_their_sizes),
		ARRIVALS_TEST(a_buffer_that_was_taken_can_come_again_to_another),
		ARRIVALS_TEST(any_order_of_steps_is_as_lists_have_it_that_are_copied),
		ARRIVALS_TEST(an_empty_a_too_large_and_an_unowned_buffer_are_bugs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
