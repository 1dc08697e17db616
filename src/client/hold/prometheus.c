/* SPDX-License-Identifier: MIT */
#include "client/hold/prometheus.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "version.h"

/* Upper bounds of the histogram's buckets, in ns: from loopback to a retransmitted segment. */
static const uint64_t bounds_ns[] = {
	10000,     25000,      50000,      100000,     250000,      500000,    1000000,
	2500000,   5000000,    10000000,   25000000,   50000000,    100000000, 250000000,
	500000000, 1000000000, 2500000000, 5000000000, 10000000000,
};

struct text {
	char *out;
	size_t n, size;
};

static void append_text(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/* Appends a line, or nothing if it does not fit. */
static void append_text(struct text *text, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	int n = vsnprintf(text->out + text->n, text->size - text->n, format, values);
	va_end(values);
	if (n > 0 && (size_t)n < text->size - text->n)
		text->n += (size_t)n;
	text->out[text->n] = '\0';
}

static void begin_metric(struct text *text, const char *name, const char *type, const char *help)
{
	append_text(text, "# HELP tcpecho_%s %s\n# TYPE tcpecho_%s %s\n", name, help, name, type);
}

static void add_count(struct text *text, const char *name, const char *type, const char *help,
		      uint64_t value)
{
	begin_metric(text, name, type, help);
	append_text(text, "tcpecho_%s %" PRIu64 "\n", name, value);
}

/* Writes all causes from the start: a series that appears with its first event has no rate. */
static void append_causes(struct text *text, const char *name, const char *help,
			  const uint64_t counts[DISCONNECT_CAUSES])
{
	begin_metric(text, name, "counter", help);
	for (enum disconnect_cause cause = 0; cause < DISCONNECT_CAUSES; cause++)
		append_text(text, "tcpecho_%s{cause=\"%s\"} %" PRIu64 "\n", name,
			    disconnect_name(cause), counts[cause]);
}

/* A bucket of ours that contains a bound counts above it: an error of at most 0.1 % of the time. */
static void add_times(struct text *text, const struct histogram *times)
{
	const char *name = "hold_round_trip_seconds";
	struct histogram_bucket bucket;
	size_t at = 0;
	uint64_t n = 0;
	begin_metric(text, name, "histogram", "Round trips of heartbeats.");
	bool has_more = histogram_next(times, &at, &bucket);
	for (size_t i = 0; i < ARRAY_LEN(bounds_ns); i++) {
		while (has_more && bucket.highest_ns <= bounds_ns[i]) {
			n += bucket.n;
			has_more = histogram_next(times, &at, &bucket);
		}
		append_text(text, "tcpecho_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
			    (double)bounds_ns[i] / 1e9, n);
	}
	append_text(text, "tcpecho_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, times->n);
	append_text(text, "tcpecho_%s_sum %.9f\n", name, clock_s(times->sum_ns));
	append_text(text, "tcpecho_%s_count %" PRIu64 "\n", name, times->n);
}

size_t prometheus_render(const struct disconnects *disconnects, char *out, size_t size)
{
	struct text text = { .out = out, .size = size };
	begin_metric(&text, "build_info", "gauge", "The program that holds the connections.");
	append_text(&text, "tcpecho_build_info{version=\"%s\"} 1\n", TCPECHO_VERSION);
	add_count(&text, "hold_connections", "gauge", "Connections that are open.",
		  disconnects->n_open);
	add_count(&text, "hold_connections_wanted", "gauge", "Connections that are to be held.",
		  disconnects->n_connections);
	add_count(&text, "hold_opened_total", "counter", "Times that a connection was opened.",
		  disconnects->n_opened);
	append_causes(&text, "hold_deaths_total", "Connections that were lost, by cause.",
		      disconnects->n_ended);
	append_causes(&text, "hold_open_failures_total",
		      "Times that a connection could not be opened, by cause.",
		      disconnects->n_not_opened);
	add_count(&text, "hold_heartbeats_sent_total", "counter",
		  "Heartbeats that were begun: back, failed and under way.", disconnects->n_begun);
	add_count(&text, "hold_heartbeats_total", "counter",
		  "Heartbeats that came back, every byte right.", disconnects->n_back);
	add_count(&text, "hold_heartbeats_lost_total", "counter",
		  "Heartbeats that failed: in flight when their connection was lost.",
		  disconnects->n_lost);
	add_count(&text, "hold_heartbeats_unfinished", "gauge", "Heartbeats that are under way.",
		  disconnects->n_begun - disconnects->n_back - disconnects->n_lost);
	add_count(&text, "hold_bytes_verified_total", "counter",
		  "Bytes that came back and were right.", disconnects->bytes_verified);
	add_count(&text, "hold_mismatches_total", "counter",
		  "Connections on which a byte was wrong.", disconnects->n_ended[DISCONNECT_WRONG]);
	add_count(&text, "hold_wrong_bytes_total", "counter", "Bytes that came back different.",
		  disconnects->wrong_bytes);
	begin_metric(&text, "hold_last_good_seconds", "gauge",
		     "Age of the last good byte of the connection that has been without one "
		     "the longest.");
	append_text(&text, "tcpecho_hold_last_good_seconds %.3f\n",
		    clock_s(disconnects->oldest_ns));
	add_times(&text, &disconnects->round_trip);
	return text.n;
}
