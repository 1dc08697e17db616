/* SPDX-License-Identifier: MIT */
/*
 * When a run was to begin, in words and as JSON.
 */
#ifndef REPORT_START_TIME_JSON_H
#define REPORT_START_TIME_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "stats/start_time.h"

/* Writes a line, of a start that was asked for; of another, nothing. */
void start_time_write_text(FILE *out, const struct start_time *start);

/*
 * An object: start_wanted (RFC 3339, or null), start_late_us (or null), clock (null where it is not
 * known): synchronised, max_error_us (null where it is not). A new reference; NULL: no memory.
 */
json_t *start_time_json(const struct start_time *start);

/*
 * Of runs that are added: the moment, if it was the same for all; the latest, and the clock that is
 * worst. Nothing is known of the clocks together where it is not of one.
 */
void start_time_add(struct start_time *sum, const struct start_time *more);

#endif
