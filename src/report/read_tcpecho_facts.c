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

#include "report/reader.h"
#include "report/run_parts.h"

/* ---- the run ---- */

MUST_USE static int read_run_facts(struct reader *reader, const json_t *json)
{
	struct run *run = reader->run;
	struct run_facts *facts = &run->facts;
	const struct {
		const char *name;
		char **text;
		enum reader_need need;
	} texts[] = {
		{ "version", &facts->version, READER_OPTIONAL },
		{ "host", &facts->host, READER_OPTIONAL },
		{ "kernel", &facts->kernel, READER_OPTIONAL },
		{ "cpu", &facts->cpu, READER_OPTIONAL },
		{ "command_line", &facts->command_line, READER_OPTIONAL },
		{ "congestion_control", &facts->congestion_control, READER_OPTIONAL },
	};
	const struct {
		const char *name;
		uint64_t *count;
		enum reader_need need;
	} counts[] = {
		{ "cpus", &facts->n_cpus, READER_OPTIONAL },
		{ "mss", &facts->mss, READER_OPTIONAL },
		{ "depth", &run->depth, READER_REQUIRED },
		{ "threads", &run->n_threads, READER_REQUIRED },
		{ "connections_opened", &run->result.n_connections, READER_REQUIRED },
		{ "merged", &run->n_merged, READER_REQUIRED },
	};
	int rc = reader_flag(reader, json, "churn", READER_REQUIRED, &run->churns);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(texts); i++)
		rc = reader_text(reader, json, texts[i].name, texts[i].need, texts[i].text);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(counts); i++)
		rc = reader_count(reader, json, counts[i].name, counts[i].need, counts[i].count);
	if (rc == 0) /* a sum of runs with different seeds has no seed */
		rc = reader_count(reader, json, "seed",
				  run->n_merged > 1 ? READER_OPTIONAL : READER_REQUIRED,
				  &run->seed);
	if (rc == 0)
		rc = reader_seconds(reader, json, "warmup_seconds", READER_OPTIONAL,
				    &run->warmup_ns);
	if (rc == 0)
		rc = reader_seconds(reader, json, "seconds_wanted", READER_OPTIONAL,
				    &run->wanted_ns);
	if (rc == 0)
		rc = reader_flag(reader, json, "interrupted", READER_OPTIONAL,
				 &run->is_interrupted);
	if (rc == 0 && run->n_merged == 0)
		rc = reader_refuse(reader, "\"merged\" is 0");
	return rc;
}

MUST_USE static int read_start_facts(struct reader *reader, const json_t *json)
{
	json_t *start = json_object_get(json, "start");
	if (start == NULL || json_is_null(start))
		return 0;
	if (!json_is_string(start) ||
	    !reader_timestamp(json_string_value(start), &reader->run->facts.start_ns))
		return reader_refuse(reader,
				     "\"start\" is not a moment as 2026-11-26T04:36:17.123456Z");
	return 0;
}

/* Reads the wanted start (report/start_time_json.h): either complete or missing. */
MUST_USE static int read_wanted_start(struct reader *reader, const json_t *json)
{
	struct start_time *start = &reader->run->start;
	const json_t *wanted = json_object_get(json, "start_wanted");
	const json_t *clock = json_object_get(json, "clock");
	double late_us = 0, error_us = 0;
	int rc = reader_number(reader, json, "start_late_us", READER_OPTIONAL, &late_us);
	if (rc < 0)
		return rc;
	if (wanted != NULL && !json_is_null(wanted) &&
	    (!json_is_string(wanted) ||
	     !reader_timestamp(json_string_value(wanted), &start->wanted_ns)))
		return reader_refuse(reader, "\"start_wanted\" is not a moment as "
					     "2026-11-26T04:36:17.123456Z");
	start->late_ns = reader_ns_of_us(late_us);
	if (clock == NULL || json_is_null(clock))
		return 0;
	if (!json_is_object(clock))
		return reader_refuse(reader, "\"clock\" is not an object");
	rc = reader_flag(reader, clock, "synchronised", READER_REQUIRED,
			 &start->clock.is_synchronised);
	if (rc == 0)
		rc = reader_number(reader, clock, "max_error_us", READER_OPTIONAL, &error_us);
	start->clock.max_error_ns = reader_ns_of_us(error_us);
	start->is_clock_known = rc == 0;
	return rc;
}

/* ---- the runs of a sum ---- */

MUST_USE static int read_span(struct reader *reader, const json_t *json, struct run_part *part)
{
	const char *start = json_string_value(json_object_get(json, "start"));
	const struct {
		const char *name;
		uint64_t *count;
		enum reader_need need;
	} counts[] = {
		{ "connections", &part->n_connections, READER_REQUIRED },
		{ "threads", &part->n_threads, READER_REQUIRED },
		{ "rate_wanted", &part->rate_wanted, READER_OPTIONAL },
	};
	const struct {
		const char *name;
		char **text;
	} texts[] = {
		{ "host", &part->host },
		{ "target", &part->target },
		{ "client_bound", &part->client_bound },
	};
	if (start == NULL || !reader_timestamp(start, &part->start_ns))
		return reader_refuse(reader, "\"spans\" has no \"start\" as "
					     "2026-11-26T04:36:17.123456Z");
	int rc = reader_seconds(reader, json, "seconds", READER_REQUIRED, &part->elapsed_ns);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(counts); i++)
		rc = reader_count(reader, json, counts[i].name, counts[i].need, counts[i].count);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(texts); i++)
		rc = reader_text(reader, json, texts[i].name, READER_OPTIONAL, texts[i].text);
	if (rc == 0)
		rc = reader_flag(reader, json, "interrupted", READER_OPTIONAL,
				 &part->is_interrupted);
	if (rc == 0 && part->start_ns > UINT64_MAX - READER_NS_MAX)
		rc = reader_refuse(reader, "\"spans\" has an end beyond the year 2454");
	return rc;
}

/* Earlier versions wrote no spans: then the first part gets the facts of the whole run. */
MUST_USE static int read_spans(struct reader *reader, const json_t *json)
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
		return reader_refuse(reader, "\"spans\" is not a list as long as \"parts\"");
	for (size_t i = 0; rc == 0 && i < parts->n; i++)
		rc = read_span(reader, json_array_get(list, i), &parts->list[i]);
	return rc;
}

MUST_USE static int read_parts(struct reader *reader, const json_t *json)
{
	const json_t *list = json_object_get(json, "parts");
	struct run_parts *parts = &reader->run->parts;
	size_t n = json_array_size(list);
	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list) || n == 0 || n > RUN_PARTS_MAX || n > reader->run->n_merged ||
	    reader->run->n_merged == 1)
		return reader_refuse(reader, "\"parts\" is not a list of the runs in \"merged\"");
	parts->list = calloc(n, sizeof(*parts->list));
	if (parts->list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const char *id = json_string_value(json_array_get(list, i));
		if (id == NULL || strlen(id) != 16 || strspn(id, "0123456789abcdef") != 16)
			return reader_refuse(reader, "\"parts\" has something else than 16 "
						     "hexadecimal digits");
		parts->list[parts->n++].id = strtoull(id, NULL, 16);
		if (i > 0 && parts->list[i].id <= parts->list[i - 1].id)
			return reader_refuse(reader, "\"parts\" is not in rising order");
	}
	return read_spans(reader, json);
}

int read_tcpecho_facts(struct reader *reader, const json_t *json)
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
