/* SPDX-License-Identifier: MIT */
/* Each second has its own counts, and all seconds together are the run. */
#include "client/ping_stats.h"

#include "base/clock.h"
#include "unit.h"

#define S CLOCK_NS_PER_S

struct kept {
	uint64_t from_ns, length_ns, n_echoes, n_failures, bytes;
};

static struct kept kept[8];
static size_t n_kept;
static struct recorder recorder; /* not opened: the wrapped call below does not use it */
static int recorder_returns;

int __wrap_recorder_add(struct recorder *to, uint64_t start_ns, uint64_t length_ns,
			const struct result *interval);

int __wrap_recorder_add(struct recorder *to, uint64_t start_ns, uint64_t length_ns,
			const struct result *interval)
{
	assert_ptr_equal(to, &recorder);
	assert_true(n_kept < ARRAY_LEN(kept));
	assert_int_equal(interval->response.n, interval->n_echoes + interval->n_unfinished);
	kept[n_kept++] = (struct kept){ start_ns, length_ns, interval->n_echoes,
					result_failures(interval), interval->bytes_verified };
	return recorder_returns;
}

static void assert_kept(size_t i, struct kept expected)
{
	assert_int_equal(kept[i].from_ns, expected.from_ns);
	assert_int_equal(kept[i].length_ns, expected.length_ns);
	assert_int_equal(kept[i].n_echoes, expected.n_echoes);
	assert_int_equal(kept[i].n_failures, expected.n_failures);
	assert_int_equal(kept[i].bytes, expected.bytes);
}

static void open_tally(struct ping_stats *stats, struct result *result)
{
	n_kept = 0;
	recorder_returns = 0;
	assert_int_equal(result_open(result), 0);
	assert_int_equal(ping_stats_open(stats, result, &recorder), 0);
	ping_stats_start(stats, 100 * S);
}

TEST(each_second_has_what_was_counted_in_it)
{
	struct result result;
	struct ping_stats stats;
	open_tally(&stats, &result);
	result.bytes_verified = 64;
	ping_stats_echo(&stats, 100 * S + S / 2, 1000);
	ping_stats_failure(&stats, "ended", 100 * S + S - 1);
	result.bytes_verified = 128;
	ping_stats_echo(&stats, 102 * S, 3000); /* the second before it is empty */
	ping_stats_end(&stats, 102 * S + S / 4);

	assert_int_equal(n_kept, 3);
	assert_kept(0, (struct kept){ 0, S, 1, 1, 64 });
	assert_kept(1, (struct kept){ S, S, 0, 0, 0 });
	assert_kept(2, (struct kept){ 2 * S, S / 4, 1, 0, 64 });
	assert_int_equal(result.n_echoes, 2);
	assert_int_equal(result_failures(&result), 1);
	assert_int_equal(result.response.n, 2);
	assert_int_equal(result.response.max_ns, 3000);
	assert_int_equal(result.elapsed_ns, 2 * S + S / 4);
	ping_stats_close(&stats);
	result_close(&result);
}

TEST(a_run_of_whole_seconds_has_no_empty_one_at_its_end)
{
	struct result result;
	struct ping_stats stats;
	open_tally(&stats, &result);
	ping_stats_end(&stats, 102 * S);
	assert_int_equal(n_kept, 2);
	ping_stats_close(&stats);
	result_close(&result);
}

TEST(the_first_failure_of_the_recorder_stays)
{
	struct result result;
	struct ping_stats stats;
	open_tally(&stats, &result);
	recorder_returns = -12;
	ping_stats_echo(&stats, 101 * S, 1);
	recorder_returns = 0;
	ping_stats_echo(&stats, 102 * S, 1);
	assert_int_equal(stats.code, -12);
	ping_stats_close(&stats);
	result_close(&result);
}

TEST(an_unfinished_message_counts_with_its_age)
{
	struct result result;
	struct ping_stats stats;
	open_tally(&stats, &result);
	ping_stats_echo(&stats, 100 * S, 1000);
	ping_stats_unfinished(&stats, 101 * S + S / 2, S);
	ping_stats_end(&stats, 101 * S + S / 2);
	assert_int_equal(n_kept, 2);
	assert_kept(1, (struct kept){ S, S / 2, 0, 0, 0 });
	assert_int_equal(result.n_unfinished, 1);
	assert_int_equal(result_failures(&result), 0);
	assert_int_equal(result.response.n, 2);
	assert_int_equal(result.response.max_ns, S);
	ping_stats_close(&stats);
	result_close(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_second_has_what_was_counted_in_it),
		cmocka_unit_test(a_run_of_whole_seconds_has_no_empty_one_at_its_end),
		cmocka_unit_test(the_first_failure_of_the_recorder_stays),
		cmocka_unit_test(an_unfinished_message_counts_with_its_age),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
