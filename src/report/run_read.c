/* SPDX-License-Identifier: MIT */
#include "report/run_read.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "net/file.h"
#include "report/reader.h"

/*
 * Maximum number of values in a JSON document. Each needs about a hundred bytes of memory, even if
 * it is short. Our largest document has 3,600 intervals of 7 values.
 */
#define VALUES_MAX 200000

/* ---- JSON ---- */

/* Returns an upper bound of the number of values: counts the separators outside strings. */
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

/* Parses JSON. The caller owns *ret_json. */
MUST_USE static int parse(struct reader *reader, json_t **ret_json)
{
	if (count_values(reader->bytes, reader->n) > VALUES_MAX)
		return reader_refuse(reader, "it has more than %d values", VALUES_MAX);
	json_error_t error;
	json_t *json = json_loadb(reader->bytes, reader->n, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL && json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	if (json == NULL)
		return reader_refuse(reader, "line %d is no JSON: %.160s", error.line, error.text);
	*ret_json = json;
	return 0;
}

/* ---- detecting the format ---- */

/* Returns the size of a byte order mark at the start, which Windows editors write; 0: none. */
static size_t mark_size(const char *bytes, size_t n)
{
	static const char mark[] = { '\xef', '\xbb', '\xbf' };
	return n >= sizeof(mark) && memcmp(bytes, mark, sizeof(mark)) == 0 ? sizeof(mark) : 0;
}

static bool begins_line(const char *line, const char *word)
{
	return strncmp(line, word, strlen(word)) == 0;
}

static bool has(const char *line, const char *end, const char *word)
{
	return memmem(line, (size_t)(end - line), word, strlen(word)) != NULL;
}

/* Detects the format from the first typical line. RUN_TCPECHO: no line is typical. */
static enum run_format format_of_text(const char *at, const char *end)
{
	enum run_format format = RUN_TCPECHO;
	while (at < end) {
		if (begins_line(at, "#[Histogram log") || begins_line(at, "\"StartTimestamp\"") ||
		    begins_line(at, "Tag="))
			return RUN_HLOG;
		/* a percentile list made from a log has it too */
		if (begins_line(at, "#[StartTime:"))
			format = RUN_HLOG;
		const char *line_end = at + strcspn(at, "\n");
		if (has(at, line_end, ",HISTF"))
			return RUN_HLOG;
		if (has(at, line_end, "Percentile") && has(at, line_end, "TotalCount"))
			return RUN_HGRM;
		at = line_end + 1;
	}
	return format;
}

/* Detects the format. The caller owns *ret_json, which is NULL if the file is not JSON. */
MUST_USE static int find_format(struct reader *reader, json_t **ret_json,
				enum run_format *ret_format)
{
	*ret_json = NULL;
	if (memchr(reader->bytes, '\0', reader->n) != NULL)
		return reader_refuse(reader, "it is no text: it has a zero byte");
	const char *first = reader->bytes + strspn(reader->bytes, " \t\r\n");
	if (*first == '\0')
		return reader_refuse(reader, "it is empty");
	if (*first != '{') {
		*ret_format = format_of_text(first, reader->bytes + reader->n);
		if (*ret_format != RUN_TCPECHO)
			return 0;
		return reader_refuse(reader,
				     "it is no result of tcpecho, fortio, wrk2 or HdrHistogram");
	}
	int rc = parse(reader, ret_json);
	if (rc < 0)
		return rc;
	const json_t *command = json_object_get(*ret_json, "command");
	bool is_fortio = json_object_get(*ret_json, "DurationHistogram") != NULL;
	bool is_check = json_is_string(command) && strcmp(json_string_value(command), "check") == 0;
	*ret_format = is_fortio ? RUN_FORTIO : is_check ? RUN_CHECK : RUN_TCPECHO;
	if (is_fortio || command != NULL)
		return 0;
	return reader_refuse(reader, "it is JSON, but no result of tcpecho or fortio");
}

/* ---- a run ---- */

MUST_USE static int read_format(struct reader *reader, const json_t *json, enum run_format format)
{
	switch (format) {
	case RUN_HLOG:
		return read_hlog(reader);
	case RUN_HGRM:
		return read_hgrm(reader);
	case RUN_FORTIO:
		return read_fortio(reader, json);
	case RUN_CHECK:
		return read_check(reader, json);
	case RUN_TCPECHO:
	default:
		return read_tcpecho(reader, json);
	}
}

/* Opens what a reader needs, and reads. The run is open only on success. */
MUST_USE static int read_opened(struct reader *reader, const json_t *json, enum run_format format)
{
	int rc = hlog_open(&reader->hlog);
	if (rc < 0)
		return rc;
	rc = histogram_open(&reader->scratch);
	if (rc < 0)
		goto close_hlog;
	rc = run_open(reader->run);
	if (rc < 0)
		goto close_scratch;
	reader->run->format = format;
	rc = read_format(reader, json, format);
	if (rc < 0)
		run_close(reader->run);

close_scratch:
	histogram_close(&reader->scratch);
close_hlog:
	hlog_close(reader->hlog);
	return rc;
}

int run_read(const char *bytes, size_t n, uint64_t list_unit_ns, struct run *ret_run,
	     struct run_refusal *reterr_why)
{
	json_t *json;
	enum run_format format = RUN_TCPECHO;
	struct run_refusal why = { "" };
	struct run run = { 0 };
	size_t n_skipped = mark_size(bytes, n);
	struct reader reader = {
		.bytes = bytes + n_skipped,
		.n = n - n_skipped,
		.list_unit_ns = list_unit_ns,
		.run = &run,
		.why = &why,
	};
	int rc = find_format(&reader, &json, &format);
	if (rc == 0)
		rc = read_opened(&reader, json, format);
	if (rc == 0)
		*ret_run = run;
	json_decref(json);
	if (rc == -EBADMSG)
		*reterr_why = why;
	return rc;
}

/* Returns the name of a run: its path without the directory. */
static const char *format_name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

int run_read_file(const char *path, uint64_t list_unit_ns, struct run *ret_run,
		  struct run_refusal *reterr_why)
{
	struct file_bytes bytes;
	struct run run;
	int rc = file_read(path, RUN_FILE_MAX, &bytes);
	if (rc == -EFBIG)
		snprintf(reterr_why->text, sizeof(reterr_why->text),
			 "it is larger than %zu MiB, which no result is", RUN_FILE_MIB);
	else if (rc < 0)
		snprintf(reterr_why->text, sizeof(reterr_why->text), "%s", err_text(rc).text);
	if (rc < 0)
		return rc;
	rc = run_read(bytes.at, bytes.n, list_unit_ns, &run, reterr_why);
	free(bytes.at);
	if (rc < 0)
		return rc;
	const char *name = strcmp(path, "-") == 0 ? "standard input" : format_name_of(path);
	rc = reader_keep_text(&run.name, name, strlen(name));
	if (rc < 0) {
		run_close(&run);
		return rc;
	}
	*ret_run = run;
	return 0;
}
