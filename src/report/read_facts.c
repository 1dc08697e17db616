/* SPDX-License-Identifier: MIT */
/*
 * Reads from our own document what ran, where and when, and the runs of a sum.
 *
 * For a sum, "parts" has the id of each run, and "spans" its times and parameters. Earlier versions
 * wrote no spans, or neither.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/json_fields.h"
#include "report/run_id.h"

/* ---- the run ---- */

MUST_USE static int read_run_facts(struct json_reader *reader, const json_t *json)
{
	struct run *run = reader->run;
	struct run_facts *facts = &run->facts;
	const struct {
		const char *name;
		char **text;
		enum json_need need;
	} texts[] = {
		{ "version", &facts->version, JSON_MAY },
		{ "host", &facts->host, JSON_MAY },
		{ "kernel", &facts->kernel, JSON_MAY },
		{ "cpu", &facts->cpu, JSON_MAY },
		{ "command_line", &facts->command_line, JSON_MAY },
		{ "congestion_control", &facts->congestion_control, JSON_MAY },
	};
	const struct {
		const char *name;
		uint64_t *count;
		enum json_need need;
	} counts[] = {
		{ "cpus", &facts->n_cpus, JSON_MAY },
		{ "mss", &facts->mss, JSON_MAY },
		{ "depth", &run->depth, JSON_MUST },
		{ "threads", &run->n_threads, JSON_MUST },
		{ "connections_opened", &run->result.n_connections, JSON_MUST },
		{ "merged", &run->n_merged, JSON_MUST },
	};
	int rc = json_flag(reader, json, "churn", JSON_MUST, &run->churns);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(texts); i++)
		rc = json_text(reader, json, texts[i].name, texts[i].need, texts[i].text);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(counts); i++)
		rc = json_count(reader, json, counts[i].name, counts[i].need, counts[i].count);
	if (rc == 0) /* a sum of runs with different seeds has no seed */
		rc = json_count(reader, json, "seed", run->n_merged > 1 ? JSON_MAY : JSON_MUST,
				&run->seed);
	if (rc == 0)
		rc = json_seconds(reader, json, "warmup_seconds", JSON_MAY, &run->warmup_ns);
	if (rc == 0)
		rc = json_seconds(reader, json, "seconds_wanted", JSON_MAY, &run->wanted_ns);
	if (rc == 0)
		rc = json_flag(reader, json, "interrupted", JSON_MAY, &run->is_interrupted);
	if (rc == 0 && run->n_merged == 0)
		rc = json_refuse(reader, "\"merged\" is 0");
	return rc;
}

MUST_USE static int read_start_facts(struct json_reader *reader, const json_t *json)
{
	json_t *start = json_object_get(json, "start");
	if (start == NULL || json_is_null(start))
		return 0;
	if (!json_is_string(start) ||
	    !json_moment(json_string_value(start), &reader->run->facts.start_ns))
		return json_refuse(reader,
				   "\"start\" is not a moment as 2026-11-26T04:36:17.123456Z");
	return 0;
}

/* Reads the wanted start (report/start_time_json.h): either complete or missing. */
MUST_USE static int read_wanted_start(struct json_reader *reader, const json_t *json)
{
	struct start_time *start = &reader->run->start;
	const json_t *wanted = json_object_get(json, "start_wanted");
	const json_t *clock = json_object_get(json, "clock");
	double late_us = 0, error_us = 0;
	int rc = json_number(reader, json, "start_late_us", JSON_MAY, &late_us);
	if (rc < 0)
		return rc;
	if (wanted != NULL && !json_is_null(wanted) &&
	    (!json_is_string(wanted) || !json_moment(json_string_value(wanted), &start->wanted_ns)))
		return json_refuse(reader, "\"start_wanted\" is not a moment as "
					   "2026-11-26T04:36:17.123456Z");
	start->late_ns = json_us(late_us);
	if (clock == NULL || json_is_null(clock))
		return 0;
	if (!json_is_object(clock))
		return json_refuse(reader, "\"clock\" is not an object");
	rc = json_flag(reader, clock, "synchronised", JSON_MUST, &start->clock.is_synchronised);
	if (rc == 0)
		rc = json_number(reader, clock, "max_error_us", JSON_MAY, &error_us);
	start->clock.max_error_ns = json_us(error_us);
	start->is_clock_known = rc == 0;
	return rc;
}

/* ---- the runs of a sum ---- */

MUST_USE static int read_span(struct json_reader *reader, const json_t *json, struct run_part *part)
{
	const char *start = json_string_value(json_object_get(json, "start"));
	const struct {
		const char *name;
		uint64_t *count;
		enum json_need need;
	} counts[] = {
		{ "connections", &part->n_connections, JSON_MUST },
		{ "threads", &part->n_threads, JSON_MUST },
		{ "rate_wanted", &part->rate_wanted, JSON_MAY },
	};
	const struct {
		const char *name;
		char **text;
	} texts[] = {
		{ "host", &part->host },
		{ "target", &part->target },
		{ "client_bound", &part->client_bound },
	};
	if (start == NULL || !json_moment(start, &part->start_ns))
		return json_refuse(reader, "\"spans\" has no \"start\" as "
					   "2026-11-26T04:36:17.123456Z");
	int rc = json_seconds(reader, json, "seconds", JSON_MUST, &part->elapsed_ns);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(counts); i++)
		rc = json_count(reader, json, counts[i].name, counts[i].need, counts[i].count);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(texts); i++)
		rc = json_text(reader, json, texts[i].name, JSON_MAY, texts[i].text);
	if (rc == 0)
		rc = json_flag(reader, json, "interrupted", JSON_MAY, &part->is_interrupted);
	if (rc == 0 && part->start_ns > UINT64_MAX - JSON_NS_MAX)
		rc = json_refuse(reader, "\"spans\" has an end beyond the year 2454");
	return rc;
}

/* Earlier versions wrote no spans: then the first part gets the facts of the whole run. */
MUST_USE static int read_spans(struct json_reader *reader, const json_t *json)
{
	const json_t *list = json_object_get(json, "spans");
	struct run *run = reader->run;
	struct run_parts *parts = &run->parts;
	int rc = 0;
	if (list == NULL || json_is_null(list)) {
		struct run_part *first = &parts->list[0];
		first->n_connections = run->n_connections;
		first->n_threads = run->n_threads;
		first->rate_wanted = run->rate_wanted;
		for (size_t i = 0; i < parts->n; i++)
			parts->list[i].start_ns = run->facts.start_ns;
		first->elapsed_ns = run->result.elapsed_ns;
		const struct {
			const char *from;
			char **to;
		} texts[] = {
			{ run->facts.host, &first->host },
			{ run->target, &first->target },
			{ run->client_bound, &first->client_bound },
		};
		for (size_t i = 0; rc == 0 && i < ARRAY_LEN(texts); i++) {
			if (texts[i].from != NULL && (*texts[i].to = strdup(texts[i].from)) == NULL)
				rc = -ENOMEM;
		}
		return rc;
	}
	if (!json_is_array(list) || json_array_size(list) != parts->n)
		return json_refuse(reader, "\"spans\" is not a list as long as \"parts\"");
	for (size_t i = 0; rc == 0 && i < parts->n; i++)
		rc = read_span(reader, json_array_get(list, i), &parts->list[i]);
	return rc;
}

MUST_USE static int read_parts(struct json_reader *reader, const json_t *json)
{
	const json_t *list = json_object_get(json, "parts");
	struct run_parts *parts = &reader->run->parts;
	size_t n = json_array_size(list);
	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list) || n == 0 || n > RUN_PARTS_MAX || n > reader->run->n_merged ||
	    reader->run->n_merged == 1)
		return json_refuse(reader, "\"parts\" is not a list of the runs in \"merged\"");
	parts->list = calloc(n, sizeof(*parts->list));
	if (parts->list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const char *id = json_string_value(json_array_get(list, i));
		if (id == NULL || strlen(id) != 16 || strspn(id, "0123456789abcdef") != 16)
			return json_refuse(reader, "\"parts\" has something else than 16 "
						   "hexadecimal digits");
		parts->list[parts->n++].id = strtoull(id, NULL, 16);
		if (i > 0 && parts->list[i].id <= parts->list[i - 1].id)
			return json_refuse(reader, "\"parts\" is not in rising order");
	}
	return read_spans(reader, json);
}

int json_facts(struct json_reader *reader, const json_t *json)
{
	int rc = read_start_facts(reader, json);
	if (rc == 0)
		rc = read_wanted_start(reader, json);
	if (rc == 0)
		rc = read_run_facts(reader, json);
	if (rc == 0)
		rc = read_parts(reader, json);
	return rc;
}
