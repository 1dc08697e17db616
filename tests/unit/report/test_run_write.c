/* SPDX-License-Identifier: MIT */
/*
 * A document has the values of the run, and null for unknown ones. tests/report checks real
 * documents against the schema.
 */
#include "report/run_write.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stats/hlog.h"
#include "unit.h"

static struct run run;
static struct hlog *hlog;
static json_t *json;

static int begin(void **state)
{
	(void)state;
	json = NULL;
	assert_int_equal(hlog_open(&hlog), 0);
	assert_int_equal(run_open(&run), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	json_decref(json);
	run_close(&run);
	hlog_close(hlog);
	return 0;
}

static void write_run(void)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	assert_int_equal(run_write_json(out, &run), 0);
	assert_int_equal(fclose(out), 0);
	json = json_loads(text, 0, NULL);
	assert_non_null(json);
	assert_int_equal(text[size - 1], '\n');
	free(text);
}

static void is_text(const char *name, const char *text)
{
	assert_string_equal(json_string_value(json_object_get(json, name)), text);
}

static void is_count(const char *name, json_int_t n)
{
	assert_true(json_is_integer(json_object_get(json, name)));
	assert_int_equal(json_integer_value(json_object_get(json, name)), n);
}

static void is_null(const char *name)
{
	assert_true(json_is_null(json_object_get(json, name)));
}

TEST(what_is_not_known_is_null)
{
	static const char *const names[] = {
		"version",
		"command",
		"command_line",
		"start",
		"host",
		"kernel",
		"cpu",
		"cpus",
		"congestion_control",
		"mss",
		"target",
		"mode",
		"rate_wanted",
		"first_mismatch",
		"response_us",
		"service_us",
		"lateness_us",
		"connect_us",
		"kernel_us",
		"client_bound",
		"histogram",
		"service_histogram",
		"lateness_histogram",
		"connect_histogram",
	};
	write_run();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		is_null(names[i]);
	is_count("format", 1);
	is_count("merged", 1);
	is_count("echoes", 0);
	assert_int_equal(json_array_size(json_object_get(json, "series")), 0);
}

TEST(facts_are_what_they_are)
{
	run.facts.host = strdup("one");
	run.facts.cpu = strdup("a \"processor\"");
	run.facts.start_ns = UINT64_C(1792236345123456789);
	run.facts.mss = 1448;
	run.facts.n_cpus = 8;
	run.n_merged = 3;
	run.seed = INT64_MAX;
	run.warmup_ns = 250 * CLOCK_NS_PER_MS;
	run.churns = true;
	write_run();
	is_text("host", "one");
	is_text("cpu", "a \"processor\"");
	is_text("start", "2026-10-17T11:25:45.123456Z");
	is_count("mss", 1448);
	is_count("cpus", 8);
	is_count("merged", 3);
	is_count("seed", INT64_MAX);
	assert_true(json_is_true(json_object_get(json, "churn")));
	assert_float_equal(json_real_value(json_object_get(json, "warmup_seconds")), 0.25, 0);
}

static void holds(const char *name, const struct histogram *times)
{
	struct histogram read;
	assert_int_equal(histogram_open(&read), 0);
	const char *packed = json_string_value(json_object_get(json, name));
	assert_int_equal(hlog_decode(hlog, packed, &read), 0);
	assert_memory_equal(read.counts, times->counts, HISTOGRAM_BUCKETS * sizeof(*read.counts));
	histogram_close(&read);
}

TEST(every_count_of_all_four_times_is_in_it)
{
	struct result *result = &run.result;
	for (uint64_t i = 1; i < 1000; i++) {
		histogram_record(&result->response, i * i * 997);
		histogram_record(&result->service, i * i * 31);
		histogram_record_n(&result->lateness, i, i);
	}
	histogram_record(&result->connect, 123456);
	write_run();
	holds("histogram", &result->response);
	holds("service_histogram", &result->service);
	holds("lateness_histogram", &result->lateness);
	holds("connect_histogram", &result->connect);
}

TEST(the_smallest_and_the_largest_are_exact)
{
	histogram_record(&run.result.response, 123456789);
	histogram_record(&run.result.response, 12345678901);
	write_run();
	const json_t *times = json_object_get(json, "response_us");
	assert_float_equal(json_real_value(json_object_get(times, "min")), 123456.789, 0);
	assert_float_equal(json_real_value(json_object_get(times, "max")), 12345678.901, 0);
}

static void fill_series(void)
{
	struct histogram times;
	assert_int_equal(histogram_open(&times), 0);
	histogram_record_n(&times, 2097151, 5);
	run.series.list = calloc(2, sizeof(*run.series.list));
	assert_non_null(run.series.list);
	run.series.n = 2;
	run.series.list[0] = (struct time_series_interval){
		.length_ns = CLOCK_NS_PER_S,
		.n_failures = 2,
	};
	run.series.list[1] = (struct time_series_interval){
		.start_ns = CLOCK_NS_PER_S,
		.length_ns = CLOCK_NS_PER_S / 2,
		.n_echoes = 5,
		.bytes_verified = 320,
		.response = strdup(hlog_encode(hlog, &times)),
	};
	histogram_close(&times);
}

TEST(a_series_has_an_item_for_each_interval)
{
	fill_series();
	write_run();
	const json_t *series = json_object_get(json, "series");
	assert_int_equal(json_array_size(series), 2);
	const json_t *first = json_array_get(series, 0), *second = json_array_get(series, 1);
	assert_int_equal(json_integer_value(json_object_get(first, "failures")), 2);
	assert_true(json_is_null(json_object_get(first, "response")));
	assert_float_equal(json_real_value(json_object_get(second, "start")), 1, 0);
	assert_float_equal(json_real_value(json_object_get(second, "seconds")), 0.5, 0);
	assert_int_equal(json_integer_value(json_object_get(second, "echoes")), 5);
	assert_int_equal(json_integer_value(json_object_get(second, "verified_bytes")), 320);
	assert_string_equal(json_string_value(json_object_get(second, "response")),
			    run.series.list[1].response);
	assert_true(json_is_null(json_object_get(second, "service")));
}

TEST(a_log_has_two_lines_for_each_interval)
{
	char *text;
	size_t size;
	fill_series();
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	assert_int_equal(run_write_hlog(out, &run), 0);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "\nTag=response,0.000,1.000,0.000,HISTF"));
	assert_non_null(strstr(text, "\nTag=service,0.000,1.000,0.000,HISTF"));
	assert_non_null(strstr(text, "\nTag=response,1.000,0.500,2.097,HISTF"));
	assert_non_null(strstr(text, "\nTag=service,1.000,0.500,0.000,HISTF"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_not_known_is_null, begin, end),
		cmocka_unit_test_setup_teardown(facts_are_what_they_are, begin, end),
		cmocka_unit_test_setup_teardown(every_count_of_all_four_times_is_in_it, begin, end),
		cmocka_unit_test_setup_teardown(the_smallest_and_the_largest_are_exact, begin, end),
		cmocka_unit_test_setup_teardown(a_series_has_an_item_for_each_interval, begin, end),
		cmocka_unit_test_setup_teardown(a_log_has_two_lines_for_each_interval, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
