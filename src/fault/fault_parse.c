/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/units.h"
#include "fault/fault_kind.h"
#include "fault/rate.h"

/* A part of the text that is being parsed. */
struct part {
	const char *at;
	size_t size;
};

#define PART_MAX ((size_t)40)

struct parser {
	const char *spec;
	struct reason *reason;
	const struct fault_row *row;
};

/* Fills in the reason: what is wrong, and where. Returns -EINVAL. */
PRINTF_LIKE(3, 4)
static int refuse(const struct parser *parser, const char *at, const char *format, ...)
{
	va_list values;
	size_t size = sizeof(parser->reason->text);
	va_start(values, format);
	int n = vsnprintf(parser->reason->text, size, format, values);
	va_end(values);
	if (n >= 0 && (size_t)n < size)
		snprintf(parser->reason->text + n, size - (size_t)n, " (at character %zu)",
			 (size_t)(at - parser->spec) + 1);
	return -EINVAL;
}

static bool equals(struct part part, const char *word)
{
	return strlen(word) == part.size && memcmp(part.at, word, part.size) == 0;
}

/* Copies a part, because the parsers of units want a string. Returns false if it is too long. */
static bool copy_part(struct part part, char copy[PART_MAX])
{
	if (part.size >= PART_MAX)
		return false;
	memcpy(copy, part.at, part.size);
	copy[part.size] = '\0';
	return true;
}

typedef int parse_unit_fn(const char *text, uint64_t *ret_value);

MUST_USE static int parse_with(const struct parser *parser, struct part part, parse_unit_fn *parse,
			       uint64_t *ret_value)
{
	char copy[PART_MAX];
	int rc = copy_part(part, copy) ? parse(copy, ret_value) : ERR_OUT_OF_RANGE;
	if (rc < 0)
		return refuse(parser, part.at, "'%.*s': %s", (int)part.size, part.at,
			      err_text(rc).text);
	return 0;
}

MUST_USE static int parse_positive(const struct parser *parser, struct part part,
				   parse_unit_fn *parse, uint64_t *ret_value)
{
	int rc = parse_with(parser, part, parse, ret_value);
	if (rc == 0 && *ret_value == 0)
		return refuse(parser, part.at, "must not be 0");
	return rc;
}

/* A mask of bits in one byte, "0x01" or "255". */
static int parse_mask(const char *text, uint64_t *ret_mask)
{
	char *end;
	if (!isdigit((unsigned char)*text))
		return ERR_NOT_A_NUMBER;
	unsigned long mask = strtoul(text, &end, 0);
	if (*end != '\0')
		return ERR_NOT_A_NUMBER;
	if (mask > UINT8_MAX)
		return ERR_OUT_OF_RANGE;
	*ret_mask = mask;
	return 0;
}

MUST_USE static int parse_jitter(const struct parser *parser, struct part part, struct fault *fault)
{
	const char *tilde = memchr(part.at, '~', part.size);
	struct part time = part;
	if (tilde != NULL) {
		struct part jitter = { tilde + 1, part.size - (size_t)(tilde + 1 - part.at) };
		time.size = (size_t)(tilde - part.at);
		int rc = parse_with(parser, jitter, units_parse_duration, &fault->jitter_ns);
		if (rc < 0)
			return rc;
	}
	int rc = parse_positive(parser, time, units_parse_duration, &fault->value);
	if (rc == 0 && fault->jitter_ns > fault->value)
		return refuse(parser, part.at, "the jitter is larger than the delay");
	return rc;
}

MUST_USE static int parse_byte_rate(const struct parser *parser, struct part part,
				    uint64_t *ret_value)
{
	struct part number = part;
	if (number.size >= 2 && memcmp(number.at + number.size - 2, "/s", 2) == 0)
		number.size -= 2;
	int rc = parse_positive(parser, number, units_parse_size, ret_value);
	if (rc == 0 && *ret_value > RATE_MAX)
		return refuse(parser, part.at, "more than 256G/s");
	return rc;
}

static int hex_digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* Reads one character of a text, or an escape: \r \n \t \\ \, \xHH. Returns it, or -1. */
static int take_character(const char **at, const char *end)
{
	static const char names[] = "rnt\\,", bytes[] = "\r\n\t\\,";
	char c = *(*at)++;
	if (c != '\\')
		return (unsigned char)c;
	if (*at == end)
		return -1;
	c = *(*at)++;
	const char *name = strchr(names, c);
	if (c != '\0' && name != NULL)
		return bytes[name - names];
	if (c != 'x' || end - *at < 2 || hex_digit((*at)[0]) < 0 || hex_digit((*at)[1]) < 0)
		return -1;
	int byte = hex_digit((*at)[0]) * 16 + hex_digit((*at)[1]);
	*at += 2;
	return byte;
}

MUST_USE static int parse_text(const struct parser *parser, struct part part, struct fault *fault)
{
	const char *at = part.at, *end = part.at + part.size;
	while (at < end) {
		const char *from = at;
		int byte = take_character(&at, end);
		if (byte < 0)
			return refuse(parser, from,
				      "unknown escape (write \\r \\n \\t \\\\ \\, or \\xHH)");
		if (fault->text_size == FAULT_TEXT_MAX)
			return refuse(parser, from, "the text is longer than %zu bytes",
				      FAULT_TEXT_MAX);
		fault->text[fault->text_size++] = (unsigned char)byte;
	}
	return fault->text_size > 0 ? 0 : refuse(parser, part.at, "the text is empty");
}

MUST_USE static int parse_value(const struct parser *parser, struct part part, struct fault *fault)
{
	int rc;
	switch (parser->row->value) {
	case VALUE_NONE:
		return refuse(parser, part.at, "%s takes no value", parser->row->name);
	case VALUE_TIME:
		return parse_positive(parser, part, units_parse_duration, &fault->value);
	case VALUE_TIME_JITTER:
		return parse_jitter(parser, part, fault);
	case VALUE_BYTES_PER_S:
		return parse_byte_rate(parser, part, &fault->value);
	case VALUE_BYTES:
		return parse_positive(parser, part, units_parse_size, &fault->value);
	case VALUE_REGION:
		rc = parse_positive(parser, part, units_parse_size, &fault->value);
		if (rc == 0 && fault->value > FAULT_REGION_MAX && fault->kind != FAULT_DROP)
			return refuse(parser, part.at, "more than %zu bytes", FAULT_REGION_MAX);
		return rc;
	case VALUE_MASK:
		return parse_positive(parser, part, parse_mask, &fault->value);
	case VALUE_COUNT:
		return parse_with(parser, part, units_parse_count, &fault->value);
	case VALUE_TEXT:
		return parse_text(parser, part, fault);
	}
	return 0;
}

MUST_USE static int set_trigger(const struct parser *parser, struct part part,
				enum fault_trigger trigger, struct fault *fault)
{
	if ((parser->row->triggers & 1U << trigger) == 0)
		return refuse(parser, part.at, "%s cannot happen at '%.*s'", parser->row->name,
			      (int)part.size, part.at);
	fault->trigger = trigger;
	return 0;
}

/* A time ends in a unit of time: "3s". All else is an offset: "64k". */
static bool is_time(struct part part)
{
	return part.size > 0 && strchr("smh", part.at[part.size - 1]) != NULL;
}

MUST_USE static int parse_when(const struct parser *parser, struct part part, struct fault *fault)
{
	static const char idle[] = "idle=";
	int rc;
	if (equals(part, "accept"))
		return set_trigger(parser, part, FAULT_AT_ACCEPT, fault);
	if (equals(part, "eof"))
		return set_trigger(parser, part, FAULT_AT_EOF, fault);
	if (part.size >= strlen(idle) && memcmp(part.at, idle, strlen(idle)) == 0) {
		struct part time = { part.at + strlen(idle), part.size - strlen(idle) };
		rc = parse_positive(parser, time, units_parse_duration, &fault->at);
		return rc < 0 ? rc : set_trigger(parser, part, FAULT_AT_IDLE, fault);
	}
	if (is_time(part)) {
		rc = parse_with(parser, part, units_parse_duration, &fault->at);
		return rc < 0 ? rc : set_trigger(parser, part, FAULT_AT_TIME, fault);
	}
	rc = parse_with(parser, part, units_parse_size, &fault->at);
	return rc < 0 ? rc : set_trigger(parser, part, FAULT_AT_OFFSET, fault);
}

/* One of the limits behind the first comma: "every=3", "p=1/10", "conn=42". */
MUST_USE static int parse_selector(const struct parser *parser, struct part part,
				   struct fault *fault)
{
	const struct {
		const char *name;
		uint64_t *number;
	} selectors[] = {
		{ "every=", &fault->every },
		{ "p=1/", &fault->one_in },
		{ "conn=", &fault->conn },
	};
	for (size_t i = 0; i < ARRAY_LEN(selectors); i++) {
		size_t size = strlen(selectors[i].name);
		if (part.size < size || memcmp(part.at, selectors[i].name, size) != 0)
			continue;
		struct part number = { part.at + size, part.size - size };
		if (*selectors[i].number != 0)
			return refuse(parser, part.at, "given twice");
		return parse_positive(parser, number, units_parse_count, selectors[i].number);
	}
	return refuse(parser, part.at, "'%.*s' is not every=N, p=1/N or conn=N", (int)part.size,
		      part.at);
}

/* Returns the end of a text: the first comma without a backslash. */
static const char *end_of_text(const char *at)
{
	while (*at != '\0' && *at != ',')
		at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
	return at;
}

/* Parses "=VALUE", "@WHEN", "@WHEN=VALUE" or "=VALUE@WHEN". Moves *at behind it. */
MUST_USE static int parse_value_and_when(const struct parser *parser, const char **at,
					 struct fault *fault, bool *ret_has_value,
					 bool *ret_has_when)
{
	while (**at == '=' || **at == '@') {
		bool is_when = **at == '@';
		bool *has = is_when ? ret_has_when : ret_has_value;
		const char *from = *at + 1;
		size_t size = strcspn(from, is_when ? "=@," : "@,");
		if (is_when && strncmp(from, "idle=", 5) == 0)
			size = 5 + strcspn(from + 5, "=@,");
		if (!is_when && parser->row->value == VALUE_TEXT)
			size = (size_t)(end_of_text(from) - from);
		struct part part = { from, size };
		if (*has)
			return refuse(parser, *at, "given twice");
		*has = true;
		int rc = is_when ? parse_when(parser, part, fault)
				 : parse_value(parser, part, fault);
		if (rc < 0)
			return rc;
		*at = from + size;
	}
	return 0;
}

MUST_USE static int parse_name(struct parser *parser, struct part name, struct fault *fault)
{
	for (enum fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
		const struct fault_row *row = fault_kind_of(kind);
		if (!equals(name, row->name))
			continue;
		parser->row = row;
		*fault = (struct fault){
			.kind = kind,
			.trigger = row->preset,
			.value = row->preset_value,
		};
		return 0;
	}
	return refuse(parser, name.at, "'%.*s' is not a fault", (int)name.size, name.at);
}

MUST_USE static int check_complete(const struct parser *parser, const char *at, bool has_value,
				   bool has_when)
{
	if (parser->row->needs_value && !has_value)
		return refuse(parser, at, "%s needs a value, like %s", parser->row->name,
			      parser->row->example);
	if (parser->row->needs_when && !has_when)
		return refuse(parser, at, "%s needs a time or place, like %s", parser->row->name,
			      parser->row->example);
	return 0;
}

int fault_parse(const char *spec, struct fault *ret_fault, struct reason *reterr_reason)
{
	struct parser parser = { .spec = spec, .reason = reterr_reason };
	struct fault fault;
	bool has_value = false, has_when = false;
	const char *at = spec + strcspn(spec, "=@,");
	int rc = parse_name(&parser, (struct part){ spec, (size_t)(at - spec) }, &fault);
	if (rc == 0)
		rc = parse_value_and_when(&parser, &at, &fault, &has_value, &has_when);
	if (rc == 0)
		rc = check_complete(&parser, at, has_value, has_when);
	while (rc == 0 && *at == ',') {
		size_t size = strcspn(at + 1, ",");
		rc = parse_selector(&parser, (struct part){ at + 1, size }, &fault);
		at += 1 + size;
	}
	if (rc == 0)
		*ret_fault = fault;
	return rc;
}
