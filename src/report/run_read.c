/* SPDX-License-Identifier: MIT */
#include "report/run_read.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "net/file.h"
#include "report/reading.h"

/*
 * Values of a JSON document at most, as each costs a hundred bytes or so of memory, however short it
 * is. The longest of ours has 3,600 intervals of 7.
 */
#define VALUES_MOST 200000

/* ---- JSON ---- */

/* At least as many as there are values: what stands between them, outside of texts. */
static size_t count_values(const char *bytes, size_t n)
{
	size_t n_values = 1;
	bool in_text = false;
	for (size_t i = 0; i < n; i++) {
		if (in_text && bytes[i] == '\\')
			i++;
		else if (bytes[i] == '"')
			in_text = !in_text;
		else if (!in_text && (bytes[i] == ',' || bytes[i] == '[' || bytes[i] == '{'))
			n_values++;
	}
	return n_values;
}

MUST_USE static int read_json(struct reading *reading)
{
	if (count_values(reading->bytes, reading->n) > VALUES_MOST)
		return reading_refuse(reading, "it has more than %d values", VALUES_MOST);
	json_error_t error;
	json_t *json = json_loadb(reading->bytes, reading->n, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL && json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	if (json == NULL)
		return reading_refuse(reading, "line %d is no JSON: %.160s", error.line,
				      error.text);
	int rc;
	if (json_object_get(json, "DurationHistogram") != NULL)
		rc = reading_fortio(reading, json);
	else if (json_object_get(json, "command") != NULL)
		rc = reading_tcpecho(reading, json);
	else
		rc = reading_refuse(reading, "it is JSON, but no result of tcpecho or fortio");
	json_decref(json);
	return rc;
}

/* ---- which of them it is ---- */

static bool begins_line(const char *line, const char *word)
{
	return strncmp(line, word, strlen(word)) == 0;
}

static bool has(const char *line, const char *end, const char *word)
{
	return memmem(line, (size_t)(end - line), word, strlen(word)) != NULL;
}

/* By the first line that is like one of theirs. */
MUST_USE static int read_text(struct reading *reading)
{
	const char *at = reading->bytes, *end = at + reading->n;
	while (at < end) {
		if (begins_line(at, "#[StartTime:") || begins_line(at, "#[Histogram log") ||
		    begins_line(at, "\"StartTimestamp\"") || begins_line(at, "Tag="))
			return reading_hlog(reading);
		const char *line_end = at + strcspn(at, "\n");
		if (has(at, line_end, ",HISTF"))
			return reading_hlog(reading);
		if (has(at, line_end, "Percentile") && has(at, line_end, "TotalCount"))
			return reading_hgrm(reading);
		at = line_end + 1;
	}
	return reading_refuse(reading, "it is no result of tcpecho, fortio, wrk2 or HdrHistogram");
}

MUST_USE static int read_any(struct reading *reading)
{
	if (memchr(reading->bytes, '\0', reading->n) != NULL)
		return reading_refuse(reading, "it is no text: it has a zero byte");
	const char *first = reading->bytes + strspn(reading->bytes, " \t\r\n");
	if (*first == '\0')
		return reading_refuse(reading, "it is empty");
	return *first == '{' ? read_json(reading) : read_text(reading);
}

/* ---- a run ---- */

int run_read(const char *bytes, size_t n, uint64_t list_unit_ns, struct run *ret_run,
	     struct run_refusal *reterr_why)
{
	struct run run;
	struct run_refusal why = { "" };
	struct reading reading = {
		.bytes = bytes,
		.n = n,
		.list_unit_ns = list_unit_ns,
		.run = &run,
		.why = &why,
	};
	int rc = hlog_open(&reading.hlog);
	if (rc < 0)
		return rc;
	rc = histogram_open(&reading.scratch);
	if (rc < 0)
		goto close_hlog;
	rc = run_open(&run);
	if (rc < 0)
		goto close_scratch;
	rc = read_any(&reading);
	if (rc == 0)
		*ret_run = run;
	else
		run_close(&run);
	if (rc == -EBADMSG)
		*reterr_why = why;

close_scratch:
	histogram_close(&reading.scratch);
close_hlog:
	hlog_close(reading.hlog);
	return rc;
}

/* What it is called: without its directory. */
static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

int run_read_file(const char *path, uint64_t list_unit_ns, struct run *ret_run,
		  struct run_refusal *reterr_why)
{
	struct file_bytes bytes;
	struct run run;
	int rc = file_read(path, RUN_FILE_MOST, &bytes);
	if (rc == -EFBIG)
		snprintf(reterr_why->text, sizeof(reterr_why->text),
			 "it is larger than %zu MiB, which no result is",
			 RUN_FILE_MOST / (1024 * 1024));
	else if (rc < 0)
		snprintf(reterr_why->text, sizeof(reterr_why->text), "%s", err_text(rc).text);
	if (rc < 0)
		return rc;
	rc = run_read(bytes.at, bytes.n, list_unit_ns, &run, reterr_why);
	free(bytes.at);
	if (rc < 0)
		return rc;
	const char *name = strcmp(path, "-") == 0 ? "standard input" : name_of(path);
	rc = reading_keep(&run.name, name, strlen(name));
	if (rc < 0) {
		run_close(&run);
		return rc;
	}
	*ret_run = run;
	return 0;
}
