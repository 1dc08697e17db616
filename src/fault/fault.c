/* SPDX-License-Identifier: MIT */
#include "fault/fault.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/units.h"
#include "fault/fault_kind.h"

/* ---- a set ---- */

static bool overlaps(const struct fault *a, const struct fault *b)
{
	return a->at < b->at ? b->at - a->at < a->value : a->at - b->at < b->value;
}

int fault_set_add(struct fault_set *set, const struct fault *fault, struct reason *reterr_reason)
{
	if (set->n == FAULTS_MAX) {
		snprintf(reterr_reason->text, sizeof(reterr_reason->text),
			 "there are more than %d faults", FAULTS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < set->n; i++) {
		const struct fault *other = &set->faults[i];
		if (fault_kind_of(fault->kind)->value != VALUE_REGION ||
		    fault->kind != other->kind || !overlaps(fault, other))
			continue;
		snprintf(reterr_reason->text, sizeof(reterr_reason->text), "it overlaps another %s",
			 fault_kind_of(fault->kind)->name);
		return -EINVAL;
	}
	set->faults[set->n++] = *fault;
	return 0;
}

/* ---- formatting ---- */

/* A text that grows; what does not fit is left out. */
struct output {
	char *text;
	size_t size, n;
};

PRINTF_LIKE(2, 3)
static void append(struct output *out, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	int n = vsnprintf(out->text + out->n, out->size - out->n, format, values);
	va_end(values);
	if (n > 0)
		out->n += (size_t)n < out->size - out->n ? (size_t)n : out->size - out->n - 1;
}

static void append_text(struct output *out, const struct fault *fault)
{
	for (size_t i = 0; i < fault->text_size; i++) {
		unsigned char byte = fault->text[i];
		if (isprint(byte) && byte != '\\' && byte != ',')
			append(out, "%c", byte);
		else
			append(out, "\\x%02x", byte);
	}
}

static void append_value(struct output *out, const struct fault *fault)
{
	switch (fault_kind_of(fault->kind)->value) {
	case VALUE_NONE:
		break;
	case VALUE_TIME:
		if (fault->value != UINT64_MAX)
			append(out, "=%s", units_duration(fault->value).text);
		break;
	case VALUE_TIME_JITTER:
		append(out, "=%s", units_duration(fault->value).text);
		if (fault->jitter_ns != 0)
			append(out, "~%s", units_duration(fault->jitter_ns).text);
		break;
	case VALUE_BYTES_PER_S:
		append(out, "=%" PRIu64 "/s", fault->value);
		break;
	case VALUE_BYTES:
	case VALUE_REGION:
	case VALUE_COUNT:
		append(out, "=%" PRIu64, fault->value);
		break;
	case VALUE_MASK:
		append(out, "=0x%02" PRIx64, fault->value);
		break;
	case VALUE_TEXT:
		append(out, "=");
		append_text(out, fault);
		break;
	}
}

static void append_when(struct output *out, const struct fault *fault)
{
	const struct fault_row *kind = fault_kind_of(fault->kind);
	switch (fault->trigger) {
	case FAULT_AT_ACCEPT:
		if (kind->needs_when)
			append(out, "@accept");
		break;
	case FAULT_AT_OFFSET:
		append(out, "@%" PRIu64, fault->at);
		break;
	case FAULT_AT_TIME:
		append(out, "@%s", units_duration(fault->at).text);
		break;
	case FAULT_AT_EOF:
		if (kind->needs_when)
			append(out, "@eof");
		break;
	case FAULT_AT_IDLE:
		append(out, "@idle=%s", units_duration(fault->at).text);
		break;
	}
}

struct fault_text fault_format(const struct fault *fault)
{
	struct fault_text formatted = { "" };
	struct output out = { .text = formatted.text, .size = sizeof(formatted.text) };
	append(&out, "%s", fault_kind_of(fault->kind)->name);
	append_when(&out, fault);
	append_value(&out, fault);
	if (fault->every != 0)
		append(&out, ",every=%" PRIu64, fault->every);
	if (fault->one_in != 0)
		append(&out, ",p=1/%" PRIu64, fault->one_in);
	if (fault->conn != 0)
		append(&out, ",conn=%" PRIu64, fault->conn);
	return formatted;
}

/* ---- choice ---- */

/* Maps 64 bits one to one to 64 bits that look random (the finaliser of SplitMix64). */
static uint64_t fault_scramble(uint64_t bits)
{
	bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
	return bits ^ bits >> 31;
}

static uint64_t mix(const struct fault_set *set, size_t i, uint64_t a, uint64_t b)
{
	uint64_t bits = fault_scramble(set->seed + UINT64_C(0x9e3779b97f4a7c15) * (i + 1));
	return fault_scramble(fault_scramble(bits ^ a) + b);
}

bool fault_applies(const struct fault_set *set, size_t i, uint64_t conn)
{
	const struct fault *fault = &set->faults[i];
	if (fault->conn != 0 && fault->conn != conn)
		return false;
	if (fault->every != 0 && conn % fault->every != mix(set, i, 0, 0) % fault->every)
		return false;
	return fault->one_in == 0 || mix(set, i, 1, conn) % fault->one_in == 0;
}

uint64_t fault_jitter_ns(const struct fault_set *set, size_t i, uint64_t conn, uint64_t offset)
{
	uint64_t jitter_ns = set->faults[i].jitter_ns;
	return jitter_ns == 0 ? 0 : mix(set, i, conn, offset) % (2 * jitter_ns + 1);
}
