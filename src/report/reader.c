/* SPDX-License-Identifier: MIT */
#include "report/reader.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/units.h"

int reader_refuse(struct reader *reader, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	vsnprintf(reader->why->text, sizeof(reader->why->text), format, values);
	va_end(values);
	return -EBADMSG;
}

int reader_keep_text(char **text, const char *from, size_t n)
{
	char *copy;
	int rc = escape_copy(from, n, &copy);
	if (rc < 0)
		return rc;
	free(*text);
	*text = copy;
	return 0;
}

/* ---- fields of a JSON object ---- */

/* Returns the find_field, or NULL. Sets *ret_rc to 0 if it may be missing, else refuses. */
static const json_t *find_field(struct reader *reader, const json_t *json, const char *name,
				enum reader_need need, int *ret_rc)
{
	const json_t *value = json_object_get(json, name);
	*ret_rc = 0;
	if (value != NULL && !json_is_null(value))
		return value;
	if (need == READER_REQUIRED)
		*ret_rc = reader_refuse(reader, "it has no \"%s\"", name);
	return NULL;
}

int reader_count(struct reader *reader, const json_t *json, const char *name, enum reader_need need,
		 uint64_t *ret_count)
{
	int rc;
	const json_t *value = find_field(reader, json, name, need, &rc);
	if (value == NULL)
		return rc;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return reader_refuse(reader, "\"%s\" is not a whole number from 0 on", name);
	*ret_count = (uint64_t)json_integer_value(value);
	return 0;
}

int reader_number(struct reader *reader, const json_t *json, const char *name,
		  enum reader_need need, double *ret_number)
{
	int rc;
	const json_t *value = find_field(reader, json, name, need, &rc);
	if (value == NULL)
		return rc;
	if (!json_is_number(value) || json_number_value(value) < 0)
		return reader_refuse(reader, "\"%s\" is not a number from 0 on", name);
	*ret_number = json_number_value(value);
	return 0;
}

int reader_text(struct reader *reader, const json_t *json, const char *name, enum reader_need need,
		char **ret_text)
{
	int rc;
	const json_t *value = find_field(reader, json, name, need, &rc);
	if (value == NULL)
		return rc;
	if (!json_is_string(value))
		return reader_refuse(reader, "\"%s\" is not a text", name);
	return reader_keep_text(ret_text, json_string_value(value), json_string_length(value));
}

int reader_flag(struct reader *reader, const json_t *json, const char *name, enum reader_need need,
		bool *ret_flag)
{
	int rc;
	const json_t *value = find_field(reader, json, name, need, &rc);
	if (value == NULL)
		return rc;
	if (!json_is_boolean(value))
		return reader_refuse(reader, "\"%s\" is neither true nor false", name);
	*ret_flag = json_is_true(value);
	return 0;
}

int reader_seconds(struct reader *reader, const json_t *json, const char *name,
		   enum reader_need need, uint64_t *ret_ns)
{
	double seconds = -1;
	int rc = reader_number(reader, json, name, need, &seconds);
	if (rc < 0 || seconds < 0)
		return rc;
	if (seconds > READER_SECONDS_MAX)
		return reader_refuse(reader, "\"%s\" is more than a hundred years", name);
	*ret_ns = (uint64_t)(seconds * 1e9 + 0.5);
	return 0;
}

/* ---- times ---- */

uint64_t reader_ns_of_us(double us)
{
	return us < READER_SECONDS_MAX * 1e6 ? (uint64_t)(us * 1e3 + 0.5) : READER_NS_MAX;
}

bool reader_decimal(const char **at, uint64_t unit_ns, uint64_t *ret_ns)
{
	const char *next = *at;
	uint64_t whole = 0, part = 0, scale = 1;
	if (!isdigit((unsigned char)*next))
		return false;
	for (; isdigit((unsigned char)*next); next++) {
		if (whole > READER_NS_MAX / 10)
			return false;
		whole = whole * 10 + (uint64_t)(*next - '0');
	}
	if (*next == '.') {
		for (next++; isdigit((unsigned char)*next); next++) {
			if (scale < CLOCK_NS_PER_S) { /* finer digits do not count */
				scale *= 10;
				part = part * 10 + (uint64_t)(*next - '0');
			}
		}
	}
	if (whole > READER_NS_MAX / unit_ns)
		return false;
	/* Both factors are at most 10^9. */
	uint64_t part_ns = unit_ns <= CLOCK_NS_PER_S ? (part * unit_ns + scale / 2) / scale : 0;
	*ret_ns = whole * unit_ns + part_ns;
	*at = next;
	return true;
}

bool reader_timestamp(const char *text, uint64_t *ret_ns)
{
	/* "+5s" is not valid in a file, because it would be relative to now. */
	return isdigit((unsigned char)*text) && units_parse_timestamp(text, 0, ret_ns) == 0;
}

/* ---- minimum and maximum of a histogram ---- */

/* Moves a value that is just outside its bucket into it. Returns false if it is too far away. */
MUST_USE static bool fit(uint64_t *value_ns, size_t index)
{
	uint64_t lowest_ns = histogram_lowest_ns(index), highest_ns = histogram_highest_ns(index);
	uint64_t slack_ns = *value_ns / READER_PRECISION + 1;
	if (index == HISTOGRAM_BUCKETS - 1 && *value_ns >= lowest_ns)
		return true; /* the last bucket also counts values above one hour */
	if (*value_ns + slack_ns < lowest_ns || *value_ns > highest_ns + slack_ns)
		return false;
	*value_ns = *value_ns < lowest_ns    ? lowest_ns
		    : *value_ns > highest_ns ? highest_ns
					     : *value_ns;
	return true;
}

bool reader_set_min_mean_max(struct histogram *histogram, uint64_t min_ns, uint64_t mean_ns,
			     uint64_t max_ns)
{
	if (histogram->n == 0)
		return false;
	/* After an overflow of the sum, the mean is too small. */
	uint64_t sum_ns;
	bool is_above_sums = __builtin_mul_overflow(min_ns, histogram->n, &sum_ns);
	/*
	 * With counts alone, minimum and maximum are those of the first and last non-empty bucket.
	 */
	if (!fit(&min_ns, histogram_index(histogram->min_ns)) ||
	    !fit(&max_ns, histogram_index(histogram->max_ns)) || min_ns > max_ns ||
	    (mean_ns + mean_ns / READER_PRECISION + 1 < min_ns && !is_above_sums) ||
	    mean_ns > max_ns + max_ns / READER_PRECISION + 1)
		return false;
	histogram->min_ns = min_ns;
	histogram->max_ns = max_ns;
	if (__builtin_mul_overflow(mean_ns, histogram->n, &histogram->sum_ns))
		histogram->sum_ns = UINT64_MAX;
	return true;
}
