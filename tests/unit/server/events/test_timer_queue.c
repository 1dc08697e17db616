/* SPDX-License-Identifier: MIT */
/*
 * The client that entered a queue first is due first, at its time and not before, in any sequence
 * of operations. The test compares with a searched list.
 */
#include "server/events/timer_queue.h"

#include <string.h>

#include "base/clock.h"
#include "unit.h"

#define N_CLIENTS 40
#define N_QUEUES  3

static struct queue_timer list[N_CLIENTS];
static struct timer_queue queues[N_QUEUES];
static struct timer_queues timers;

static struct queue_timer *deadline_of(const void *owner, uint32_t index)
{
	assert_ptr_equal(owner, list);
	assert_true(index < N_CLIENTS);
	return &list[index];
}

static void set_spans(uint64_t first, uint64_t second, uint64_t third)
{
	memset(list, 0, sizeof(list));
	memset(queues, 0, sizeof(queues));
	queues[0].span_ns = first;
	queues[1].span_ns = second;
	queues[2].span_ns = third;
	timers = (struct timer_queues){
		.owner = list, .of = deadline_of, .queues = queues, .n_queues = N_QUEUES
	};
}

static int set_up(void **state)
{
	(void)state;
	set_spans(10, 100, 0);
	return 0;
}

TEST(an_empty_queue_has_nothing_due)
{
	uint32_t index = 4242;
	for (unsigned int queue = 0; queue < N_QUEUES; queue++)
		assert_false(timer_queue_due(&timers, queue, UINT64_MAX, &index));
	assert_int_equal(index, 4242);
	assert_int_equal(timer_queue_next_ns(&timers), CLOCK_NEVER);
	timer_queue_leave(&timers, 5); /* it is in none */
	assert_int_equal(timer_queue_next_ns(&timers), CLOCK_NEVER);
}

TEST(an_entry_is_due_at_its_time_and_stays_in_place)
{
	uint32_t index = 4242;
	timer_queue_enter(&timers, 0, 5, 1000);
	assert_int_equal(timer_queue_next_ns(&timers), 1010);
	assert_false(timer_queue_due(&timers, 0, 1009, &index));
	assert_int_equal(index, 4242);
	for (int again = 0; again < 2; again++) {
		assert_true(timer_queue_due(&timers, 0, 1010, &index));
		assert_int_equal(index, 5);
		assert_int_equal(timer_queue_next_ns(&timers), 1010);
	}
	assert_false(timer_queue_due(&timers, 1, 1010, &index));
	timer_queue_leave(&timers, 5);
	assert_false(timer_queue_due(&timers, 0, 1010, &index));
}

TEST(an_entry_added_again_waits_behind_the_others)
{
	uint32_t index;
	timer_queue_enter(&timers, 0, 1, 1000);
	timer_queue_enter(&timers, 0, 2, 1001);
	timer_queue_enter(&timers, 0, 1, 1005);
	assert_true(timer_queue_due(&timers, 0, 1011, &index));
	assert_int_equal(index, 2);
	timer_queue_leave(&timers, 2);
	assert_false(timer_queue_due(&timers, 0, 1014, &index));
	timer_queue_enter(&timers, 0, 1, 1014); /* here the last entry is the first one due */
	assert_false(timer_queue_due(&timers, 0, 1015, &index));
	assert_true(timer_queue_due(&timers, 0, 1024, &index));
	assert_int_equal(index, 1);
}

TEST(an_entry_moved_to_another_queue_is_only_in_that_one)
{
	uint32_t index;
	timer_queue_enter(&timers, 0, 1, 1000);
	timer_queue_enter(&timers, 1, 1, 1000);
	assert_false(timer_queue_due(&timers, 0, 1099, &index));
	assert_int_equal(timer_queue_next_ns(&timers), 1100);
	assert_true(timer_queue_due(&timers, 1, 1100, &index));
	timer_queue_enter(&timers, 2, 1, 1100); /* a queue that is otherwise empty */
	assert_true(timer_queue_due(&timers, 2, 1100, &index));
	assert_false(timer_queue_due(&timers, 1, 1100, &index));
}

/* ---- against a list that is searched through ---- */

/* The expected queue of each client. */
static struct {
	unsigned int queue; /* number + 1, 0: none */
	uint64_t since;
	uint64_t turn; /* entry order for the same time */
} model[N_CLIENTS];

/* Returns the client that has been in a queue longest, N_CLIENTS if the queue is empty. */
static uint32_t first_of(unsigned int queue)
{
	uint32_t first = N_CLIENTS;
	for (uint32_t i = 0; i < N_CLIENTS; i++) {
		if (model[i].queue == queue + 1 &&
		    (first == N_CLIENTS || model[i].turn < model[first].turn))
			first = i;
	}
	return first;
}

/* Time at which the first client of a queue is due. */
static uint64_t due_of(unsigned int queue)
{
	uint32_t first = first_of(queue);
	return first == N_CLIENTS ? CLOCK_NEVER : model[first].since + queues[queue].span_ns;
}

static void assert_as_the_model(uint64_t now)
{
	uint64_t least = CLOCK_NEVER;
	for (unsigned int queue = 0; queue < N_QUEUES; queue++) {
		uint64_t due = due_of(queue);
		uint32_t index = 4242;
		least = due < least ? due : least;
		assert_int_equal(timer_queue_due(&timers, queue, now, &index), due <= now);
		assert_int_equal(index, due <= now ? first_of(queue) : 4242);
	}
	assert_int_equal(timer_queue_next_ns(&timers), least);
}

static uint32_t next_random(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return *random >> 8;
}

/* Takes out due clients, as the owner does in every turn; otherwise they would wait for ever. */
static void take_due(uint64_t now)
{
	for (unsigned int queue = 0; queue < N_QUEUES; queue++) {
		uint32_t index;
		while (timer_queue_due(&timers, queue, now, &index)) {
			assert_int_equal(index, first_of(queue));
			timer_queue_leave(&timers, index);
			model[index].queue = 0;
		}
		assert_true(due_of(queue) > now);
	}
}

/* Makes many random steps from a time on. longest: maximum pause between two of them. */
static void walk_randomly(uint64_t now, uint32_t longest, uint32_t random)
{
	memset(model, 0, sizeof(model));
	for (uint64_t turn = 1; turn <= 20000; turn++) {
		uint32_t index = next_random(&random) % N_CLIENTS;
		unsigned int queue = next_random(&random) % N_QUEUES;
		switch (next_random(&random) % 8) {
		case 0:
			timer_queue_leave(&timers, index);
			model[index].queue = 0;
			break;
		case 1:
			now += next_random(&random) % longest;
			break;
		case 2:
			take_due(now);
			break;
		default:
			timer_queue_enter(&timers, queue, index, now);
			model[index].queue = queue + 1;
			model[index].since = now;
			model[index].turn = turn;
			break;
		}
		assert_as_the_model(now);
	}
	/* All leave, and the queues are empty. */
	for (uint32_t i = 0; i < N_CLIENTS; i++)
		timer_queue_leave(&timers, i);
	static const struct queue_timer none[N_CLIENTS];
	assert_memory_equal(list, none, sizeof(list));
	for (unsigned int queue = 0; queue < N_QUEUES; queue++) {
		assert_int_equal(queues[queue].first, 0);
		assert_int_equal(queues[queue].last, 0);
	}
}

TEST(any_order_of_steps_is_as_a_list_has_it_that_is_searched_through)
{
	for (uint32_t seed = 1; seed <= 5; seed++) {
		set_spans(10, 100, 3);
		walk_randomly(0, 20, seed);
	}
}

/* 100 years, the longest time that an option takes, beside a short one. */
TEST(a_long_time_does_not_make_a_short_one_coarse)
{
	static const uint64_t years_ns = 876000 * UINT64_C(3600) * CLOCK_NS_PER_S;
	for (uint32_t seed = 1; seed <= 5; seed++) {
		set_spans(years_ns, 1, CLOCK_NS_PER_MS);
		walk_randomly(7 * CLOCK_NS_PER_S, UINT32_C(1) << 24, seed);
	}
}

TEST(a_deadline_that_would_overflow_never_comes)
{
	uint32_t index;
	set_spans(CLOCK_NEVER, CLOCK_NEVER - 1, 0);
	timer_queue_enter(&timers, 0, 1, 1000);
	timer_queue_enter(&timers, 1, 2, 1000);
	assert_int_equal(timer_queue_next_ns(&timers), CLOCK_NEVER);
	assert_false(timer_queue_due(&timers, 0, CLOCK_NEVER - 1, &index));
	assert_false(timer_queue_due(&timers, 1, CLOCK_NEVER - 1, &index));
}

#define DEADLINES_TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEADLINES_TEST(an_empty_queue_has_nothing_due),
		DEADLINES_TEST(an_entry_is_due_at_its_time_and_stays_in_place),
		DEADLINES_TEST(an_entry_added_again_waits_behind_the_others),
		DEADLINES_TEST(an_entry_moved_to_another_queue_is_only_in_that_one),
		DEADLINES_TEST(any_order_of_steps_is_as_a_list_has_it_that_is_searched_through),
		DEADLINES_TEST(a_long_time_does_not_make_a_short_one_coarse),
		DEADLINES_TEST(a_deadline_that_would_overflow_never_comes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
