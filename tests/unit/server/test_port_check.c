/* SPDX-License-Identifier: MIT */
/*
 * The port rule at every limit: the reasons that a port gets, also on machines with other ranges.
 */
#include "server/port_check.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

#define RESERVED  1u
#define OLD       2u
#define EPHEMERAL 4u
#define DYNAMIC   8u

/* Returns the reasons in a message, recognised by words that only they contain. */
static unsigned int reasons_in(const char *text)
{
	return (strstr(text, "reserved") != NULL ? RESERVED : 0) |
	       (strstr(text, "older systems") != NULL ? OLD : 0) |
	       (strstr(text, "ip_local_port_range") != NULL ? EPHEMERAL : 0) |
	       (strstr(text, "RFC 6335") != NULL ? DYNAMIC : 0);
}

static const struct sysinfo_port_range usual = { 32768, 60999 };
static const struct sysinfo_port_range wide = { 1024, 65535 };
static const struct sysinfo_port_range old = { 1024, 4999 };
static const struct sysinfo_port_range single = { 9877, 9877 };
static const struct sysinfo_ports none;

TEST(every_edge_earns_its_reasons)
{
	static const struct {
		uint16_t port;
		const struct sysinfo_port_range *range;
		unsigned int reasons;
	} rows[] = {
		{ 0, &usual, 0 }, /* the kernel's choice */
		{ 1, &usual, RESERVED },
		{ 7, &usual, RESERVED },
		{ 1023, &usual, RESERVED },
		{ 1024, &usual, OLD },
		{ 5000, &usual, OLD },
		{ 5001, &usual, 0 },
		{ 9877, &usual, 0 },
		{ 32767, &usual, 0 },
		{ 32768, &usual, EPHEMERAL },
		{ 49151, &usual, EPHEMERAL },
		{ 49152, &usual, EPHEMERAL | DYNAMIC },
		{ 60999, &usual, EPHEMERAL | DYNAMIC },
		{ 61000, &usual, DYNAMIC },
		{ 65535, &usual, DYNAMIC },

		{ 0, &wide, 0 },
		{ 1023, &wide, RESERVED },
		{ 1024, &wide, OLD | EPHEMERAL },
		{ 5001, &wide, EPHEMERAL },
		{ 65535, &wide, EPHEMERAL | DYNAMIC },

		{ 4999, &old, OLD | EPHEMERAL },
		{ 5000, &old, OLD },
		{ 32768, &old, 0 },
		{ 49151, &old, 0 },
		{ 49152, &old, DYNAMIC },

		{ 9876, &single, 0 },
		{ 9877, &single, EPHEMERAL },
		{ 9878, &single, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct port_advice text = { "untouched" };
		bool advised = port_check(rows[i].port, *rows[i].range, &none, &text);
		if (advised != (rows[i].reasons != 0))
			fail_msg("port %u: %s", rows[i].port, advised ? text.text : "no advice");
		if (advised)
			assert_int_equal(reasons_in(text.text), rows[i].reasons);
		else
			assert_string_equal(text.text, "untouched");
	}
}

TEST(a_reserved_port_of_the_ephemeral_range_keeps_the_rule)
{
	struct port_advice text;
	struct sysinfo_ports reserved = { { 0 } };
	sysinfo_ports_add(&reserved, 40000);
	sysinfo_ports_add(&reserved, 50000);
	assert_false(port_check(40000, usual, &reserved, &text));
	assert_true(port_check(39999, usual, &reserved, &text));
	assert_true(port_check(40001, usual, &reserved, &text));
	assert_true(port_check(50000, usual, &reserved, &text)); /* for another reason */
	assert_int_equal(reasons_in(text.text), DYNAMIC);
}

TEST(the_ranges_are_named)
{
	struct port_advice text;
	assert_true(port_check(80, usual, &none, &text));
	assert_non_null(strstr(text.text, "1-1023"));
	assert_true(port_check(3000, usual, &none, &text));
	assert_non_null(strstr(text.text, "1024-5000"));
	assert_true(port_check(40000, usual, &none, &text));
	assert_non_null(strstr(text.text, "32768-60999"));
	assert_true(port_check(65000, usual, &none, &text));
	assert_non_null(strstr(text.text, "49152-65535"));
}

TEST(several_reasons_are_one_sentence_that_is_whole)
{
	struct port_advice text;
	assert_true(port_check(65535, wide, &none, &text));
	size_t n = strlen(text.text);
	assert_true(n < sizeof(text.text) - 1);
	assert_non_null(strstr(text.text, "; "));
	assert_null(strchr(text.text, '\n'));
	assert_int_not_equal(text.text[n - 1], '.');
	assert_int_not_equal(text.text[n - 1], ' ');
}

TEST(no_other_port_is_warned_about)
{
	struct port_advice text;
	for (unsigned int port = 5001; port < 32768; port++)
		assert_false(port_check((uint16_t)port, usual, &none, &text));
	for (unsigned int port = 32768; port <= 65535; port++)
		assert_true(port_check((uint16_t)port, usual, &none, &text));
	for (unsigned int port = 1; port <= 5000; port++)
		assert_true(port_check((uint16_t)port, usual, &none, &text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_edge_earns_its_reasons),
		cmocka_unit_test(a_reserved_port_of_the_ephemeral_range_keeps_the_rule),
		cmocka_unit_test(the_ranges_are_named),
		cmocka_unit_test(several_reasons_are_one_sentence_that_is_whole),
		cmocka_unit_test(no_other_port_is_warned_about),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
