/* SPDX-License-Identifier: MIT */
/*
 * The table of faults: their names, values and triggers.
 */
#ifndef FAULT_FAULT_KIND_H
#define FAULT_FAULT_KIND_H

#include <stdbool.h>
#include <stdint.h>

#include "fault/fault.h"

/* What the value of a fault is. */
enum fault_value {
	VALUE_NONE,
	VALUE_TIME,        /* ns */
	VALUE_TIME_JITTER, /* ns, "20ms~5ms" */
	VALUE_BYTES_PER_S, /* "10k/s" */
	VALUE_BYTES,
	VALUE_REGION, /* bytes, from the offset of the trigger on */
	VALUE_MASK,   /* bits of a byte */
	VALUE_COUNT,
	VALUE_TEXT,
};

struct fault_row {
	const char *name;
	const char *example; /* with a value and a trigger that a client notices soon */
	const char *help;    /* one line */
	enum fault_value value;
	bool needs_value;
	bool needs_when;
	unsigned int triggers;     /* the possible ones, as bits: 1 << enum fault_trigger */
	enum fault_trigger preset; /* without WHEN */
	uint64_t preset_value;     /* without VALUE */
};

const struct fault_row *fault_kind_of(enum fault_kind kind);

#endif
