/* SPDX-License-Identifier: MIT */
/* The counts of several threads add up to the counts of a single one. */
#include "stats/result.h"

#include <string.h>

#include "unit.h"

static struct result one, other;

static int begin(void **state)
{
	(void)state;
	assert_int_equal(result_open(&one), 0);
	assert_int_equal(result_open(&other), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	result_close(&one);
	result_close(&other);
	return 0;
}

static uint64_t failures_of(const struct result *result, const char *name)
{
	for (size_t i = 0; i < result->n_failures; i++) {
		if (strcmp(result->failures[i].name, name) == 0)
			return result->failures[i].n;
	}
	return 0;
}

TEST(an_empty_one_has_found_nothing)
{
	assert_int_equal(result_failures(&one), 0);
	assert_int_equal(result_missing(&one), 0);
	assert_int_equal(one.response.n, 0);
	assert_string_equal(one.first_mismatch, "");
}

TEST(failures_are_counted_by_name)
{
	result_fail(&one, "ended", 1);
	result_fail(&one, "ECONNRESET", 2);
	result_fail(&one, "ended", 3);
	assert_int_equal(one.n_failures, 2);
	assert_int_equal(failures_of(&one, "ended"), 4);
	assert_int_equal(failures_of(&one, "ECONNRESET"), 2);
	assert_int_equal(result_failures(&one), 6);
}

TEST(never_sent_is_no_message_and_connection_errors_are_another_count)
{
	result_fail(&one, "ended", 2);
	result_fail(&one, RESULT_NEVER_SENT, 5);
	result_connection_error(&one, "no_fin", 3);
	assert_int_equal(result_failed(&one), 2);
	assert_int_equal(result_failures(&one), 7);
	assert_int_equal(result_connection_errors(&one), 3);
	one.n_unfinished = 4;
	one.wrong_bytes = 6;
	result_add(&other, &one);
	assert_int_equal(result_failed(&other), 2);
	assert_int_equal(result_connection_errors(&other), 3);
	assert_int_equal(other.n_unfinished, 4);
	assert_int_equal(other.wrong_bytes, 6);
}

TEST(what_was_sent_and_did_not_come_back_is_missing)
{
	one.bytes_sent = 1000;
	one.bytes_verified = 990;
	assert_int_equal(result_missing(&one), 10);
}

TEST(added_they_are_what_one_would_have_counted)
{
	one.n_sent = 3;
	one.n_echoes = 2;
	one.bytes_sent = 30;
	one.bytes_verified = 20;
	other.n_sent = 5;
	other.n_echoes = 5;
	other.bytes_sent = 50;
	other.bytes_verified = 50;
	other.n_mismatches = 1;
	other.n_connections = 4;
	strcpy(other.first_mismatch, "byte 7 differs");
	result_fail(&one, "ended", 1);
	result_fail(&other, "ended", 1);
	result_fail(&other, "mismatch", 1);
	histogram_record(&one.response, 10);
	histogram_record(&other.response, 30);
	histogram_record(&other.lateness, 1);
	result_add(&one, &other);
	assert_int_equal(one.n_sent, 8);
	assert_int_equal(one.n_echoes, 7);
	assert_int_equal(result_missing(&one), 10);
	assert_int_equal(one.n_mismatches, 1);
	assert_int_equal(one.n_connections, 4);
	assert_int_equal(failures_of(&one, "ended"), 2);
	assert_int_equal(failures_of(&one, "mismatch"), 1);
	assert_string_equal(one.first_mismatch, "byte 7 differs");
	assert_int_equal(one.response.n, 2);
	assert_int_equal(one.response.max_ns, 30);
	assert_int_equal(one.lateness.n, 1);
}

TEST(the_first_mismatch_stays_the_first)
{
	strcpy(one.first_mismatch, "the first");
	strcpy(other.first_mismatch, "another");
	result_add(&one, &other);
	assert_string_equal(one.first_mismatch, "the first");
}

TEST(after_a_reset_it_is_an_empty_one)
{
	one.n_sent = one.n_echoes = one.bytes_sent = one.bytes_verified = one.elapsed_ns = 7;
	one.n_mismatches = one.n_connections = 7;
	strcpy(one.first_mismatch, "byte 7 differs");
	result_fail(&one, "ended", 1);
	histogram_record(&one.response, 10);
	histogram_record(&one.service, 10);
	histogram_record(&one.lateness, 10);
	histogram_record(&one.connect, 10);
	result_reset(&one);
	result_add(&other, &one);
	assert_int_equal(one.elapsed_ns, 0);
	assert_int_equal(other.n_sent + other.n_echoes + other.bytes_sent, 0);
	assert_int_equal(other.bytes_verified + other.n_mismatches + other.n_connections, 0);
	assert_int_equal(other.n_failures, 0);
	assert_string_equal(other.first_mismatch, "");
	assert_int_equal(other.response.n + other.service.n, 0);
	assert_int_equal(other.lateness.n + other.connect.n, 0);
	histogram_record(&one.response, 20); /* and counts as one value */
	assert_int_equal(one.response.counts[histogram_index(10)], 0);
	assert_int_equal(histogram_min_ns(&one.response), 20);
}

TEST(echoes_per_second_are_those_of_the_time_they_took)
{
	one.n_echoes = 30;
	assert_true(result_rate(&one) == 0);
	one.elapsed_ns = UINT64_C(1500000000);
	assert_true(result_rate(&one) == 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_one_has_found_nothing, begin, end),
		cmocka_unit_test_setup_teardown(failures_are_counted_by_name, begin, end),
		cmocka_unit_test_setup_teardown(
			never_sent_is_no_message_and_connection_errors_are_another_count, begin,
			end),
		cmocka_unit_test_setup_teardown(what_was_sent_and_did_not_come_back_is_missing,
						begin, end),
		cmocka_unit_test_setup_teardown(added_they_are_what_one_would_have_counted, begin,
						end),
		cmocka_unit_test_setup_teardown(echoes_per_second_are_those_of_the_time_they_took,
						begin, end),
		cmocka_unit_test_setup_teardown(the_first_mismatch_stays_the_first, begin, end),
		cmocka_unit_test_setup_teardown(after_a_reset_it_is_an_empty_one, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
