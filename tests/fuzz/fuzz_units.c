/* SPDX-License-Identifier: MIT */
/*
 * Units: a count or a duration is read as exact arithmetic would, or refused and nothing written;
 * what is printed reads as itself.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
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

/* So many digits of a fraction are exact in 128 bits; those behind them may make 1 ns more. */
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

/* ---- printing ---- */

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n > m && strcmp(text + n - m, end) == 0 && isdigit((unsigned char)text[n - m - 1]);
}

/* It reads as itself, and no larger unit would have done. */
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

/* Within half of the last digit that is shown. */
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
	free(text);

	uint64_t number = fuzz_number(&as_number);
	check_printed_duration(number);
	check_printed_duration(number % (MOST_NS + 1));
	check_printed_bytes(number);
	return 0;
}
