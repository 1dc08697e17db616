/* SPDX-License-Identifier: MIT */
/*
 * Reads HdrHistogram's interval log, as HistogramLogReader.java of 2.1 and 2.2 does:
 *
 *	#[StartTime: 1792236345.000 (seconds since epoch), ...]
 *	#[BaseTime: ...]          the times of the lines are relative to this
 *	"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
 *	Tag=service,0.127,1.007,2.769,HISTFAAAA...
 *
 * The log writer of HdrHistogram for C has "EndTimestamp" as the second column. Its hdr_log_write()
 * writes the end there, but its hdr_log_write_entry() the length, under the same header. It is
 * taken as the end if it is after the start in every line.
 *
 * Without a BaseTime the times of the lines are since 1970, or since StartTime if the first of them
 * is a year or more before that.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "report/reader.h"

#define YEAR_NS (UINT64_C(365) * 24 * 3600 * CLOCK_NS_PER_S)

/* Times in a log have three decimals, so consecutive intervals may seem to overlap. */
#define ROUNDING_NS (2 * CLOCK_NS_PER_MS)

/* The kind of times in a line. */
enum tag_kind { TAG_RESPONSE, TAG_SERVICE, TAG_OTHER };

struct log {
	struct reader *reader;
	size_t line; /* from 1 */
	uint64_t start_ns, base_ns;
	bool has_start, has_base;
	bool has_ends; /* the second column is the end of an interval, not the length */
	size_t capacity;
	const char *other; /* first unknown tag and its length; NULL: none */
	size_t other_length;
	bool has_known; /* a line without a tag, or with a known one */
	bool reads_other;
};

/* ---- splitting a line ---- */

struct fields {
	const char *tag; /* NULL: none */
	size_t tag_length;
	uint64_t start_ns, length_ns; /* length_ns: the second column, as written */
	const char *histogram;        /* up to the end of the line */
	size_t n;
};

static bool skip_comma(const char **at)
{
	if (**at != ',')
		return false;
	(*at)++;
	while (**at == ' ')
		(*at)++;
	return true;
}

MUST_USE static bool split_line(const char *at, const char *end, struct fields *ret_fields)
{
	struct fields fields = { 0 };
	if (strncmp(at, "Tag=", 4) == 0) {
		fields.tag = at + 4;
		fields.tag_length = strcspn(fields.tag, ",\n");
		at = fields.tag + fields.tag_length;
		if (!skip_comma(&at))
			return false;
	}
	if (!reader_decimal(&at, CLOCK_NS_PER_S, &fields.start_ns) || !skip_comma(&at) ||
	    !reader_decimal(&at, CLOCK_NS_PER_S, &fields.length_ns) || !skip_comma(&at))
		return false;
	/* The maximum, in the writer's unit, is skipped: the histogram contains it too. */
	size_t n_max = strspn(at, "0123456789.");
	at += n_max;
	if (n_max == 0 || !skip_comma(&at))
		return false;
	while (end > at && (end[-1] == '\r' || end[-1] == ' '))
		end--;
	fields.histogram = at;
	fields.n = (size_t)(end - at);
	*ret_fields = fields;
	return fields.n > 0;
}

/*
 * Returns whether the header names an end time, and the second time is after the first in every
 * line.
 */
MUST_USE static bool has_end_times(const struct reader *reader)
{
	const char *end = reader->bytes + reader->n;
	bool is_named = false;
	for (const char *at = reader->bytes, *next; at < end; at = next + 1) {
		struct fields fields;
		next = memchr(at, '\n', (size_t)(end - at));
		next = next != NULL ? next : end;
		if (*at == '"')
			is_named |= memmem(at, (size_t)(next - at), "EndTimestamp", 12) != NULL;
		else if (*at != '#' && split_line(at, next, &fields) &&
			 fields.length_ns <= fields.start_ns)
			return false;
	}
	return is_named;
}

/*
 * Reads "#[StartTime: 1792236345.000 (seconds since epoch), ..." if the line has this name. Sets
 * *has_time then.
 */
MUST_USE static int read_head_time(struct log *log, const char *line, const char *name,
				   uint64_t *ret_ns, bool *has_time)
{
	size_t n = strlen(name);
	if (strncmp(line, name, n) != 0)
		return 0;
	line += n;
	while (*line == ' ')
		line++;
	if (!reader_decimal(&line, CLOCK_NS_PER_S, ret_ns) || isalnum((unsigned char)*line))
		return reader_refuse(log->reader, "line %zu: its time is unreadable", log->line);
	*has_time = true;
	return 0;
}

/* Reads a line that begins with '#'. */
MUST_USE static int read_head(struct log *log, const char *line)
{
	int rc = read_head_time(log, line, "#[StartTime:", &log->start_ns, &log->has_start);
	if (rc == 0)
		rc = read_head_time(log, line, "#[BaseTime:", &log->base_ns, &log->has_base);
	if (rc == 0) /* Go's writer uses another spelling */
		rc = read_head_time(log, line, "#[Basetime:", &log->base_ns, &log->has_base);
	return rc;
}

static bool has_tag(const struct fields *fields, const char *tag)
{
	return fields->tag_length == strlen(tag) &&
	       strncmp(fields->tag, tag, fields->tag_length) == 0;
}

static enum tag_kind tag_kind_of(const struct fields *fields)
{
	if (fields->tag == NULL || has_tag(fields, "response"))
		return TAG_RESPONSE;
	return has_tag(fields, "service") ? TAG_SERVICE : TAG_OTHER;
}

/* ---- the series ---- */

/* Returns the index of the first interval that begins at start_ns or later. */
static size_t index_of_start(const struct time_series *series, uint64_t start_ns)
{
	size_t from = 0, to = series->n;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (series->list[middle].start_ns < start_ns)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

MUST_USE static int append_interval(struct log *log, const struct fields *fields)
{
	struct time_series *series = &log->reader->run->series;
	if (series->n > 0) {
		struct time_series_interval *last = &series->list[series->n - 1];
		uint64_t end_ns = last->start_ns + last->length_ns;
		if (fields->start_ns <= last->start_ns || fields->start_ns + ROUNDING_NS < end_ns)
			return reader_refuse(log->reader,
					     "line %zu: its interval begins before the last one "
					     "ends",
					     log->line);
		if (fields->start_ns < end_ns)
			last->length_ns = fields->start_ns - last->start_ns;
	}
	if (series->n == READER_INTERVALS_MAX)
		return reader_refuse(log->reader, "it has more than %d intervals",
				     READER_INTERVALS_MAX);
	if (series->n == log->capacity) {
		size_t capacity = log->capacity > 0 ? 2 * log->capacity : 64;
		struct time_series_interval *list =
			reallocarray(series->list, capacity, sizeof(*series->list));
		if (list == NULL)
			return -ENOMEM;
		series->list = list;
		log->capacity = capacity;
	}
	series->list[series->n++] = (struct time_series_interval){
		.start_ns = fields->start_ns,
		.length_ns = fields->length_ns,
	};
	return 0;
}

/* Returns the interval of a line: a new one, unless a line with another tag has made it. */
MUST_USE static int find_interval(struct log *log, const struct fields *fields,
				  struct time_series_interval **ret_interval)
{
	struct time_series *series = &log->reader->run->series;
	size_t place = index_of_start(series, fields->start_ns);
	if (place == series->n || series->list[place].start_ns != fields->start_ns) {
		int rc = append_interval(log, fields);
		if (rc < 0)
			return rc;
		place = series->n - 1;
	}
	*ret_interval = &series->list[place];
	return 0;
}

MUST_USE static int read_interval_line(struct log *log, const struct fields *fields,
				       enum tag_kind kind)
{
	struct reader *reader = log->reader;
	struct result *result = &reader->run->result;
	struct time_series_interval *interval;
	int rc = find_interval(log, fields, &interval);
	if (rc < 0)
		return rc;
	char **packed = kind == TAG_SERVICE ? &interval->service : &interval->response;
	if (*packed != NULL)
		return reader_refuse(reader, "line %zu: its interval is there already", log->line);
	*packed = strndup(fields->histogram, fields->n);
	if (*packed == NULL)
		return -ENOMEM;
	histogram_reset(&reader->scratch);
	rc = hlog_decode(reader->hlog, *packed, &reader->scratch);
	struct histogram *into = kind == TAG_SERVICE ? &result->service : &result->response;
	if (rc == 0 && reader->scratch.n > INT64_MAX - into->n)
		rc = ERR_OUT_OF_RANGE;
	if (rc < 0)
		return reader_refuse(reader, "line %zu: %s", log->line, err_text(rc).text);
	if (reader->scratch.n == 0) {
		free(*packed); /* nothing came back: keep the interval */
		*packed = NULL;
	}
	histogram_merge(into, &reader->scratch);
	if (kind == TAG_RESPONSE)
		interval->n_echoes = reader->scratch.n;
	return 0;
}

/* ---- lines ---- */

MUST_USE static int read_log_line(struct log *log, const char *line, const char *end)
{
	struct fields fields;
	if (line == end || (end == line + 1 && *line == '\r') || *line == '"')
		return 0;
	if (*line == '#')
		return read_head(log, line);
	if (!split_line(line, end, &fields))
		return reader_refuse(log->reader, "line %zu is no line of a log of HdrHistogram",
				     log->line);
	if (log->has_ends)
		fields.length_ns -= fields.start_ns;
	enum tag_kind kind = tag_kind_of(&fields);
	if (kind == TAG_OTHER) {
		if (log->other == NULL) {
			log->other = fields.tag;
			log->other_length = fields.tag_length;
		}
		if (!log->reads_other || fields.tag_length != log->other_length ||
		    strncmp(fields.tag, log->other, fields.tag_length) != 0)
			return 0;
		kind = TAG_RESPONSE;
	} else {
		log->has_known = true;
	}
	return read_interval_line(log, &fields, kind);
}

MUST_USE static int read_log_lines(struct log *log)
{
	const char *at = log->reader->bytes, *end = at + log->reader->n;
	int rc = 0;
	log->line = 0;
	while (rc == 0 && at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		line_end = line_end != NULL ? line_end : end;
		log->line++;
		rc = read_log_line(log, at, line_end);
		at = line_end + 1;
	}
	return rc;
}

/*
 * Returns whether lines with other unknown tags exist. All lines are complete, as checked before.
 */
static bool has_several_tags(const struct log *log)
{
	const char *at = log->reader->bytes;
	for (; at != NULL; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, "Tag=", 4) != 0)
			continue;
		size_t length = strcspn(at + 4, ",\n");
		if (length != log->other_length || strncmp(at + 4, log->other, length) != 0)
			return true;
	}
	return false;
}

/* Sets the start of the run, and makes the intervals relative to it. */
static void set_start(struct log *log)
{
	struct run *run = log->reader->run;
	struct time_series *series = &run->series;
	uint64_t first_ns = series->list[0].start_ns;
	uint64_t base_ns = log->has_base ? log->base_ns : 0;
	if (!log->has_base && log->has_start && first_ns + YEAR_NS < log->start_ns)
		base_ns = log->start_ns;
	if (base_ns > 0 || first_ns > YEAR_NS)
		run->facts.start_ns = base_ns + first_ns;
	for (size_t i = 0; i < series->n; i++)
		series->list[i].start_ns -= first_ns;
	const struct time_series_interval *last = &series->list[series->n - 1];
	run->result.elapsed_ns = last->start_ns + last->length_ns;
}

int read_hlog(struct reader *reader)
{
	struct log log = { .reader = reader, .has_ends = has_end_times(reader) };
	struct run *run = reader->run;
	int rc = read_log_lines(&log);
	if (rc == 0 && !log.has_known && log.other != NULL) {
		if (has_several_tags(&log))
			return reader_refuse(reader, "it has several tags, and none of them is "
						     "\"response\": which is the response time?");
		log.reads_other = true;
		rc = read_log_lines(&log);
	}
	if (rc < 0)
		return rc;
	if (run->series.n == 0)
		return reader_refuse(reader, "it is a log of HdrHistogram without an interval");
	set_start(&log);
	run->result.n_sent = run->result.n_echoes = run->result.response.n;
	return 0;
}
