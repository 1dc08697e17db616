/* SPDX-License-Identifier: MIT */
/* Reads the document of `check --json` (report/verdict_report.c). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/reader.h"

/* More checks than there will ever be. */
#define CHECKS_READ_MAX 1000

/* Reads an optional text into an array; a longer one is cut. Returns as a reader. */
MUST_USE static int read_short_text(struct reader *reader, const json_t *json, const char *name,
				    enum reader_need need, char *ret_text, size_t size)
{
	char *text = NULL;
	int rc = reader_text(reader, json, name, need, &text);
	if (rc == 0 && text != NULL)
		snprintf(ret_text, size, "%s", text);
	free(text);
	return rc;
}

MUST_USE static int read_verdict(struct reader *reader, const json_t *json,
				 struct check_result *result)
{
	char word[16] = "";
	int rc = read_short_text(reader, json, "verdict", READER_REQUIRED, word, sizeof(word));
	if (rc < 0)
		return rc;
	for (enum verdict verdict = 0; verdict < VERDICTS; verdict++) {
		if (strcmp(word, verdict_name(verdict)) == 0) {
			result->verdict = verdict;
			return 0;
		}
	}
	return reader_refuse(reader, "\"verdict\" of %s is not PASS, WARN, FAIL, SKIP or TODO",
			     result->name);
}

MUST_USE static int read_result(struct reader *reader, const json_t *json,
				struct check_result *result)
{
	int rc = read_short_text(reader, json, "name", READER_REQUIRED, result->name,
				 sizeof(result->name));
	if (rc == 0)
		rc = read_verdict(reader, json, result);
	if (rc == 0)
		rc = reader_flag(reader, json, "unexpected", READER_OPTIONAL, &result->is_surprise);
	if (rc == 0)
		rc = read_short_text(reader, json, "expected", READER_OPTIONAL, result->expected,
				     sizeof(result->expected));
	if (rc == 0)
		rc = read_short_text(reader, json, "actual", READER_REQUIRED, result->actual,
				     sizeof(result->actual));
	if (rc == 0)
		rc = read_short_text(reader, json, "means", READER_OPTIONAL, result->means,
				     sizeof(result->means));
	const json_t *offset = json_object_get(json, "offset");
	result->has_offset = offset != NULL && !json_is_null(offset);
	if (rc == 0)
		rc = reader_count(reader, json, "offset", READER_OPTIONAL, &result->offset);
	if (rc == 0)
		rc = reader_seconds(reader, json, "seconds", READER_OPTIONAL, &result->took_ns);
	if (rc == 0)
		verdict_make_printable(result);
	return rc;
}

/* Each check is there once. */
MUST_USE static int refuse_repeated(struct reader *reader, const struct run_verdicts *verdicts)
{
	const char *name = verdicts->list[verdicts->n].name;
	for (size_t i = 0; i < verdicts->n; i++) {
		if (strcmp(verdicts->list[i].name, name) == 0)
			return reader_refuse(reader, "\"checks\" has %s twice", name);
	}
	return 0;
}

MUST_USE static int read_results(struct reader *reader, const json_t *json)
{
	struct run_verdicts *verdicts = &reader->run->verdicts;
	const json_t *list = json_object_get(json, "checks");
	size_t n = json_array_size(list);
	if (!json_is_array(list))
		return reader_refuse(reader, "\"checks\" is not a list");
	if (n > CHECKS_READ_MAX)
		return reader_refuse(reader, "\"checks\" has %zu items, at most %d are read", n,
				     CHECKS_READ_MAX);
	verdicts->list = calloc(n + 1, sizeof(*verdicts->list));
	if (verdicts->list == NULL)
		return -ENOMEM;
	for (; verdicts->n < n; verdicts->n++) {
		const json_t *item = json_array_get(list, verdicts->n);
		if (!json_is_object(item))
			return reader_refuse(reader, "item %zu of \"checks\" is not an object",
					     verdicts->n + 1);
		int rc = read_result(reader, item, &verdicts->list[verdicts->n]);
		if (rc == 0)
			rc = refuse_repeated(reader, verdicts);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int read_check(struct reader *reader, const json_t *json)
{
	struct run *run = reader->run;
	struct run_verdicts *verdicts = &run->verdicts;
	char start[40] = "";
	int rc = reader_text(reader, json, "command", READER_REQUIRED, &run->command);
	if (rc == 0)
		rc = reader_text(reader, json, "target", READER_REQUIRED, &run->target);
	if (rc == 0)
		rc = reader_text(reader, json, "address", READER_OPTIONAL, &verdicts->address);
	if (rc == 0)
		rc = reader_count(reader, json, "seed", READER_OPTIONAL, &run->seed);
	if (rc == 0)
		rc = reader_flag(reader, json, "interrupted", READER_OPTIONAL,
				 &run->is_interrupted);
	if (rc == 0)
		rc = reader_count(reader, json, "selected", READER_REQUIRED, &verdicts->n_selected);
	if (rc == 0)
		rc = read_short_text(reader, json, "start", READER_OPTIONAL, start, sizeof(start));
	if (rc == 0 && start[0] != '\0' && !reader_timestamp(start, &run->facts.start_ns))
		return reader_refuse(reader, "\"start\" is not a moment as "
					     "2026-11-26T04:36:17.123456Z");
	return rc == 0 ? read_results(reader, json) : rc;
}
