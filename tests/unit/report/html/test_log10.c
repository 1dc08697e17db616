/* SPDX-License-Identifier: MIT */
/* Powers of ten, and the same logarithms as libm's. */
#include "report/html/log10.h"

#include <math.h>

#include "unit.h"

TEST(powers_are_exact_where_they_can_be)
{
	assert_true(log10_power(0) == 1);
	assert_true(log10_power(9) == 1e9);
	assert_true(log10_power(22) == 1e22);
	assert_true(log10_power(-3) == 1e-3);
}

TEST(a_power_of_ten_is_in_its_own_decade)
{
	for (int exponent = -290; exponent <= 290; exponent++) {
		assert_int_equal(log10_floor(log10_power(exponent)), exponent);
		assert_int_equal(log10_floor(log10_power(exponent) * 9.99), exponent);
	}
}

TEST(logarithms_are_those_of_libm)
{
	for (double value = 1e-290; value < 1e290; value *= 1.0371)
		assert_true(fabs(log10_of(value) - log10(value)) < 1e-11);
	for (double value = 1; value < 10; value += 0.00037)
		assert_true(fabs(log10_of(value) - log10(value)) < 1e-11);
	assert_true(log10_of(1) == 0);
	assert_true(fabs(log10_of(1.7e308) - log10(1.7e308)) < 1e-11);
	assert_true(fabs(log10_of(nextafter(10, 0)) - 1) < 1e-11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(powers_are_exact_where_they_can_be),
		cmocka_unit_test(a_power_of_ten_is_in_its_own_decade),
		cmocka_unit_test(logarithms_are_those_of_libm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
