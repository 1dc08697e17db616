/* SPDX-License-Identifier: MIT */
#include "base/units.h"

#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

/* One table reads and prints. Largest first: printing takes the first that divides. */
static const struct {
	const char *suffix;
	uint64_t ns;
} duration_units[] = {
	{ "h", UINT64_C(3600000000000) }, { "m", UINT64_C(60000000000) },
	{ "s", UINT64_C(1000000000) },    { "ms", UINT64_C(1000000) },
	{ "us", UINT64_C(1000) },         { "ns", UINT64_C(1) },
};

/* A hundred years: more is a slip of the keyboard, and less cannot overflow a deadline. */
#define DURATION_MAX_NS (UINT64_C(876000) * UINT64_C(3600000000000))

/* Reads digits from *text on and moves it behind them. */
MUST_USE static int parse_digits(const char **text, uint64_t *ret_number)
{
	const char *at = *text;
	if (!isdigit((unsigned char)*at))
		return ERR_NOT_A_NUMBER;

	uint64_t number = 0;
	for (; isdigit((unsigned char)*at); at++) {
		if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			return ERR_OUT_OF_RANGE;
	}
	*text = at;
	*ret_number = number;
	return 0;
}

int units_parse_count(const char *text, uint64_t *ret_count)
{
	uint64_t count;
	int rc = parse_digits(&text, &count);
	if (rc < 0)
		return rc;
	if (*text != '\0')
		return ERR_NOT_A_NUMBER;
	*ret_count = count;
	return 0;
}

/* A number and perhaps one letter, each of which stands for a step more. */
MUST_USE static int parse_multiple(const char *text, uint64_t step, uint64_t *ret_value)
{
	static const char letters[] = "kMG";
	uint64_t value;
	int rc = parse_digits(&text, &value);
	if (rc < 0)
		return rc;
	if (*text != '\0') {
		const char *letter = strchr(letters, *text == 'K' ? 'k' : *text);
		if (letter == NULL || text[1] != '\0')
			return ERR_BAD_MULTIPLE;
		for (const char *at = letters; at <= letter; at++) {
			if (__builtin_mul_overflow(value, step, &value))
				return ERR_OUT_OF_RANGE;
		}
	}
	*ret_value = value;
	return 0;
}

int units_parse_size(const char *text, uint64_t *ret_bytes)
{
	return parse_multiple(text, 1024, ret_bytes);
}

int units_parse_rate(const char *text, uint64_t *ret_per_second)
{
	return parse_multiple(text, 1000, ret_per_second);
}

/*
 * The digits after a decimal point, of `unit_ns`; what is finer than a nanosecond is cut. From the
 * last digit to the first: cutting at each of them is then the same as cutting once at the end.
 */
static uint64_t fraction_ns(const char *digits, size_t n_digits, uint64_t unit_ns)
{
	uint64_t ns = 0;
	for (size_t i = n_digits; i-- > 0;)
		ns = ((uint64_t)(digits[i] - '0') * unit_ns + ns) / 10;
	return ns;
}

int units_parse_duration(const char *text, uint64_t *ret_ns)
{
	if (strcmp(text, "off") == 0) {
		*ret_ns = 0;
		return 0;
	}

	uint64_t whole;
	int rc = parse_digits(&text, &whole);
	if (rc < 0)
		return rc;

	const char *fraction = text;
	size_t n_fraction = 0;
	if (*text == '.') {
		fraction = text + 1;
		n_fraction = strspn(fraction, "0123456789");
		if (n_fraction == 0)
			return ERR_NOT_A_NUMBER;
		text = fraction + n_fraction;
	}

	const char *suffix = *text != '\0' ? text : "s";
	for (size_t i = 0; i < ARRAY_LEN(duration_units); i++) {
		uint64_t unit_ns = duration_units[i].ns;
		if (strcmp(suffix, duration_units[i].suffix) != 0)
			continue;
		if (whole > DURATION_MAX_NS / unit_ns)
			return ERR_OUT_OF_RANGE;
		uint64_t ns = whole * unit_ns + fraction_ns(fraction, n_fraction, unit_ns);
		if (ns > DURATION_MAX_NS)
			return ERR_OUT_OF_RANGE;
		*ret_ns = ns;
		return 0;
	}
	return ERR_BAD_UNIT;
}

struct units_text units_duration(uint64_t ns)
{
	struct units_text out = { "0s" };
	for (size_t i = 0; i < ARRAY_LEN(duration_units) && ns > 0; i++) {
		if (ns % duration_units[i].ns != 0)
			continue;
		snprintf(out.text, sizeof(out.text), "%" PRIu64 "%s", ns / duration_units[i].ns,
			 duration_units[i].suffix);
		break;
	}
	return out;
}

struct units_text units_bytes(uint64_t bytes)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	struct units_text out;
	double value = (double)bytes;
	size_t unit = 0;
	/* What would be rounded up to 1024.0 is 1.0 of the next. */
	while (value >= 1023.95 && unit + 1 < ARRAY_LEN(names)) {
		value /= 1024;
		unit++;
	}
	snprintf(out.text, sizeof(out.text), unit == 0 ? "%.0f %s" : "%.1f %s", value, names[unit]);
	return out;
}
