/* SPDX-License-Identifier: MIT */
/*
 * The report on held connections (stats/disconnects.h), as text and as a JSON document.
 */
#ifndef REPORT_HOLD_REPORT_H
#define REPORT_HOLD_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"
#include "stats/disconnects.h"

/* The parameters and the result of a run. */
struct hold_report_facts {
	const char *target;       /* "127.0.0.1:9877" */
	uint64_t size;            /* bytes per heartbeat */
	uint64_t interval_ns;     /* time between heartbeats; 0: one heartbeat per connection */
	uint64_t seed;            /* seed of the payload */
	uint64_t wanted_ns;       /* requested duration; 0: none */
	bool is_interrupted;      /* a signal ended the run early */
	const char *client_bound; /* why the client was the bottleneck; NULL: it was not */
	const struct disconnects *disconnects;
};

/* Writes the report as text. Write errors stay in `out` (ferror(3)). */
void hold_report_write_text(FILE *out, const struct hold_report_facts *facts);

/*
 * Writes the report as a JSON document (RFC 8259), with the logged disconnects and every count of
 * the histogram. Times without a value are null. Returns 0 or -ENOMEM.
 */
MUST_USE int hold_report_write_json(FILE *out, const struct hold_report_facts *facts);

#endif
