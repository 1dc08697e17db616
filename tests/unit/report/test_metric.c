/* SPDX-License-Identifier: MIT */
/* Figures by name, for one run and for several. */
#include "report/metric.h"

#include <string.h>

#include "base/clock.h"
#include "unit.h"

static struct run runs[3];
static struct run_refusal why;

static int open_runs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		assert_int_equal(run_open(&runs[i]), 0);
		struct result *result = &runs[i].result;
		result->elapsed_ns = (i + 1) * CLOCK_NS_PER_S;
		result->n_echoes = 100;
		result->bytes_sent = 10 + i;
		result->bytes_verified = 10;
		histogram_record_n(&result->response, 1000 * (i + 1), 100);
		histogram_record(&result->service, 7 * (i + 1));
		result_fail(result, "ended", i);
	}
	return 0;
}

static int close_runs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(runs); i++)
		run_close(&runs[i]);
	return 0;
}

static struct sample_value value_of(const char *name, size_t n)
{
	struct metric metric;
	struct sample sample;
	struct sample_value value;
	assert_true(metric_find(name, strlen(name), &metric));
	assert_string_equal(metric.name, name);
	assert_int_equal(sample_open(runs, n, &sample, &why), 0);
	assert_true(sample_value(&sample, &metric, &value));
	sample_close(&sample);
	return value;
}

TEST(figures_of_one_run)
{
	assert_true(value_of("p50", 1).value == 1000);
	assert_true(value_of("response.max", 1).value == 1000);
	assert_true(value_of("service.min", 1).value == 7);
	assert_true(value_of("rate", 1).value == 100);
	assert_true(value_of("echoes", 1).value == 100);
	assert_true(value_of("failures", 1).value == 0);
}

TEST(latency_of_several_are_of_all_their_values_and_counts_are_averages)
{
	struct sample_value p50 = value_of("p50", 3);
	assert_true(p50.value == 2000 && p50.min == 1000 && p50.max == 3000);
	struct sample_value rate = value_of("rate", 3);
	assert_true(rate.value == 50 && rate.min > 33 && rate.min < 34 && rate.max == 100);
	struct sample_value failures = value_of("failures", 3);
	assert_true(failures.value == 1 && failures.min == 0 && failures.max == 2);
	assert_true(value_of("missing_bytes", 3).value == 1);
}

TEST(what_is_not_known_is_not_nought)
{
	static const char *const names[] = { "connect.p50", "lateness.mean" };
	struct sample sample;
	struct sample_value value;
	struct metric metric;
	assert_int_equal(sample_open(runs, 3, &sample, &why), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_true(metric_find(names[i], strlen(names[i]), &metric));
		assert_false(sample_value(&sample, &metric, &value));
	}
	runs[1].format = RUN_HLOG;
	assert_true(metric_find("missing_bytes", 13, &metric));
	assert_false(sample_value(&sample, &metric, &value));
	assert_true(metric_find("failures", 8, &metric));
	assert_false(sample_value(&sample, &metric, &value));
	runs[1].result.elapsed_ns = 0;
	assert_true(metric_find("rate", 4, &metric));
	assert_false(sample_value(&sample, &metric, &value));
	sample_close(&sample);
}

TEST(names_that_there_are_not)
{
	static const char *const bad[] = { "",
					   "p",
					   "p101",
					   "p-1",
					   "p50x",
					   "P50",
					   "p5e1",
					   "service",
					   "service.",
					   "service.rate",
					   "connect.failures",
					   "throughput",
					   "response.p",
					   "a name that is longer than any metric has" };
	struct metric metric;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(metric_find(bad[i], strlen(bad[i]), &metric));
	assert_true(metric_find("p100", 4, &metric) && metric.percent == 100);
	assert_true(metric_find("p99.999", 7, &metric) && metric.percent == 99.999);
}

TEST(beyond_the_noise_is_what_no_run_of_the_other_side_reaches)
{
	const struct sample two = { .n = 2 }, one = { .n = 1 };
	const struct sample_value low = { 2, 1, 3 }, high = { 5, 4, 6 }, wide = { 4, 3, 6 };
	assert_true(sample_is_beyond_noise(&two, &low, &two, &high));
	assert_true(sample_is_beyond_noise(&two, &high, &two, &low));
	assert_false(sample_is_beyond_noise(&two, &low, &two, &wide));
	assert_false(sample_is_beyond_noise(&one, &low, &two, &high));
}

TEST(values_are_written_with_their_units)
{
	struct metric metric;
	assert_true(metric_find("p50", 3, &metric));
	assert_string_equal(metric_text(&metric, 123456).text, "123.5 us");
	assert_true(metric_find("failures", 8, &metric));
	assert_string_equal(metric_text(&metric, 3).text, "3");
	assert_string_equal(metric_text(&metric, 1.0 / 3).text, "0.33");
	assert_string_equal(metric_change(200, 250).text, "+25.0 %");
	assert_string_equal(metric_change(0, 250).text, "");
	assert_string_equal(metric_change(0, 0).text, "0.0 %");
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, open_runs, close_runs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(figures_of_one_run),
		UNIT(latency_of_several_are_of_all_their_values_and_counts_are_averages),
		UNIT(what_is_not_known_is_not_nought),
		UNIT(names_that_there_are_not),
		UNIT(beyond_the_noise_is_what_no_run_of_the_other_side_reaches),
		UNIT(values_are_written_with_their_units),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
