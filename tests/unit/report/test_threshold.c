/* SPDX-License-Identifier: MIT */
/* Limits of --fail-if: their meaning to the nanosecond, and invalid ones. */
#include "report/threshold.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "unit.h"

static struct run old_run, new_run;

static int open_runs(void **state)
{
	(void)state;
	assert_int_equal(run_open(&old_run), 0);
	assert_int_equal(run_open(&new_run), 0);
	old_run.result.elapsed_ns = new_run.result.elapsed_ns = CLOCK_NS_PER_S;
	return 0;
}

static int close_runs(void **state)
{
	(void)state;
	run_close(&old_run);
	run_close(&new_run);
	return 0;
}

static struct threshold_text text;

static enum threshold_verdict judge(const char *limit)
{
	struct threshold threshold;
	struct sample before, after;
	assert_int_equal(threshold_parse(limit, strlen(limit), &threshold, &text), 0);
	struct run_refusal why;
	assert_int_equal(sample_open(&old_run, 1, &before, &why), 0);
	assert_int_equal(sample_open(&new_run, 1, &after, &why), 0);
	enum threshold_verdict verdict = threshold_check(&threshold, &before, &after, &text);
	sample_close(&after);
	sample_close(&before);
	return verdict;
}

/* Returns whether the limit fails for these maximum times in microseconds. */
static bool fails(const char *limit, uint64_t old_us, uint64_t new_us)
{
	histogram_reset(&old_run.result.response);
	histogram_reset(&new_run.result.response);
	histogram_record(&old_run.result.response, old_us * 1000);
	histogram_record(&new_run.result.response, new_us * 1000);
	return judge(limit) == THRESHOLD_FAILS;
}

TEST(a_part_of_the_old_value)
{
	assert_false(fails("max>+10%", 200, 220));
	assert_true(fails("max>+10%", 200, 221));
	assert_false(fails("max<-5%", 200, 190));
	assert_true(fails("max<-5%", 200, 189));
	assert_true(fails("max>-5%", 200, 191)); /* the improvement is smaller than that */
	assert_true(fails("max>+0%", 200, 201));
	assert_false(fails("max>+0%", 200, 200));
	assert_true(fails("max>+0.5%", 1000, 1006));
	assert_false(fails("max>+0.5%", 1000, 1005));
}

TEST(so_much_more_than_the_old_value)
{
	assert_false(fails("max>+200us", 1000, 1200));
	assert_true(fails("max>+200us", 1000, 1201));
	assert_true(fails("max<-1ms", 3000, 1999));
	assert_false(fails("max<-1ms", 3000, 2000));
}

TEST(a_value_by_itself)
{
	assert_false(fails("max>2ms", 1, 2000));
	assert_true(fails("max>2ms", 1, 2001));
	assert_true(fails(" max > 2ms ", 1, 2001));
	assert_true(fails("max<1.5ms", 1, 1499));
}

TEST(rates_and_counts)
{
	old_run.result.n_echoes = 10000;
	new_run.result.n_echoes = 9400;
	assert_int_equal(judge("rate<-5%"), THRESHOLD_FAILS);
	assert_string_equal(text.text, "rate<-5%: rate is 9400.0/s, was 10000.0/s: -6.0 %");
	assert_int_equal(judge("rate<-6%"), THRESHOLD_HOLDS);
	assert_int_equal(judge("rate<10k"), THRESHOLD_FAILS);
	assert_int_equal(judge("rate<-1k"), THRESHOLD_HOLDS);
	assert_int_equal(judge("failures>0"), THRESHOLD_HOLDS);
	result_fail(&new_run.result, "ended", 1);
	assert_int_equal(judge("failures>0"), THRESHOLD_FAILS);
	assert_string_equal(text.text, "failures>0: failures is 1, was 0");
	assert_int_equal(judge("failures>+10%"), THRESHOLD_FAILS);
}

TEST(what_a_side_does_not_know_is_no_pass)
{
	assert_int_equal(judge("connect.p99>+10%"), THRESHOLD_UNKNOWN);
	assert_string_equal(text.text, "connect.p99>+10%: the old side has no connect.p99");
	histogram_record(&old_run.result.connect, 5);
	assert_int_equal(judge("connect.p99>+10%"), THRESHOLD_UNKNOWN);
	assert_string_equal(text.text, "connect.p99>+10%: the new side has no connect.p99");
	histogram_record(&new_run.result.lateness, 5000);
	assert_int_equal(judge("lateness.p99>1us"), THRESHOLD_FAILS); /* it needs no old value */
	assert_string_equal(text.text, "lateness.p99>1us: lateness.p99 is 5.0 us");
}

TEST(what_is_no_limit)
{
	static const char *const bad[] = {
		"",
		" ",
		">",
		"p99",
		"p99>",
		">+10%",
		"p99=10%",
		"p99>10%",
		"p99>+",
		"p99>+%",
		"p99>+x%",
		"p99>+10%%",
		"p99>2",
		"p99>+2",
		"p99>2xs",
		"p99>--2ms",
		"p99>>2ms",
		"rate<10ms",
		"rate<1.5k",
		"rate<+1e3%",
		"foo>1",
		"p999>1ms",
		"p99>nan",
		"p99>inf%",
		"p99>+100000000001%",
		"p99>99999999999999999999ms",
		"p99>+1000000000000000000000000000000000000000000000000000000000000000000000%",
	};
	struct threshold threshold;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		text.text[0] = '\0';
		assert_int_equal(threshold_parse(bad[i], strlen(bad[i]), &threshold, &text),
				 -EINVAL);
		assert_true(strlen(text.text) > 10);
	}
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, open_runs, close_runs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(a_part_of_the_old_value),
		UNIT(so_much_more_than_the_old_value),
		UNIT(a_value_by_itself),
		UNIT(rates_and_counts),
		UNIT(what_a_side_does_not_know_is_no_pass),
		UNIT(what_is_no_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
