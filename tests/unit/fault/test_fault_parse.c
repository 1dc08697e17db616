/* SPDX-License-Identifier: MIT */
/* The grammar of faults: what is accepted, what it means, and the place of what is refused. */
#include "fault/fault_kind.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "unit.h"

static struct fault parsed(const char *spec)
{
	struct fault fault;
	struct reason reason = { "" };
	if (fault_parse(spec, &fault, &reason) < 0)
		fail_msg("%s: %s", spec, reason.text);
	return fault;
}

/* Each with its canonical form. */
static const char *const accepted[][2] = {
	{ "delay=20ms~5ms", "delay=20ms~5ms" },
	{ "delay=1", "delay=1s" },
	{ "throttle=1M/s", "throttle=1048576/s" },
	{ "throttle=100", "throttle=100/s" },
	{ "throttle=256G", "throttle=274877906944/s" },
	{ "throttle@64k=10k/s", "throttle@65536=10240/s" },
	{ "slow-read=10k/s", "slow-read=10240/s" },
	{ "chunk=1", "chunk=1" },
	{ "stall", "stall" },
	{ "stall@64k=30s", "stall@65536=30s" },
	{ "stall=30s@64k", "stall@65536=30s" },
	{ "stall@3s", "stall@3s" },
	{ "stall=1s@idle=5m", "stall@idle=5m=1s" },
	{ "stall@idle=5m=1s", "stall@idle=5m=1s" },
	{ "corrupt@4096=0x01", "corrupt@4096=0x01" },
	{ "corrupt", "corrupt@0=0x01" },
	{ "corrupt@5=255", "corrupt@5=0xff" },
	{ "drop@8k=100", "drop@8192=100" },
	{ "drop=1M", "drop@0=1048576" },
	{ "duplicate@8k=100", "duplicate@8192=100" },
	{ "swap@8k=4k", "swap@8192=4096" },
	{ "truncate@1M", "truncate@1048576" },
	{ "truncate@accept", "truncate@accept" },
	{ "rst@1M", "rst@1048576" },
	{ "rst@accept", "rst@accept" },
	{ "rst@eof", "rst@eof" },
	{ "rst@250ms", "rst@250ms" },
	{ "rst@2m", "rst@2m" },
	{ "rst@2M", "rst@2097152" },
	{ "rst@0", "rst@0" },
	{ "rst@idle=1s", "rst@idle=1s" },
	{ "no-half-close", "no-half-close" },
	{ "half-close@64k", "half-close@65536" },
	{ "no-fin", "no-fin" },
	{ "no-accept=5s", "no-accept=5s" },
	{ "silent", "silent" },
	{ "silent@100", "silent@100" },
	{ "banner=220 a@b ready=1\\r\\n", "banner=220 a@b ready=1\\x0d\\x0a" },
	{ "banner=a\\,b,every=2", "banner=a\\x2cb,every=2" },
	{ "banner=\\x00\\xfF\\\\", "banner=\\x00\\xff\\x5c" },
	{ "limit=0", "limit=0" },
	{ "limit=100", "limit=100" },
	{ "forget@idle=5m", "forget@idle=5m" },
	{ "rst@1,every=3,p=1/10,conn=42", "rst@1,every=3,p=1/10,conn=42" },
	{ "silent,conn=1", "silent,conn=1" },
};

TEST(a_fault_is_read_and_written_in_its_canonical_form)
{
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		struct fault fault = parsed(accepted[i][0]);
		assert_string_equal(fault_format(&fault).text, accepted[i][1]);
		struct fault again = parsed(fault_format(&fault).text);
		assert_string_equal(fault_format(&again).text, accepted[i][1]);
	}
}

TEST(a_fault_has_the_values_of_its_text)
{
	struct fault fault = parsed("stall@64k=30s,every=2,p=1/3,conn=4");
	assert_int_equal(fault.kind, FAULT_STALL);
	assert_int_equal(fault.trigger, FAULT_AT_OFFSET);
	assert_int_equal(fault.at, 65536);
	assert_int_equal(fault.value, 30 * CLOCK_NS_PER_S);
	assert_int_equal(fault.every, 2);
	assert_int_equal(fault.one_in, 3);
	assert_int_equal(fault.conn, 4);
	fault = parsed("banner=hi\\n");
	assert_int_equal(fault.text_size, 3);
	assert_memory_equal(fault.text, "hi\n", 3);
}

/* Each with the character at which the reason points, from 1. */
static const struct {
	const char *spec;
	int at;
} refused[] = {
	{ "", 1 },
	{ "crash", 1 },
	{ "rst", 4 },
	{ "rst@", 5 },
	{ "rst@5q", 5 },
	{ "rst@1M=3", 8 },
	{ "rst@1M@2M", 7 },
	{ "rst@99999999999999999999", 5 },
	{ "rst@idle", 5 },
	{ "rst@idle=0s", 10 },
	{ "delay", 6 },
	{ "delay=", 7 },
	{ "delay=0s", 7 },
	{ "delay=1s~2s", 7 },
	{ "delay=1s~", 10 },
	{ "delay=1s@5", 10 },
	{ "throttle=0/s", 10 },
	{ "throttle=1M/m", 10 },
	{ "throttle=257G/s", 10 },
	{ "corrupt@1=0", 11 },
	{ "corrupt@1=0x100", 11 },
	{ "corrupt@1=x", 11 },
	{ "corrupt@3s", 9 },
	{ "swap@0=5k", 8 },
	{ "duplicate=4097", 11 },
	{ "truncate", 9 },
	{ "truncate@eof", 10 },
	{ "half-close@eof", 12 },
	{ "no-fin@3s", 8 },
	{ "banner", 7 },
	{ "banner=", 8 },
	{ "banner=a\\q", 9 },
	{ "banner=a\\", 9 },
	{ "banner=a\\x1", 9 },
	{ "limit=x", 7 },
	{ "chunk=0", 7 },
	{ "silent,", 8 },
	{ "silent,often", 8 },
	{ "silent,every=0", 14 },
	{ "silent,every=2,every=3", 16 },
	{ "silent,p=2/3", 8 },
	{ "silent,p=1/x", 12 },
	{ "silent ", 1 },
	{ "silent=1=2", 8 },
};

TEST(what_is_refused_is_refused_with_its_place)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct fault fault;
		struct reason reason = { "" };
		char place[32];
		if (fault_parse(refused[i].spec, &fault, &reason) != -EINVAL)
			fail_msg("%s is accepted", refused[i].spec);
		snprintf(place, sizeof(place), "(at character %d)", refused[i].at);
		if (strstr(reason.text, place) == NULL)
			fail_msg("%s: %s, not %s", refused[i].spec, reason.text, place);
	}
}

TEST(a_text_that_is_too_long_is_refused)
{
	char spec[FAULT_TEXT_MAX + 16] = "banner=";
	struct fault fault;
	struct reason reason;
	memset(spec + 7, 'x', FAULT_TEXT_MAX);
	assert_int_equal(fault_parse(spec, &fault, &reason), 0);
	strcat(spec, "x");
	assert_int_equal(fault_parse(spec, &fault, &reason), -EINVAL);
}

TEST(every_kind_has_a_name_a_line_of_help_and_an_example_of_itself)
{
	for (enum fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
		const struct fault_row *row = fault_kind_of(kind);
		assert_non_null(row->name);
		assert_non_null(row->help);
		assert_int_equal(parsed(row->example).kind, kind);
	}
}

TEST(regions_of_one_kind_may_not_overlap)
{
	struct fault_set set = { 0 };
	struct reason reason;
	struct fault fault = parsed("duplicate@100=50");
	assert_int_equal(fault_set_add(&set, &fault, &reason), 0);
	fault = parsed("duplicate@149=1");
	assert_int_equal(fault_set_add(&set, &fault, &reason), -EINVAL);
	fault = parsed("duplicate@51=50");
	assert_int_equal(fault_set_add(&set, &fault, &reason), -EINVAL);
	fault = parsed("duplicate@150=1");
	assert_int_equal(fault_set_add(&set, &fault, &reason), 0);
	fault = parsed("drop@100=50");
	assert_int_equal(fault_set_add(&set, &fault, &reason), 0);
}

TEST(a_set_has_a_maximum)
{
	struct fault_set set = { 0 };
	struct reason reason;
	struct fault fault = parsed("rst@1");
	for (int i = 0; i < FAULTS_MAX; i++)
		assert_int_equal(fault_set_add(&set, &fault, &reason), 0);
	assert_int_equal(fault_set_add(&set, &fault, &reason), -EINVAL);
}

static size_t count_chosen(const char *spec, uint64_t seed, uint64_t n)
{
	struct fault_set set = { .seed = seed };
	struct reason reason;
	struct fault fault = parsed(spec);
	size_t chosen = 0;
	assert_int_equal(fault_set_add(&set, &fault, &reason), 0);
	for (uint64_t conn = 1; conn <= n; conn++)
		chosen += fault_applies(&set, 0, conn);
	return chosen;
}

TEST(the_seed_chooses_the_connections)
{
	assert_int_equal(count_chosen("rst@1", 7, 1000), 1000);
	assert_int_equal(count_chosen("rst@1,conn=42", 7, 1000), 1);
	assert_int_equal(count_chosen("rst@1,every=4", 7, 1000), 250);
	size_t chosen = count_chosen("rst@1,p=1/4", 7, 10000);
	assert_in_range(chosen, 2300, 2700); /* a fixed seed: the number is always the same */
	assert_int_equal(chosen, count_chosen("rst@1,p=1/4", 7, 10000));
	assert_int_not_equal(chosen, count_chosen("rst@1,p=1/4", 8, 10000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_is_read_and_written_in_its_canonical_form),
		cmocka_unit_test(a_fault_has_the_values_of_its_text),
		cmocka_unit_test(what_is_refused_is_refused_with_its_place),
		cmocka_unit_test(a_text_that_is_too_long_is_refused),
		cmocka_unit_test(every_kind_has_a_name_a_line_of_help_and_an_example_of_itself),
		cmocka_unit_test(regions_of_one_kind_may_not_overlap),
		cmocka_unit_test(a_set_has_a_maximum),
		cmocka_unit_test(the_seed_chooses_the_connections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
