/* SPDX-License-Identifier: MIT */
/*
 * When a run was to begin, in words and as JSON.
 */
#ifndef REPORT_START_H
#define REPORT_START_H

#include <jansson.h>
#include <stdio.h>

#include "base/start.h"

/* Writes a line, of a start that was asked for; of another, nothing. */
void start_write_text(FILE *out, const struct start *start);

/*
 * An object: start_wanted (RFC 3339, or null), start_late_us (or null), clock (null where it is not
 * known): synchronised, max_error_us (null where it is not). A new reference; NULL: no memory.
 */
json_t *start_json(const struct start *start);

/*
 * Of runs that are added: the moment, if it was the same for all; the latest, and the clock that is
 * worst. Nothing is known of the clocks together where it is not of one.
 */
void start_add(struct start *sum, const struct start *more);

#endif
