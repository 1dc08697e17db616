/* SPDX-License-Identifier: MIT */
#include "report/html/format.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/escape.h"

/* ---- numbers ---- */

struct unit {
	const char *name;
	double size;
};

/* In rising order. */
static const struct unit time_units[] = {
	{ "ns", 1 },
	{ "µs", 1e3 },
	{ "ms", 1e6 },
	{ "s", 1e9 },
};

static const struct unit count_units[] = {
	{ "", 1 }, { "k", 1e3 }, { "M", 1e6 }, { "G", 1e9 }, { "T", 1e12 }, { "P", 1e15 },
};

/* Returns the largest unit that is at most `value`, after rounding to 1/parts of the unit. */
static const struct unit *unit_of(double value, const struct unit *units, size_t n, double parts)
{
	const struct unit *unit = units;
	for (size_t i = 1; i < n; i++) {
		if (value >= units[i].size * (1 - 0.5 / parts))
			unit = &units[i];
	}
	return unit;
}

/* Returns the number of decimals for four significant digits. */
static int decimals_for(double value)
{
	int decimals = 3;
	for (double bound = 9.9995; decimals > 0 && value >= bound; bound *= 10)
		decimals--;
	return decimals;
}

struct format_text format_count(uint64_t n)
{
	struct format_text plain, grouped = { "" };
	int length = snprintf(plain.text, sizeof(plain.text), "%" PRIu64, n);
	char *at = grouped.text;
	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*at++ = ',';
		*at++ = plain.text[i];
	}
	*at = '\0';
	return grouped;
}

struct format_text format_time(uint64_t ns)
{
	struct format_text figure;
	double value = (double)ns;
	const struct unit *unit = unit_of(value, time_units, ARRAY_LEN(time_units), 1e4);
	value /= unit->size;
	if (value >= 999.95)
		snprintf(figure.text, sizeof(figure.text), "%s %s",
			 format_count((uint64_t)(value + 0.5)).text, unit->name);
	else
		snprintf(figure.text, sizeof(figure.text), "%.*f %s",
			 unit == time_units ? 0 : decimals_for(value), value, unit->name);
	return figure;
}

struct format_text format_round_time(double ns)
{
	struct format_text figure;
	const struct unit *unit = unit_of(ns, time_units, ARRAY_LEN(time_units), 1e4);
	snprintf(figure.text, sizeof(figure.text), "%.6g %s", ns / unit->size, unit->name);
	return figure;
}

struct format_text format_round_count(double n)
{
	struct format_text figure;
	const struct unit *unit = unit_of(n, count_units, ARRAY_LEN(count_units), 1e4);
	snprintf(figure.text, sizeof(figure.text), "%.6g%s", n / unit->size, unit->name);
	return figure;
}

struct format_text format_rate(double per_second)
{
	struct format_text figure;
	if (per_second >= 999.95)
		snprintf(figure.text, sizeof(figure.text), "%s/s",
			 format_count((uint64_t)(per_second + 0.5)).text);
	else
		snprintf(figure.text, sizeof(figure.text), "%.*f/s", decimals_for(per_second),
			 per_second);
	return figure;
}

struct format_text format_seconds(double seconds)
{
	struct format_text figure;
	int length = snprintf(figure.text, sizeof(figure.text), "%.3f", seconds);
	while (figure.text[length - 1] == '0')
		length--;
	if (figure.text[length - 1] == '.')
		length--;
	snprintf(figure.text + length, sizeof(figure.text) - (size_t)length, " s");
	return figure;
}

/* ---- texts from outside ---- */

/* Number of bytes that are escaped at a time. */
#define ESCAPED_AT_ONCE 256

static void put_escaped(FILE *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		switch (text[i]) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputc(text[i], out);
		}
	}
}

void format_put_text(FILE *out, const char *text)
{
	struct escape escape = { .utf8 = true };
	char harmless[ESCAPE_ROOM(ESCAPED_AT_ONCE)] = "";
	size_t length = strnlen(text, FORMAT_TEXT_MAX + 1);
	size_t shown = length > FORMAT_TEXT_MAX ? FORMAT_TEXT_MAX : length;
	for (size_t at = 0; at < shown; at += ESCAPED_AT_ONCE) {
		size_t n = shown - at < ESCAPED_AT_ONCE ? shown - at : ESCAPED_AT_ONCE;
		put_escaped(out, harmless, escape_bytes(&escape, text + at, n, harmless));
	}
	put_escaped(out, harmless, escape_end(&escape, harmless));
	if (length > shown)
		fputs("…", out);
}
