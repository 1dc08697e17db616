/* SPDX-License-Identifier: MIT */
/* Merged runs: their counts, their duration, and runs that cannot be merged. */
#include "report/run_merge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "unit.h"

#define S CLOCK_NS_PER_S

static struct run runs[3];
static struct run_refusal why;

/* Three simultaneous runs with ten seconds, ten connections and a thousand echoes each. */
static int open_runs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		struct run *run = &runs[i];
		assert_int_equal(run_open(run), 0);
		assert_true(asprintf(&run->name, "%c.json", (char)('a' + i)) > 0);
		assert_true(asprintf(&run->facts.host, "host%zu", i) > 0);
		run->command = strdup("bench");
		run->mode = strdup("open");
		run->target = strdup("echo:7");
		run->size = 64;
		run->depth = 1;
		run->n_connections = 10;
		run->n_threads = 1;
		run->rate_wanted = 100;
		run->seed = i;
		run->facts.start_ns = 1000 * S;
		run->result.elapsed_ns = 10 * S;
		run->result.n_echoes = run->result.n_sent = 1000;
		run->result.bytes_sent = run->result.bytes_verified = 64000;
		histogram_record_n(&run->result.response, 1000 * (i + 1), 1000);
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

static struct run sum_of(size_t n)
{
	struct run sum;
	assert_int_equal(run_merge(runs, n, &sum, &why), 0);
	return sum;
}

static void assert_refused(const char *words)
{
	struct run sum;
	assert_int_equal(run_merge(runs, 3, &sum, &why), -EBADMSG);
	if (strstr(why.text, words) == NULL)
		fail_msg("no \"%s\" in: %s", words, why.text);
}

TEST(counts_and_histograms_are_added)
{
	result_fail(&runs[0].result, "no_reply", 2);
	result_fail(&runs[1].result, "no_reply", 3);
	result_fail(&runs[1].result, "ended", 1);
	struct run sum = sum_of(3);
	assert_int_equal(sum.n_merged, 3);
	assert_int_equal(sum.result.n_echoes, 3000);
	assert_int_equal(sum.result.bytes_verified, 3 * 64000);
	assert_int_equal(result_failures(&sum.result), 6);
	assert_int_equal(sum.result.response.n, 3000);
	assert_int_equal(histogram_percentile_ns(&sum.result.response, 50), 2000);
	assert_int_equal(histogram_min_ns(&sum.result.response), 1000);
	assert_int_equal(sum.result.response.max_ns, 3000);
	assert_string_equal(sum.facts.host, "host0, host1, host2");
	assert_string_equal(sum.target, "echo:7");
	run_close(&sum);
}

TEST(runs_at_the_same_time_share_their_time)
{
	struct run sum = sum_of(3);
	assert_int_equal(sum.result.elapsed_ns, 10 * S);
	assert_int_equal(sum.n_connections, 30);
	assert_int_equal(sum.n_threads, 3);
	assert_int_equal(sum.rate_wanted, 300);
	assert_int_equal(sum.facts.start_ns, 1000 * S);
	run_close(&sum);
}

TEST(runs_one_after_the_other_take_their_times)
{
	runs[0].facts.start_ns = 5000 * S;
	runs[1].facts.start_ns = 1010 * S; /* when the last one ends */
	struct run sum = sum_of(3);
	assert_int_equal(sum.result.elapsed_ns, 30 * S);
	assert_int_equal(sum.n_connections, 10);
	assert_int_equal(sum.rate_wanted, 100);
	assert_int_equal(sum.facts.start_ns, 1000 * S);
	run_close(&sum);
}

TEST(what_overlaps_counts_once)
{
	runs[1].facts.start_ns = 1004 * S;
	runs[2].facts.start_ns = 1012 * S;
	struct run sum = sum_of(3);
	assert_int_equal(sum.result.elapsed_ns, 22 * S);
	assert_int_equal(sum.n_connections, 20);
	run_close(&sum);
	runs[1].facts.start_ns = 1002 * S; /* within the first */
	runs[1].result.elapsed_ns = 3 * S;
	sum = sum_of(2);
	assert_int_equal(sum.result.elapsed_ns, 10 * S);
	run_close(&sum);
}

TEST(a_sum_can_be_added_to)
{
	struct run sum = sum_of(2);
	run_close(&runs[1]);
	runs[1] = sum;
	run_close(&runs[0]);
	runs[0] = runs[2];
	runs[2] = (struct run){ 0 };
	sum = sum_of(2);
	assert_int_equal(sum.n_merged, 3);
	assert_int_equal(sum.result.n_echoes, 3000);
	run_close(&sum);
}

TEST(facts_that_differ_are_left_out)
{
	for (size_t i = 0; i < 3; i++) {
		runs[i].facts.kernel = strdup(i == 2 ? "Linux 6" : "Linux 5");
		runs[i].facts.cpu = strdup("a CPU");
		runs[i].facts.n_cpus = i;
		runs[i].facts.mss = 1448;
	}
	struct run sum = sum_of(3);
	assert_null(sum.facts.kernel);
	assert_string_equal(sum.facts.cpu, "a CPU");
	assert_int_equal(sum.facts.n_cpus, 0);
	assert_int_equal(sum.facts.mss, 1448);
	run_close(&sum);
}

TEST(what_was_run_differently_is_refused)
{
	runs[2].size = 65;
	assert_refused("the size of a message differs: 64 in a.json, 65 in c.json");
	runs[2].size = 64;
	runs[1].depth = 2;
	assert_refused("the depth differs: 1 in a.json, 2 in b.json");
	runs[1].depth = 1;
	runs[1].churns = true;
	assert_refused("churn differs: off in a.json, on in b.json");
	runs[1].churns = false;
	strcpy(runs[1].command, "ping");
	assert_refused("the command differs: bench in a.json, ping in b.json");
	strcpy(runs[1].command, "bench");
	strcpy(runs[1].mode, "shut");
	assert_refused("the mode differs: open in a.json, shut in b.json");
}

TEST(the_same_run_is_refused)
{
	runs[2].seed = 0;
	strcpy(runs[2].facts.host, "host0");
	struct run sum = sum_of(3); /* with other times it is a different run */
	run_close(&sum);
	histogram_reset(&runs[2].result.response);
	histogram_merge(&runs[2].result.response, &runs[0].result.response);
	assert_refused("a.json and c.json are the same run");
	runs[2].seed = 7;
	sum = sum_of(3);
	run_close(&sum);
}

TEST(what_is_not_known_exactly_is_refused)
{
	runs[1].format = RUN_FORTIO;
	assert_refused("b.json cannot be added: it does not say how often");
	runs[1].format = RUN_HLOG;
	assert_refused("does not say what was run");
	runs[1].format = RUN_TCPECHO;
	runs[1].facts.start_ns = 0;
	assert_refused("does not say when it began");
}

TEST(more_than_can_be_counted_is_refused)
{
	runs[0].result.bytes_sent = INT64_MAX;
	assert_refused("more than can be counted");
	runs[0].result.bytes_sent = 0;
	static char names[RESULT_FAILURES_MAX + 2][8];
	for (size_t i = 0; i < RESULT_FAILURES_MAX + 2; i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i);
		result_fail(&runs[i % 3].result, names[i], 1);
	}
	assert_refused("more than can be counted");
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, open_runs, close_runs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(counts_and_histograms_are_added),
		UNIT(runs_at_the_same_time_share_their_time),
		UNIT(runs_one_after_the_other_take_their_times),
		UNIT(what_overlaps_counts_once),
		UNIT(a_sum_can_be_added_to),
		UNIT(facts_that_differ_are_left_out),
		UNIT(what_was_run_differently_is_refused),
		UNIT(the_same_run_is_refused),
		UNIT(what_is_not_known_exactly_is_refused),
		UNIT(more_than_can_be_counted_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
