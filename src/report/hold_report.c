/* SPDX-License-Identifier: MIT */
#include "report/hold_report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/units.h"
#include "stats/hlog.h"
#include "report/latency_json.h"
#include "report/summary.h"

/* ---- text ---- */

/* Writes "reset 2, refused 5". */
static void write_causes(FILE *out, const uint64_t counts[DISCONNECT_CAUSES])
{
	const char *between = "";
	for (enum disconnect_cause cause = 0; cause < DISCONNECT_CAUSES; cause++) {
		if (counts[cause] == 0)
			continue;
		fprintf(out, "%s%s %" PRIu64, between, disconnect_name(cause), counts[cause]);
		between = ", ";
	}
}

static void write_lives(FILE *out, const struct disconnects *disconnects)
{
	if (disconnects->shortest_ns != DISCONNECT_NO_BYTE)
		fprintf(out, SUMMARY_LABEL "min/max %.3f/%.3f s\n", "lifetime",
			clock_s(disconnects->shortest_ns), clock_s(disconnects->longest_ns));
	else if (disconnects->longest_ns > 0)
		fprintf(out, SUMMARY_LABEL "max %.3f s\n", "lifetime",
			clock_s(disconnects->longest_ns));
}

void hold_report_write_text(FILE *out, const struct hold_report_facts *facts)
{
	const struct disconnects *disconnects = facts->disconnects;
	fprintf(out, "--- %s ---\n", facts->target);
	fprintf(out,
		"%" PRIu64 " connection%s, %.3f s: %" PRIu64 " held throughout, %" PRIu64
		" opened, %" PRIu64 " lost, %" PRIu64 " open at the end\n",
		disconnects->n_connections, units_s(disconnects->n_connections),
		clock_s(disconnects->elapsed_ns), disconnects->n_throughout, disconnects->n_opened,
		disconnects_ended(disconnects), disconnects->n_open);
	if (disconnects_ended(disconnects) > 0) {
		fputs("lost: ", out);
		write_causes(out, disconnects->n_ended);
		fputc('\n', out);
	}
	if (disconnects_not_opened(disconnects) > 0) {
		fputs("not opened: ", out);
		write_causes(out, disconnects->n_not_opened);
		fputc('\n', out);
	}
	fprintf(out, "%" PRIu64 " heartbeat%s sent, %" PRIu64 " came back, %" PRIu64 " failed",
		disconnects->n_begun, units_s(disconnects->n_begun), disconnects->n_back,
		disconnects->n_lost);
	summary_write_unfinished(out, disconnects->n_unfinished);
	fputs(", ", out);
	summary_write_verified(out, disconnects->bytes_verified);
	fputc('\n', out);
	summary_write_wrong(out, disconnects->wrong_bytes, disconnects->n_ended[DISCONNECT_WRONG]);
	write_lives(out, disconnects);
	summary_write_times(out, "round trip", &disconnects->round_trip,
			    deviation_ns(&disconnects->deviation));
	summary_write_bounds(out, disconnects->n_unfinished);
	fprintf(out, SUMMARY_LABEL "%" PRIu64 "\n", "seed", facts->seed);
	if (facts->is_interrupted)
		fprintf(out, "interrupted after %.3f of %.3f s\n", clock_s(disconnects->elapsed_ns),
			clock_s(facts->wanted_ns));
	if (facts->client_bound != NULL)
		fprintf(out, "no measurement of the server: %s\n", facts->client_bound);
}

/* ---- JSON ---- */

static json_t *count_json(uint64_t count)
{
	return json_integer((json_int_t)count);
}

static json_t *causes_json(const uint64_t counts[DISCONNECT_CAUSES])
{
	json_t *json = json_object();
	for (enum disconnect_cause cause = 0; cause < DISCONNECT_CAUSES; cause++) {
		if (counts[cause] > 0)
			json_object_set_new(json, disconnect_name(cause),
					    count_json(counts[cause]));
	}
	return json;
}

static json_t *seconds_json(uint64_t ns)
{
	return ns != DISCONNECT_NO_BYTE ? json_real(clock_s(ns)) : json_null();
}

static json_t *disconnect_json(const struct disconnect *disconnect)
{
	return json_pack("{s:I, s:s, s:s, s:f, s:f, s:I, s:o, s:s?}", "connection",
			 (json_int_t)disconnect->connection, "cause",
			 disconnect_name(disconnect->cause), "what", disconnect->why, "seconds",
			 clock_s(disconnect->at_ns), "age", clock_s(disconnect->age_ns),
			 "heartbeats", (json_int_t)disconnect->n_heartbeats, "last_good",
			 seconds_json(disconnect->silent_ns), "from",
			 disconnect->from[0] != '\0' ? disconnect->from : NULL);
}

static json_t *told_json(const struct disconnects *disconnects)
{
	json_t *json = json_array();
	for (size_t i = 0; i < disconnects->n_logged; i++)
		json_array_append_new(json, disconnect_json(&disconnects->logged[i]));
	return json;
}

static json_t *hold_document(const struct hold_report_facts *facts, const char *histogram)
{
	const struct disconnects *disconnects = facts->disconnects;
	uint64_t n_ended = disconnects_ended(disconnects);
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:o, s:o}", "command",
		"ping", "target", facts->target, "mode", "hold", "connections",
		(json_int_t)disconnects->n_connections, "size", (json_int_t)facts->size, "seed",
		(json_int_t)facts->seed, "interval", clock_s(facts->interval_ns), "seconds",
		clock_s(disconnects->elapsed_ns), "throughout",
		(json_int_t)disconnects->n_throughout, "opened", (json_int_t)disconnects->n_opened,
		"open", (json_int_t)disconnects->n_open, "died", (json_int_t)n_ended, "deaths",
		causes_json(disconnects->n_ended), "not_opened",
		causes_json(disconnects->n_not_opened));
	json_t *more = json_pack(
		"{s:b, s:o, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I, "
		"s:s}",
		"interrupted", facts->is_interrupted, "seconds_wanted",
		facts->wanted_ns != 0 ? seconds_json(facts->wanted_ns) : json_null(),
		"client_bound", facts->client_bound, "heartbeats", (json_int_t)disconnects->n_begun,
		"echoes", (json_int_t)disconnects->n_back, "lost", (json_int_t)disconnects->n_lost,
		"failed", (json_int_t)disconnects->n_lost, "unfinished",
		(json_int_t)disconnects->n_unfinished, "verified_bytes",
		(json_int_t)disconnects->bytes_verified, "mismatches",
		(json_int_t)disconnects->n_ended[DISCONNECT_WRONG], "wrong_bytes",
		(json_int_t)disconnects->wrong_bytes, "shortest_life",
		seconds_json(disconnects->shortest_ns), "longest_life",
		seconds_json(disconnects->longest_ns), "response_us",
		latency_json(&disconnects->round_trip), "dead", told_json(disconnects),
		"dead_left_out", (json_int_t)(n_ended - disconnects->n_logged), "histogram",
		histogram);
	if (json == NULL || more == NULL || json_object_update(json, more) < 0) {
		json_decref(json);
		json = NULL;
	}
	json_decref(more);
	return json;
}

int hold_report_write_json(FILE *out, const struct hold_report_facts *facts)
{
	struct hlog *hlog;
	int rc = hlog_open(&hlog);
	if (rc < 0)
		return rc;
	const char *histogram = hlog_encode(hlog, &facts->disconnects->round_trip);
	json_t *json = hold_document(facts, histogram);
	if (json != NULL) /* write errors stay in `out` */
		ignore_result(json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12)));
	if (json != NULL)
		fputc('\n', out);
	rc = json != NULL ? 0 : -ENOMEM;
	json_decref(json);
	hlog_close(hlog);
	return rc;
}
