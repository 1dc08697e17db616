/* SPDX-License-Identifier: MIT */
#include "report/endurance.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/units.h"
#include "report/hlog.h"
#include "report/summary.h"
#include "report/times.h"

/* ---- text ---- */

/* "reset 2, refused 5" */
static void write_causes(FILE *out, const uint64_t counts[DEATH_CAUSES])
{
	const char *between = "";
	for (enum death_cause cause = 0; cause < DEATH_CAUSES; cause++) {
		if (counts[cause] == 0)
			continue;
		fprintf(out, "%s%s %" PRIu64, between, death_name(cause), counts[cause]);
		between = ", ";
	}
}

static void write_lives(FILE *out, const struct deaths *deaths)
{
	if (deaths->shortest_ns != DEATH_NO_BYTE)
		fprintf(out, "shortest life %.3f s, longest %.3f s\n", clock_s(deaths->shortest_ns),
			clock_s(deaths->longest_ns));
	else if (deaths->longest_ns > 0)
		fprintf(out, "longest life %.3f s\n", clock_s(deaths->longest_ns));
}

void endurance_write_text(FILE *out, const struct endurance *endurance)
{
	const struct deaths *deaths = endurance->deaths;
	fprintf(out, "--- %s ---\n", endurance->target);
	fprintf(out,
		"%" PRIu64 " connection%s, %.3f s: %" PRIu64 " held throughout, %" PRIu64
		" opened, %" PRIu64 " died, %" PRIu64 " open at the end\n",
		deaths->n_connections, units_s(deaths->n_connections), clock_s(deaths->elapsed_ns),
		deaths->n_throughout, deaths->n_opened, deaths_died(deaths), deaths->n_open);
	if (deaths_died(deaths) > 0) {
		fputs("deaths: ", out);
		write_causes(out, deaths->n_died);
		fputc('\n', out);
	}
	if (deaths_not_opened(deaths) > 0) {
		fputs("not opened: ", out);
		write_causes(out, deaths->n_not_opened);
		fputc('\n', out);
	}
	fprintf(out, "%" PRIu64 " heartbeat%s sent, %" PRIu64 " came back, %" PRIu64 " failed",
		deaths->n_begun, units_s(deaths->n_begun), deaths->n_back, deaths->n_lost);
	summary_write_unfinished(out, deaths->n_unfinished);
	fputs(", ", out);
	summary_write_verified(out, deaths->bytes_verified);
	fputc('\n', out);
	summary_write_wrong(out, deaths->wrong_bytes, deaths->n_died[DEATH_WRONG]);
	write_lives(out, deaths);
	summary_write_times(out, "round trip", &deaths->round_trip,
			    deviation_ns(&deaths->deviation));
	summary_write_bounds(out, deaths->n_unfinished);
	fprintf(out, "seed %" PRIu64 "\n", endurance->seed);
	if (endurance->client_bound != NULL)
		fprintf(out, "no measurement of the server: %s\n", endurance->client_bound);
	if (endurance->is_interrupted)
		fprintf(out, "interrupted after %.3f of %.3f s\n", clock_s(deaths->elapsed_ns),
			clock_s(endurance->wanted_ns));
}

/* ---- JSON ---- */

static json_t *count_json(uint64_t count)
{
	return json_integer((json_int_t)count);
}

static json_t *causes_json(const uint64_t counts[DEATH_CAUSES])
{
	json_t *json = json_object();
	for (enum death_cause cause = 0; cause < DEATH_CAUSES; cause++) {
		if (counts[cause] > 0)
			json_object_set_new(json, death_name(cause), count_json(counts[cause]));
	}
	return json;
}

static json_t *seconds_json(uint64_t ns)
{
	return ns != DEATH_NO_BYTE ? json_real(clock_s(ns)) : json_null();
}

static json_t *death_json(const struct death *death)
{
	return json_pack("{s:I, s:s, s:s, s:f, s:f, s:I, s:o, s:s?}", "connection",
			 (json_int_t)death->connection, "cause", death_name(death->cause), "what",
			 death->why, "seconds", clock_s(death->at_ns), "age",
			 clock_s(death->age_ns), "heartbeats", (json_int_t)death->n_beats,
			 "last_good", seconds_json(death->silent_ns), "from",
			 death->from[0] != '\0' ? death->from : NULL);
}

static json_t *told_json(const struct deaths *deaths)
{
	json_t *json = json_array();
	for (size_t i = 0; i < deaths->n_told; i++)
		json_array_append_new(json, death_json(&deaths->told[i]));
	return json;
}

static json_t *document(const struct endurance *endurance, const char *histogram)
{
	const struct deaths *deaths = endurance->deaths;
	uint64_t n_died = deaths_died(deaths);
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:o, s:o}", "command",
		"ping", "target", endurance->target, "mode", "hold", "connections",
		(json_int_t)deaths->n_connections, "size", (json_int_t)endurance->size, "seed",
		(json_int_t)endurance->seed, "interval", clock_s(endurance->interval_ns), "seconds",
		clock_s(deaths->elapsed_ns), "throughout", (json_int_t)deaths->n_throughout,
		"opened", (json_int_t)deaths->n_opened, "open", (json_int_t)deaths->n_open, "died",
		(json_int_t)n_died, "deaths", causes_json(deaths->n_died), "not_opened",
		causes_json(deaths->n_not_opened));
	json_t *more = json_pack(
		"{s:b, s:o, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I, "
		"s:s}",
		"interrupted", endurance->is_interrupted, "seconds_wanted",
		endurance->wanted_ns != 0 ? seconds_json(endurance->wanted_ns) : json_null(),
		"client_bound", endurance->client_bound, "heartbeats", (json_int_t)deaths->n_begun,
		"echoes", (json_int_t)deaths->n_back, "lost", (json_int_t)deaths->n_lost, "failed",
		(json_int_t)deaths->n_lost, "unfinished", (json_int_t)deaths->n_unfinished,
		"verified_bytes", (json_int_t)deaths->bytes_verified, "mismatches",
		(json_int_t)deaths->n_died[DEATH_WRONG], "wrong_bytes",
		(json_int_t)deaths->wrong_bytes, "shortest_life", seconds_json(deaths->shortest_ns),
		"longest_life", seconds_json(deaths->longest_ns), "response_us",
		times_json(&deaths->round_trip), "dead", told_json(deaths), "dead_left_out",
		(json_int_t)(n_died - deaths->n_told), "histogram", histogram);
	if (json == NULL || more == NULL || json_object_update(json, more) < 0) {
		json_decref(json);
		json = NULL;
	}
	json_decref(more);
	return json;
}

int endurance_write_json(FILE *out, const struct endurance *endurance)
{
	struct hlog *hlog;
	int rc = hlog_open(&hlog);
	if (rc < 0)
		return rc;
	const char *histogram = hlog_encode(hlog, &endurance->deaths->round_trip);
	json_t *json = document(endurance, histogram);
	if (json != NULL) /* an error of writing stays with `out` */
		ignore_result(json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12)));
	if (json != NULL)
		fputc('\n', out);
	rc = json != NULL ? 0 : -ENOMEM;
	json_decref(json);
	hlog_close(hlog);
	return rc;
}
