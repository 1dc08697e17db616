/* SPDX-License-Identifier: MIT */
/*
 * The standard deviation of times.
 */
#include "stats/deviation.h"

#include "base/clock.h"
#include "unit.h"

#define S CLOCK_NS_PER_S

TEST(it_is_exact)
{
	static const struct {
		uint64_t times[4], deviation_ns;
		int n;
	} cases[] = {
		{ { 0 }, 0, 0 },
		{ { 5 }, 0, 1 },
		{ { 1, 3 }, 1, 2 },
		{ { 2, 4, 4, 6 }, 1, 4 }, /* 1.41 rounded down */
		/* small compared with the times */
		{ { 3600 * S, 3600 * S, 3600 * S + 2000 }, 942, 3 },
		{ { 0, 24 * 3600 * S }, 12 * 3600 * S, 2 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct deviation deviation = { 0 };
		for (int k = 0; k < cases[i].n; k++)
			deviation_add(&deviation, cases[i].times[k]);
		assert_int_equal(deviation_ns(&deviation), cases[i].deviation_ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_exact),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
