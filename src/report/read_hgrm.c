/* SPDX-License-Identifier: MIT */
/*
 * Reads HdrHistogram's percentile list (outputPercentileDistribution() of Java,
 * hdr_percentiles_print() of C, a .hgrm of HistogramLogProcessor), plain or as CSV:
 *
 *	       Value     Percentile TotalCount 1/(1-Percentile)
 *
 *	       0.067 0.000000000000          1           1.00
 *	       1.371 0.500000000000      49680           2.00
 *	      12.926 1.000000000000      99461
 *	#[Mean    =        1.423, StdDeviation   =        0.982]
 *	#[Max     =       12.926, Total count    =        99461]
 *
 * The counts between two rows are taken to have the value of the second row. The list does not
 * contain the unit of Value. wrk2 counts microseconds and divides by 1000; HistogramLogProcessor
 * takes nanoseconds and divides by 1000000 by default. Both give milliseconds, the default of
 * --unit.
 *
 * A row has four fields. For percentile 1 the fourth is infinite, or missing in a plain list. A
 * list ends with that row, or with a footer that has the total count; without both it was cut off.
 * Java writes decimal commas in some locales. They are accepted in a plain list. In CSV a comma
 * separates fields, so such a row has too many.
 *
 * wrk2 prints more around the list, and some of this is read. Its option -U prints two lists. The
 * second contains times "without taking delayed starts into account", which are service times.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "report/reader.h"

#define LINE_MAX_SIZE 1024

/* Maximum number of rows. HdrHistogram writes 5 or 10 for each halving of the rest. */
#define ROWS_MAX 1000000

/* Fields of a row: value, percentile, total count, 1/(1-percentile). */
#define ROW_FIELDS 4

/* Percentiles are in billionths; some writers print six decimals. */
#define PERCENTILE_ONE      CLOCK_NS_PER_S
#define PERCENTILE_ROUNDING (PERCENTILE_ONE / 1000000)

struct row {
	uint64_t value_ns, n;
	uint64_t percentile; /* billionths */
	bool is_last;        /* percentile 1, no value above it */
};

struct list {
	struct reader *reader;
	size_t line, n_rows;
	struct histogram *times;     /* of the list that is being read */
	bool is_open;                /* rows or footer are being read */
	bool is_csv;                 /* fields are separated by commas */
	bool has_footer, has_total;  /* a footer line was read; one with the total count */
	bool has_list[2];            /* list read already: response, service */
	bool is_unterminated;        /* the line has no newline: the last of the file */
	struct row row;              /* the previous row */
	double total_min, total_max; /* bounds of the total count, from the rows' percentiles */
	uint64_t mean_ns;            /* 0: not given */
};

/* ---- a row ---- */

/* Copies the field at *at to `field`, and moves *at past it and its separator. */
MUST_USE static bool next_field(const char **at, bool is_csv, char *field, size_t size)
{
	*at += strspn(*at, " \t");
	size_t n = strcspn(*at, is_csv ? ",\r" : " \t\r");
	const char *from = *at;
	*at += n;
	if (is_csv && **at == ',')
		(*at)++;
	while (n > 0 && (from[n - 1] == ' ' || from[n - 1] == '\t'))
		n--;
	if (n == 0 || n >= size)
		return false;
	memcpy(field, from, n);
	field[n] = '\0';
	return true;
}

/* Parses a whole field as a decimal number, with a point or a comma. */
MUST_USE static bool field_decimal(char *field, uint64_t unit_ns, uint64_t *ret_ns)
{
	const char *at = field;
	char *comma = strchr(field, ',');
	if (comma != NULL)
		*comma = '.';
	return reader_decimal(&at, unit_ns, ret_ns) && *at == '\0';
}

static bool is_infinite(const char *field)
{
	return strcasecmp(field, "inf") == 0 || strcasecmp(field, "infinity") == 0 ||
	       /* the infinity sign, as written by Java's DecimalFormat */
	       strcmp(field, "\xe2\x88\x9e") == 0;
}

MUST_USE static bool parse_row(const char *at, bool is_csv, uint64_t unit_ns, struct row *ret_row)
{
	char fields[ROW_FIELDS][64], *end;
	struct row row;
	uint64_t ignored;
	size_t n = 0;
	while (n < ROW_FIELDS && next_field(&at, is_csv, fields[n], sizeof(fields[n])))
		n++;
	if (n < ROW_FIELDS - 1 || at[strspn(at, " \t\r")] != '\0' ||
	    !field_decimal(fields[0], unit_ns, &row.value_ns) ||
	    !field_decimal(fields[1], PERCENTILE_ONE, &row.percentile) ||
	    row.percentile > PERCENTILE_ONE || fields[2][0] < '0' || fields[2][0] > '9')
		return false;
	unsigned long long count = strtoull(fields[2], &end, 10);
	if (count > INT64_MAX || *end != '\0')
		return false;
	row.n = count;
	/* 1.000000 may be rounded up: then the fourth field is a number. */
	bool is_top = n < ROW_FIELDS ? !is_csv : is_infinite(fields[3]);
	row.is_last = fields[1][0] == '1' && is_top;
	if (!row.is_last && (n < ROW_FIELDS || !field_decimal(fields[3], 1, &ignored)))
		return false;
	*ret_row = row;
	return true;
}

/*
 * Narrows the bounds of the total count. The value of a percentile is the smallest one that at
 * least this share of all values does not exceed. So a row gives an upper bound, and if the value
 * grows, the row before gives a lower bound.
 */
static void bound_total(struct list *list, const struct row *row)
{
	const struct row *before = &list->row;
	double below = (double)row->percentile - (double)PERCENTILE_ROUNDING;
	double above = (double)row->percentile + (double)PERCENTILE_ROUNDING;
	double total_max = below > 0 ? (double)row->n / below * (double)PERCENTILE_ONE + 1 : 0;
	if (below > 0 && (list->total_max == 0 || total_max < list->total_max))
		list->total_max = total_max;
	double total_min = (double)before->n / above * (double)PERCENTILE_ONE - 1;
	if (row->value_ns > before->value_ns && total_min > list->total_min)
		list->total_min = total_min;
}

MUST_USE static int add_row(struct list *list, const char *line)
{
	struct reader *reader = list->reader;
	struct row row;
	/*
	 * A truncated count is still a number, so an unfinished last line is refused. CSV rows end
	 * with a word.
	 */
	if ((list->is_unterminated && !list->is_csv) ||
	    !parse_row(line, list->is_csv, reader->list_unit_ns, &row))
		return reader_refuse(reader, "line %zu is no row of a list of percentiles",
				     list->line);
	if (row.n < list->row.n || row.value_ns < list->row.value_ns ||
	    row.percentile < list->row.percentile || list->row.is_last)
		return reader_refuse(reader,
				     "line %zu: value, percentile and count must not be below "
				     "those of the line before",
				     list->line);
	if (++list->n_rows > ROWS_MAX)
		return reader_refuse(reader, "it has more than %d lines", ROWS_MAX);
	bound_total(list, &row);
	histogram_record_n(list->times, row.value_ns, row.n - list->row.n);
	list->row = row;
	return 0;
}

/* Ends the list: checks that it is complete, and that counts and percentiles agree. */
MUST_USE static int end_list(struct list *list)
{
	double total = (double)list->row.n;
	list->is_open = false;
	if (!list->row.is_last && !list->has_total)
		return reader_refuse(list->reader,
				     "the list of percentiles is cut off: line %zu is neither of "
				     "percentile 1 nor a total count",
				     list->line);
	if (total < list->total_min || (list->total_max != 0 && total > list->total_max))
		return reader_refuse(list->reader,
				     "its counts and its percentiles contradict each other");
	return 0;
}

/* ---- the footer ---- */

/*
 * Reads the value of a name from "Mean = 1.423, ..." or "Max = 12.926, Total count = 99461]".
 * Returns 0, or 1 if the line does not begin with this name.
 */
MUST_USE static int footer_value(struct list *list, const char *line, const char *name,
				 uint64_t unit_ns, uint64_t *ret_ns)
{
	char number[64];
	if (strncmp(line, name, strlen(name)) != 0)
		return 1;
	line += strcspn(line, "=");
	line += strspn(line, "= ");
	size_t n = strcspn(line, " ]\r");
	n -= n > 0 && line[n - 1] == ','; /* it separates the two values of a line */
	snprintf(number, sizeof(number), "%.*s", (int)(n < sizeof(number) ? n : 0), line);
	if (!field_decimal(number, unit_ns, ret_ns))
		return reader_refuse(list->reader, "line %zu: its \"%s\" is unreadable", list->line,
				     name);
	return 0;
}

/*
 * Returns whether ns is above max_ns by more than the rounding. Lists may have only one decimal.
 */
static bool is_above(const struct list *list, uint64_t ns, uint64_t max_ns)
{
	return ns > max_ns && ns - max_ns > max_ns / 1000 + list->reader->list_unit_ns / 10;
}

MUST_USE static int read_mean(struct list *list, uint64_t ns)
{
	struct histogram *times = list->times;
	if (is_above(list, ns, times->max_ns))
		return reader_refuse(list->reader, "its lines and its mean contradict each other");
	list->mean_ns = ns;
	ns = ns < times->max_ns ? ns : times->max_ns;
	if (times->n > 0 && __builtin_mul_overflow(ns, times->n, &times->sum_ns))
		times->sum_ns = UINT64_MAX;
	return 0;
}

/* The last row contains the end of a bucket, which is never less than the maximum. */
MUST_USE static int check_max(struct list *list, uint64_t ns)
{
	if (is_above(list, ns, list->times->max_ns))
		return reader_refuse(list->reader,
				     "its lines and its largest value contradict each other");
	if (is_above(list, list->mean_ns, ns))
		return reader_refuse(list->reader,
				     "its mean and its largest value contradict each other");
	return 0;
}

MUST_USE static int read_footer(struct list *list, const char *line)
{
	uint64_t unit_ns = list->reader->list_unit_ns, value = 0;
	const char *total = strstr(line, "Total count");
	size_t n = strlen(line);
	list->has_footer = true;
	n -= n > 0 && line[n - 1] == '\r';
	if (line[1] == '[' && line[n - 1] != ']')
		return reader_refuse(list->reader, "line %zu is cut off", list->line);
	line += strspn(line, "#[ \t");
	/* The mean of no values is written as NaN. */
	int rc = list->times->n > 0 ? footer_value(list, line, "Mean", unit_ns, &value) : 1;
	if (rc == 0)
		return read_mean(list, value);
	if (rc > 0)
		rc = footer_value(list, line, "Max", unit_ns, &value);
	if (rc == 0)
		rc = check_max(list, value);
	if (rc < 0 || total == NULL)
		return rc < 0 ? rc : 0;
	rc = footer_value(list, total, "Total count", 1, &value);
	if (rc < 0)
		return rc;
	if (value != list->times->n)
		return reader_refuse(list->reader,
				     "its lines and its total count contradict each other");
	list->has_total = true;
	return 0;
}

/* ---- other output of wrk2 ---- */

MUST_USE static int refuse_unreadable(struct list *list, const char *what)
{
	return reader_refuse(list->reader, "line %zu: its %s is unreadable", list->line, what);
}

/* Returns the text after a number and these words; NULL: the line begins differently. */
static const char *after_number(const char *line, const char *words)
{
	size_t n = strspn(line, "0123456789");
	return n > 0 && strncmp(line + n, words, strlen(words)) == 0 ? line + n + strlen(words)
								     : NULL;
}

/* Reads "2 threads and 100 connections". */
MUST_USE static int read_threads(struct list *list, const char *line)
{
	struct run *run = list->reader->run;
	const char *connections = after_number(line, " threads and ");
	if (connections == NULL)
		return 0;
	if (!reader_decimal(&line, 1, &run->n_threads))
		return refuse_unreadable(list, "number of threads");
	if (!reader_decimal(&connections, 1, &run->n_connections))
		return refuse_unreadable(list, "number of connections");
	return 0;
}

/* Reads "2999 requests in 30.00s, 371.97KB read". */
MUST_USE static int read_requests(struct list *list, const char *line)
{
	const char *from = after_number(line, " requests in ");
	char duration[32];
	if (from == NULL)
		return 0;
	snprintf(duration, sizeof(duration), "%.*s", (int)strcspn(from, ", \r"), from);
	if (units_parse_duration(duration, &list->reader->run->result.elapsed_ns) < 0)
		return refuse_unreadable(list, "duration");
	return 0;
}

/* Reads "Running 30s test @ http://127.0.0.1:80/index.html". */
MUST_USE static int read_target(struct run *run, const char *line)
{
	const char *target = strstr(line, "test @ ");
	if (target == NULL || run->target != NULL)
		return 0;
	target += strlen("test @ ");
	return reader_keep_text(&run->target, target, strcspn(target, " \r"));
}

/*
 * Reads "Socket errors: connect 0, read 0, write 0, timeout 20" and "Non-2xx or 3xx responses:
 * 120".
 */
MUST_USE static int read_errors(struct list *list, const char *line)
{
	struct result *result = &list->reader->run->result;
	static const char *const marks[] = { "connect ", "read ", "write ", "timeout ",
					     "responses: " };
	if (strstr(line, "Socket errors:") == NULL && strstr(line, "Non-2xx or 3xx") == NULL)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		const char *at = strstr(line, marks[i]);
		uint64_t n;
		if (at == NULL)
			continue;
		at += strlen(marks[i]);
		if (!reader_decimal(&at, 1, &n) || n > INT64_MAX - result_failures(result))
			return refuse_unreadable(list, "number of errors");
		if (n > 0)
			result_fail(result, *marks[i] == 't' ? "no_reply" : "failed", n);
	}
	return 0;
}

/* ---- lines ---- */

/* Begins the list of response times or of service times. */
MUST_USE static int begin_list(struct list *list, const char *header, bool is_service)
{
	struct reader *reader = list->reader;
	struct result *result = &reader->run->result;
	int rc = list->is_open ? end_list(list) : 0;
	if (rc < 0)
		return rc;
	if (list->has_list[is_service])
		return reader_refuse(reader, "line %zu: a second list of percentiles", list->line);
	list->has_list[is_service] = true;
	list->is_open = true;
	list->is_csv = strchr(header, ',') != NULL;
	list->has_footer = list->has_total = false;
	list->times = is_service ? &result->service : &result->response;
	list->row = (struct row){ 0 };
	list->total_min = list->total_max = 0;
	list->mean_ns = 0;
	return 0;
}

MUST_USE static int read_hgrm_line(struct list *list, const char *line, bool *is_service)
{
	int rc = 0;
	line += strspn(line, " \t");
	if (strstr(line, "Percentile") != NULL && strstr(line, "TotalCount") != NULL)
		return begin_list(list, line, *is_service);
	if (list->is_open && *line >= '0' && *line <= '9')
		return add_row(list, line);
	if (list->is_open && *line == '#')
		return read_footer(list, line);
	if (list->is_open && (*line == '\0' || *line == '\r'))
		return 0;
	/*
	 * Within a list, any other line is damage. After its footer, or a dashed line, others may
	 * follow.
	 */
	if (list->is_open && !list->has_footer && *line != '-')
		return add_row(list, line);
	if (list->is_open)
		rc = end_list(list);
	if (rc < 0)
		return rc;
	if (strstr(line, "Latency Distribution") != NULL)
		*is_service = strstr(line, "Uncorrected") != NULL;
	rc = read_threads(list, line);
	if (rc == 0)
		rc = read_requests(list, line);
	if (rc == 0)
		rc = read_errors(list, line);
	return rc == 0 ? read_target(list->reader->run, line) : rc;
}

int read_hgrm(struct reader *reader)
{
	struct list list = { .reader = reader };
	struct result *result = &reader->run->result;
	const char *at = reader->bytes, *end = at + reader->n;
	bool is_service = false;
	int rc = 0;
	while (rc == 0 && at < end) {
		char line[LINE_MAX_SIZE];
		size_t n = strcspn(at, "\n");
		list.line++;
		if (n >= sizeof(line))
			return reader_refuse(reader, "line %zu is longer than %d bytes", list.line,
					     LINE_MAX_SIZE - 1);
		memcpy(line, at, n);
		line[n] = '\0';
		list.is_unterminated = at + n == end;
		rc = read_hgrm_line(&list, line, &is_service);
		at += n + 1;
	}
	if (rc == 0 && list.is_open)
		rc = end_list(&list);
	if (rc < 0)
		return rc;
	if (result->response.n == 0 && result->service.n == 0)
		return reader_refuse(reader, "it is a list of percentiles without a value");
	result->n_sent = result->n_echoes = result->response.n;
	return 0;
}
