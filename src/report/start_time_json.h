/* SPDX-License-Identifier: MIT */
/*
 * The start time of a run, as text, as JSON, and merged.
 */
#ifndef REPORT_START_TIME_JSON_H
#define REPORT_START_TIME_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "stats/start_time.h"

/* Writes a line if a start time was requested; otherwise nothing. */
void start_time_write_text(FILE *out, const struct start_time *start);

/*
 * Returns an object: start_wanted (RFC 3339, or null), start_late_us (or null), clock (null if
 * unknown) with synchronised and max_error_us (null if not synchronised). A new reference; NULL:
 * out of memory.
 */
json_t *start_time_json(const struct start_time *start);

/*
 * Merges start times: the wanted time if it is the same for all, the greatest lateness and the
 * least accurate clock. If one clock is unknown, the merged clock is unknown.
 */
void start_time_add(struct start_time *sum, const struct start_time *more);

#endif
