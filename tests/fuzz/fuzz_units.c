/* SPDX-License-Identifier: MIT */
/*
 * Units: a count, a duration or a point in time is read as exact arithmetic would, or is refused
 * and nothing is written. A printed value reads as the same.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/units.h"
#include "fuzz.h"

__extension__ typedef unsigned __int128 wide;

#define UNTOUCHED UINT64_C(0x5a5a5a5a5a5a5a5a)

/* A hundred years. */
#define MOST_NS (UINT64_C(100) * 365 * 24 * 3600 * 1000000000)

/* The smallest first. */
static const struct {
	const char *suffix;
	uint64_t ns;
} units[] = {
	{ "ns", 1 },         { "us", 1000 },       { "ms", 1000000 },
	{ "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 },
};

/* ---- counts ---- */

static bool is_count(const char *text, uint64_t *ret_count)
{
	if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
		return false;
	errno = 0;
	*ret_count = strtoull(text, NULL, 10);
	return errno == 0;
}

static void check_count(const char *text)
{
	uint64_t count = UNTOUCHED, expected = UNTOUCHED;
	int rc = units_parse_count(text, &count);
	assert(rc == 0 || rc == ERR_NOT_A_NUMBER || rc == ERR_OUT_OF_RANGE);
	assert((rc == 0) == is_count(text, &expected));
	assert(count == (rc == 0 ? expected : UNTOUCHED));
}

/* ---- durations ---- */

/* This number of digits of a fraction is exact in 128 bits; further digits may add 1 ns. */
#define EXACT_DIGITS 20

/* Reads a duration in exact arithmetic; *ret_slack is how much larger it may be. */
static bool is_duration(const char *text, wide *ret_ns, uint64_t *ret_slack)
{
	*ret_ns = *ret_slack = 0;
	if (strcmp(text, "off") == 0)
		return true;
	size_t n_whole = strspn(text, "0123456789");
	wide whole = 0, fraction = 0, scale = 1;
	if (n_whole == 0)
		return false;
	for (; n_whole > 0; n_whole--, text++) {
		whole *= 10;
		whole += (unsigned int)(*text - '0');
		if (whole > UINT64_MAX)
			return false;
	}
	if (*text == '.') {
		size_t n_digits = strspn(++text, "0123456789");
		if (n_digits == 0)
			return false;
		*ret_slack = n_digits > EXACT_DIGITS;
		for (size_t i = 0; i < n_digits && i < EXACT_DIGITS; i++, scale *= 10) {
			fraction *= 10;
			fraction += (unsigned int)(text[i] - '0');
		}
		text += n_digits;
	}
	if (*text == '\0')
		text = "s";
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strcmp(text, units[i].suffix) == 0) {
			*ret_ns = whole * units[i].ns + fraction * units[i].ns / scale;
			return true;
		}
	}
	return false;
}

static void check_duration(const char *text)
{
	uint64_t ns = UNTOUCHED, slack;
	wide expected;
	int rc = units_parse_duration(text, &ns);
	assert(rc == 0 || rc == ERR_NOT_A_NUMBER || rc == ERR_OUT_OF_RANGE || rc == ERR_BAD_UNIT);
	bool is_good = is_duration(text, &expected, &slack) && expected <= MOST_NS;
	if (rc == 0)
		assert(is_good && ns >= expected && ns <= expected + slack && ns <= MOST_NS);
	else
		assert(ns == UNTOUCHED && (!is_good || expected + slack > MOST_NS));
}

/* ---- moments ---- */

#define NS_PER_S      UINT64_C(1000000000)
#define MOMENT_MAX_NS (UINT64_C(16756761600) * NS_PER_S - 1)

/*
 * Counts the days, one year and one month after the other. Returns false if there is no such day.
 */
static bool count_days(int year, int month, int day, uint64_t *ret_days)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	*ret_days = 0;
	if (month < 1 || month > 12)
		return false;
	for (int y = 1969; y <= year; y++) {
		bool is_leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
		int last = y < year ? 12 : month - 1;
		for (int m = 0; m < last && y >= 1969; m++)
			*ret_days += (uint64_t)(lengths[m] + (m == 1 && is_leap));
		if (y == year && (day < 1 || day > lengths[last] + (last == 1 && is_leap)))
			return false;
	}
	*ret_days += (uint64_t)(day - 1);
	return true;
}

/* The meaning of a time of day as sscanf(3) reads it, after its form was checked. */
static void check_time_of_day(const char *text, uint64_t ns)
{
	int year, month, day, hour, minute, second, n, hours = 0, minutes = 0;
	uint64_t days, fraction = 0, unit = NS_PER_S;
	assert(sscanf(text, "%4d-%2d-%2d%*c%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute,
		      &second, &n) == 6);
	assert(n == 19 && count_days(year, month, day, &days));
	assert(hour < 24 && minute < 60 && second <= 60);
	for (text += n; *text == '.' || isdigit((unsigned char)*text); text++) {
		if (*text != '.' && unit > 1)
			fraction += (uint64_t)(*text - '0') * (unit /= 10);
	}
	bool is_utc = tolower((unsigned char)*text) == 'z';
	assert(is_utc || sscanf(text + 1, "%2d:%2d", &hours, &minutes) == 2);
	assert(hours < 24 && minutes < 60);
	int64_t offset = (*text == '-' ? -60 : 60) * (hours * 60 + minutes);
	int64_t seconds = (int64_t)(days - 365) * 86400; /* from 1969 on */
	seconds += hour * 3600 + minute * 60 + second - offset;
	assert(seconds >= 0 && ns == (uint64_t)seconds * NS_PER_S + fraction);
}

static void check_moment(const char *text, uint64_t now_ns)
{
	uint64_t ns = UNTOUCHED, other = UNTOUCHED;
	int rc = units_parse_timestamp(text, now_ns, &ns);
	if (rc < 0) {
		assert(rc == ERR_BAD_MOMENT || rc == ERR_OUT_OF_RANGE ||
		       (text[0] == '+' && (rc == ERR_NOT_A_NUMBER || rc == ERR_BAD_UNIT)));
		assert(ns == UNTOUCHED);
		return;
	}
	if (text[0] == '+') {
		assert(units_parse_duration(text + 1, &other) == 0 && ns - now_ns == other);
		return;
	}
	assert(ns <= MOMENT_MAX_NS);
	if (text[0] == '@')
		assert(units_parse_duration(text + 1, &other) != 0 || ns == other);
	else
		check_time_of_day(text, ns);
}

/* ---- printing ---- */

/* It reads as the same, in either form, and every time within the accepted range can be read. */
static void check_printed_moment(uint64_t ns)
{
	struct units_text printed = units_timestamp(ns);
	assert(memchr(printed.text, '\0', sizeof(printed.text)) != NULL);
	uint64_t again = UNTOUCHED;
	assert(units_parse_timestamp(printed.text, 0, &again) == 0 && again == ns);
	check_moment(printed.text, 0);
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n > m && strcmp(text + n - m, end) == 0 && isdigit((unsigned char)text[n - m - 1]);
}

/* It reads as the same, and no larger unit is possible. */
static void check_printed_duration(uint64_t ns)
{
	struct units_text printed = units_duration(ns);
	assert(memchr(printed.text, '\0', sizeof(printed.text)) != NULL);
	uint64_t again = UNTOUCHED;
	if (ns > MOST_NS)
		return;
	assert(units_parse_duration(printed.text, &again) == 0 && again == ns);
	for (size_t i = ARRAY_LEN(units);
	     ns > 0 && i-- > 0 && !ends_with(printed.text, units[i].suffix);)
		assert(ns % units[i].ns != 0);
}

/* It is exact to half of the last printed digit. */
static void check_printed_bytes(uint64_t bytes)
{
	static const char *const names[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB" };
	struct units_text printed = units_bytes(bytes);
	assert(memchr(printed.text, '\0', sizeof(printed.text)) != NULL);
	char *name;
	double value = strtod(printed.text, &name);
	assert(value < 1024);
	size_t i = 0;
	uint64_t unit = 1;
	for (; strcmp(name, names[i]) != 0; i++, unit *= 1024)
		assert(i + 1 < ARRAY_LEN(names));
	double error = value * (double)unit - (double)bytes;
	double most = i == 0 ? 0 : 0.0501 * (double)unit;
	assert(error <= most && -error <= most);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input as_text = { data, size }, as_number = { data, size };
	char *text = fuzz_string(&as_text);
	check_count(text);
	check_duration(text);
	check_moment(text, 0);
	check_moment(text, UINT64_MAX - MOST_NS / 2);
	free(text);

	uint64_t number = fuzz_number(&as_number);
	check_printed_duration(number);
	check_printed_duration(number % (MOST_NS + 1));
	check_printed_bytes(number);
	check_printed_moment(number % (MOMENT_MAX_NS + 1));
	return 0;
}
