/* SPDX-License-Identifier: MIT */
/*
 * What became of connections that were held (stats/disconnects.h): in words, as one JSON document,
 * and as a page for Prometheus.
 */
#ifndef REPORT_HOLD_REPORT_H
#define REPORT_HOLD_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"
#include "stats/disconnects.h"

/* What was found, and what was asked for. */
struct hold_report_facts {
	const char *target;       /* "127.0.0.1:9877" */
	uint64_t size;            /* bytes of a heartbeat */
	uint64_t interval_ns;     /* 0: each beat once */
	uint64_t seed;            /* of the payload */
	uint64_t wanted_ns;       /* duration that was asked for; 0: none */
	bool is_interrupted;      /* by a signal, before that was over */
	const char *client_bound; /* why the client was the limit; NULL: it was not */
	const struct disconnects *disconnects;
};

/* Writes the report. Errors of writing stay with `out`, for its owner (ferror(3)). */
void hold_report_write_text(FILE *out, const struct hold_report_facts *endurance);

/*
 * The same as a JSON document (RFC 8259), with the deaths that were written down and every count of
 * the histogram. Times that there are not are null. Returns 0 or -ENOMEM.
 */
MUST_USE int hold_report_write_json(FILE *out, const struct hold_report_facts *endurance);

/*
 * The figures in Prometheus' text format 0.0.4, a string of fewer than `size` bytes. Returns its
 * length; 8 KiB are room enough for any figures, and what has none is left out by whole lines.
 */
size_t prometheus_render(const struct disconnects *disconnects, char *out, size_t size);

#endif
