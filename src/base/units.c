/* SPDX-License-Identifier: MIT */
#include "base/units.h"

#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

/* Used to parse and to format. Largest first: formatting takes the first unit that divides. */
static const struct {
	const char *suffix;
	uint64_t ns;
} duration_units[] = {
	{ "h", UINT64_C(3600000000000) }, { "m", UINT64_C(60000000000) },
	{ "s", UINT64_C(1000000000) },    { "ms", UINT64_C(1000000) },
	{ "us", UINT64_C(1000) },         { "ns", UINT64_C(1) },
};

/* A hundred years: a larger value is a typing error, and this one cannot overflow a deadline. */
#define DURATION_MAX_NS (UINT64_C(876000) * UINT64_C(3600000000000))

/* Parses digits at *text and moves *text past them. */
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

/*
 * Parses a number and at most one letter. Each letter multiplies by `step` once more than the
 * letter before.
 */
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
 * Returns the value of the digits after a decimal point, in ns, rounded down. It goes from the last
 * digit to the first: then rounding down at each step equals rounding down once at the end.
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

/* ---- moments ---- */

#define NS_PER_S UINT64_C(1000000000)

/* The end of 2500: a later time is a typing error, and this one fits into 64 bits. */
#define MOMENT_MAX_S UINT64_C(16756761599)

/*
 * Matches a form: 'd' is a digit, 'T' the separator of date and time (RFC 3339 5.6: T, t or space).
 */
static bool has_form(const char *text, const char *form)
{
	for (; *form != '\0'; text++, form++) {
		bool fits = *form == 'd'   ? isdigit((unsigned char)*text) != 0
			    : *form == 'T' ? *text == 'T' || *text == 't' || *text == ' '
					   : *text == *form;
		if (!fits)
			return false;
	}
	return true;
}

/* Parses n digits that has_form() has checked. */
static int number_at(const char *digits, size_t n)
{
	int number = 0;
	for (size_t i = 0; i < n; i++)
		number = number * 10 + (digits[i] - '0');
	return number;
}

/* Parses ".25" or nothing and moves *text past it. */
MUST_USE static int parse_fraction(const char **text, uint64_t *ret_ns)
{
	size_t n_digits = **text == '.' ? strspn(*text + 1, "0123456789") : 0;
	if (**text == '.' && n_digits == 0)
		return ERR_BAD_MOMENT;
	*ret_ns = n_digits > 0 ? fraction_ns(*text + 1, n_digits, NS_PER_S) : 0;
	*text += n_digits > 0 ? 1 + n_digits : 0;
	return 0;
}

/* Parses "Z" or "+02:00" up to the end of the text. */
MUST_USE static int parse_offset(const char *text, int *ret_seconds)
{
	*ret_seconds = 0;
	if ((*text == 'Z' || *text == 'z') && text[1] == '\0')
		return 0;
	if (*text == '\0' || strchr("+-", *text) == NULL || !has_form(text + 1, "dd:dd") ||
	    text[6] != '\0')
		return ERR_BAD_MOMENT;
	int hours = number_at(text + 1, 2), minutes = number_at(text + 4, 2);
	if (hours > 23 || minutes > 59)
		return ERR_OUT_OF_RANGE;
	*ret_seconds = (*text == '-' ? -60 : 60) * (hours * 60 + minutes);
	return 0;
}

/*
 * Parses a date and time whose form is checked, as UTC. Returns seconds since 1970 in *ret_seconds.
 */
MUST_USE static int read_day(const char *text, int64_t *ret_seconds)
{
	int64_t hour = number_at(text + 11, 2), minute = number_at(text + 14, 2);
	int64_t second = number_at(text + 17, 2);
	struct tm day = {
		.tm_year = number_at(text, 4) - 1900,
		.tm_mon = number_at(text + 5, 2) - 1,
		.tm_mday = number_at(text + 8, 2),
	};
	const struct tm wanted = day;
	int64_t midnight = timegm(&day); /* turns the 30th of February into the 2nd of March */
	if (day.tm_mon != wanted.tm_mon || day.tm_mday != wanted.tm_mday || hour > 23 ||
	    minute > 59 || second > 60)
		return ERR_OUT_OF_RANGE;
	*ret_seconds = midnight + hour * 3600 + minute * 60 + second;
	return 0;
}

MUST_USE static int parse_time_of_day(const char *text, uint64_t *ret_ns)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	int64_t seconds;
	int offset = 0;
	uint64_t part_ns = 0;
	if (!has_form(text, form))
		return ERR_BAD_MOMENT;
	int rc = read_day(text, &seconds);
	text += sizeof(form) - 1;
	if (rc == 0)
		rc = parse_fraction(&text, &part_ns);
	if (rc == 0)
		rc = parse_offset(text, &offset);
	if (rc < 0)
		return rc;
	seconds -= offset;
	if (seconds < 0 || seconds > (int64_t)MOMENT_MAX_S)
		return ERR_OUT_OF_RANGE;
	*ret_ns = (uint64_t)seconds * NS_PER_S + part_ns;
	return 0;
}

MUST_USE static int parse_seconds_since_1970(const char *text, uint64_t *ret_ns)
{
	uint64_t seconds, part_ns = 0;
	int rc = parse_digits(&text, &seconds);
	if (rc == 0)
		rc = parse_fraction(&text, &part_ns);
	if (rc == ERR_NOT_A_NUMBER || (rc == 0 && *text != '\0'))
		return ERR_BAD_MOMENT;
	if (rc == 0 && seconds > MOMENT_MAX_S)
		return ERR_OUT_OF_RANGE;
	if (rc == 0)
		*ret_ns = seconds * NS_PER_S + part_ns;
	return rc;
}

int units_parse_timestamp(const char *text, uint64_t now_ns, uint64_t *ret_ns)
{
	uint64_t after_ns;
	if (*text == '@')
		return parse_seconds_since_1970(text + 1, ret_ns);
	if (*text != '+')
		return parse_time_of_day(text, ret_ns);
	int rc = units_parse_duration(text + 1, &after_ns);
	if (rc == 0 && after_ns > UINT64_MAX - now_ns)
		rc = ERR_OUT_OF_RANGE;
	if (rc == 0)
		*ret_ns = now_ns + after_ns;
	return rc;
}

struct units_text units_timestamp(uint64_t ns)
{
	struct units_text out;
	time_t seconds = (time_t)(ns / NS_PER_S);
	struct tm utc;
	gmtime_r(&seconds, &utc); /* cannot fail for 64-bit nanoseconds */
	size_t used = strftime(out.text, sizeof(out.text), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out.text + used, sizeof(out.text) - used, ".%09" PRIu64 "Z", ns % NS_PER_S);
	return out;
}

struct units_text units_utc(uint64_t ns)
{
	struct units_text out;
	const struct units_text stamp = units_timestamp(ns);
	const char *date = stamp.text, *time_of_day = stamp.text + strlen("2026-11-26T");
	snprintf(out.text, sizeof(out.text), "%.10s %.8s UTC", date, time_of_day);
	return out;
}

struct units_text units_count(uint64_t n, const char *noun)
{
	struct units_text out;
	snprintf(out.text, sizeof(out.text), "%" PRIu64 " %s%s", n, noun, units_s(n));
	return out;
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
	/* A value that would be rounded to 1024.0 is 1.0 in the next unit. */
	while (value >= 1023.95 && unit + 1 < ARRAY_LEN(names)) {
		value /= 1024;
		unit++;
	}
	snprintf(out.text, sizeof(out.text), unit == 0 ? "%.0f %s" : "%.1f %s", value, names[unit]);
	return out;
}
