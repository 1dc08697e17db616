/* SPDX-License-Identifier: MIT */
/*
 * When the server's address of many connections is looked up again, and what happens to it. Dialing
 * is simulated.
 */
#include "client/redial.h"

#include <errno.h>

#include "base/clock.h"
#include "unit.h"

#define S CLOCK_NS_PER_S

static struct dialing dialing = { .done_fd = 77 };
static struct dialed dialed;
static int begin_says;
static int n_begun;
static const struct addr *except_given;

int __wrap_dial_begin(const struct dial_request *request, struct dialing **ret_dialing);
struct dialed __wrap_dial_end(struct dialing *ended);

int __wrap_dial_begin(const struct dial_request *request, struct dialing **ret_dialing)
{
	except_given = request->except;
	n_begun++;
	if (begin_says == 0)
		*ret_dialing = &dialing;
	return begin_says;
}

struct dialed __wrap_dial_end(struct dialing *ended)
{
	assert_ptr_equal(ended, &dialing);
	return dialed;
}

TEST(a_pause_begins_with_100_ms_and_doubles_to_5_s)
{
	static const uint64_t ms[] = { 100, 200, 400, 800, 1600, 3200, 5000, 5000 };
	for (uint32_t i = 0; i < ARRAY_LEN(ms); i++)
		assert_int_equal(redial_pause_ns(i + 1), ms[i] * CLOCK_NS_PER_MS);
	assert_int_equal(redial_pause_ns(0), 100 * CLOCK_NS_PER_MS);
	assert_int_equal(redial_pause_ns(UINT32_MAX), 5 * S);
}

static struct redial redial_to(uint16_t port)
{
	begin_says = n_begun = 0;
	return (struct redial){ .addr = addr_wildcard(AF_INET, port) };
}

TEST(one_at_a_time_and_with_a_pause)
{
	struct redial redial = redial_to(1);
	uint64_t now_ns = 1000 * S;
	assert_int_equal(redial_begin(&redial, false, now_ns), 77);
	assert_int_equal(redial_begin(&redial, false, now_ns + S), -1); /* it is in progress */
	dialed = (struct dialed){ .fd = -ECONNREFUSED };
	now_ns += 2 * S;
	for (uint32_t i = 1; i < 9; i++) {
		assert_int_equal(redial_end(&redial, now_ns), -ECONNREFUSED);
		now_ns += redial_pause_ns(i);
		assert_int_equal(redial_begin(&redial, false, now_ns - 1), -1);
		assert_int_equal(redial_begin(&redial, false, now_ns), 77);
	}
	dialed = (struct dialed){ .fd = 5, .addr = redial.addr };
	assert_int_equal(redial_end(&redial, now_ns), 5);
	assert_int_equal(redial_begin(&redial, false, now_ns + redial_pause_ns(1)),
			 77); /* a short wait again */
}

TEST(the_generation_changes_with_the_address)
{
	struct redial redial = redial_to(1);
	assert_int_equal(redial_begin(&redial, false, S), 77);
	dialed = (struct dialed){ .fd = 5, .addr = addr_wildcard(AF_INET, 1) };
	assert_int_equal(redial_end(&redial, S), 5);
	assert_int_equal(redial.generation, 0);
	assert_int_equal(redial_begin(&redial, false, 2 * S), 77);
	dialed.addr = addr_wildcard(AF_INET, 2);
	assert_int_equal(redial_end(&redial, 2 * S), 5);
	assert_int_equal(redial.generation, 1);
	assert_int_equal(addr_port(&redial.addr), 2);
	assert_int_equal(redial_begin(&redial, false, 3 * S), 77);
	dialed = (struct dialed){ .fd = -ETIMEDOUT };
	assert_int_equal(redial_end(&redial, 3 * S), -ETIMEDOUT);
	assert_int_equal(redial.generation, 1);
	assert_int_equal(addr_port(&redial.addr), 2);
}

TEST(an_address_that_is_only_slow_is_left_out)
{
	struct redial redial = redial_to(1);
	assert_int_equal(redial_begin(&redial, true, S), 77);
	assert_ptr_equal(except_given, &redial.addr);
	dialed = (struct dialed){ .fd = -EALREADY }; /* the name has no other address */
	assert_int_equal(redial_end(&redial, S), -EALREADY);
	assert_int_equal(redial_begin(&redial, false, S + redial_pause_ns(1)), 77);
	assert_null(except_given);
}

TEST(a_thread_that_cannot_be_started_is_tried_again_later)
{
	struct redial redial = redial_to(1);
	begin_says = -ENOMEM;
	assert_int_equal(redial_begin(&redial, false, S), -1);
	assert_int_equal(redial_begin(&redial, false, S), -1);
	assert_int_equal(n_begun, 1);
	begin_says = 0;
	assert_int_equal(redial_begin(&redial, false, 2 * S), 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_begins_with_100_ms_and_doubles_to_5_s),
		cmocka_unit_test(one_at_a_time_and_with_a_pause),
		cmocka_unit_test(the_generation_changes_with_the_address),
		cmocka_unit_test(an_address_that_is_only_slow_is_left_out),
		cmocka_unit_test(a_thread_that_cannot_be_started_is_tried_again_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
