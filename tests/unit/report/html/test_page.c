/* SPDX-License-Identifier: MIT */
/* A page contains all its runs or is not made. tests/report/test_page.py tests the appearance. */
#include "report/html/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "stats/hlog.h"
#include "unit.h"

static struct run runs[VIEW_RUNS_MAX];
static char *written;
static size_t length, wrong;

/* Runs of a second, each with different times. */
static int open_runs(void **state)
{
	(void)state;
	struct hlog *hlog;
	assert_int_equal(hlog_open(&hlog), 0);
	for (size_t i = 0; i < VIEW_RUNS_MAX; i++) {
		struct run *run = &runs[i];
		assert_int_equal(run_open(run), 0);
		histogram_record(&run->result.response, 1000 * (i + 1));
		run->result.n_echoes = 1;
		run->series.list = calloc(1, sizeof(*run->series.list));
		assert_non_null(run->series.list);
		run->series.n = 1;
		run->series.list[0] = (struct time_series_interval){
			.length_ns = 1000000000,
			.n_echoes = 1,
			.response = strdup(hlog_encode(hlog, &run->result.response)),
		};
	}
	hlog_close(hlog);
	return 0;
}

static int close_runs(void **state)
{
	(void)state;
	for (size_t i = 0; i < VIEW_RUNS_MAX; i++)
		run_close(&runs[i]);
	free(written);
	written = NULL;
	return 0;
}

static int write_page(size_t n)
{
	free(written);
	FILE *out = open_memstream(&written, &length);
	assert_non_null(out);
	int rc = page_write(out, runs, n, &wrong);
	assert_int_equal(fclose(out), 0);
	return rc;
}

TEST(as_many_runs_as_there_may_be_are_on_it)
{
	assert_int_equal(write_page(VIEW_RUNS_MAX), 0);
	assert_non_null(strstr(written, "8.000 µs"));
	assert_non_null(strstr(written, "</html>\n"));
}

TEST(runs_without_a_name_are_called_by_their_number)
{
	assert_int_equal(write_page(2), 0);
	assert_non_null(strstr(written, "<title>run (1), run (2) – tcpecho"));
	runs[0].name = strdup("a.json");
	runs[1].target = strdup("192.0.2.7:9877");
	assert_int_equal(write_page(2), 0);
	assert_non_null(strstr(written, "<title>a.json, 192.0.2.7:9877 – tcpecho"));
}

TEST(of_a_damaged_run_nothing_is_written)
{
	runs[2].series.list[0].response[8] ^= 1;
	assert_int_equal(write_page(4), ERR_HLOG_DAMAGED);
	assert_int_equal(wrong, 2);
	assert_int_equal(length, 0);
	assert_int_equal(write_page(2), 0);
}

TEST(it_is_the_same_again)
{
	assert_int_equal(write_page(3), 0);
	char *before = strdup(written);
	assert_int_equal(write_page(3), 0);
	assert_string_equal(written, before);
	free(before);
}

#define PAGE_TEST(name) cmocka_unit_test_setup_teardown(name, open_runs, close_runs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(as_many_runs_as_there_may_be_are_on_it),
		PAGE_TEST(runs_without_a_name_are_called_by_their_number),
		PAGE_TEST(of_a_damaged_run_nothing_is_written),
		PAGE_TEST(it_is_the_same_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
