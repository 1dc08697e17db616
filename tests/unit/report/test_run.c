/* SPDX-License-Identifier: MIT */
/* A run owns its pointers: a sanitizer detects what is not freed, or is freed twice. */
#include "report/run.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

TEST(an_empty_one_is_one_run_that_found_nothing)
{
	struct run run;
	assert_int_equal(run_open(&run), 0);
	assert_int_equal(run.n_merged, 1);
	assert_int_equal(run.format, RUN_TCPECHO);
	assert_int_equal(run.result.response.n, 0);
	assert_int_equal(run.series.n, 0);
	run_close(&run);
	assert_null(run.result.response.counts);
	run_close(&run); /* a closed run may be closed again */
}

TEST(all_that_it_points_at_is_freed)
{
	struct run run;
	assert_int_equal(run_open(&run), 0);
	char **texts[] = {
		&run.name,
		&run.command,
		&run.target,
		&run.mode,
		&run.client_bound,
		&run.facts.version,
		&run.facts.host,
		&run.facts.kernel,
		&run.facts.cpu,
		&run.facts.command_line,
		&run.facts.congestion_control,
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = strdup("text");
	run.series.list = calloc(2, sizeof(*run.series.list));
	assert_non_null(run.series.list);
	run.series.n = 2;
	run.series.list[0].response = strdup("HISTF");
	run.series.list[1].service = strdup("HISTF");
	run_close(&run);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_null(*texts[i]);
	assert_int_equal(run.series.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_is_one_run_that_found_nothing),
		cmocka_unit_test(all_that_it_points_at_is_freed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
