/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"

/* Room that always stays at the end of a line for what closes it. */
#define TAIL_ROOM 8

/* Where a value from outside is cut, so that the fields behind it still fit. */
#define VALUE_END (LOG_LINE_SIZE - 512)

static struct {
	enum log_format format;
	bool colour;
	uint64_t dropped;
	bool holds;
	size_t n_lines, used; /* lines that are held, and their bytes */
	char held[PIPE_BUF];
} sink;

void log_setup(enum log_format format, bool colour)
{
	sink.format = format;
	sink.colour = colour;
}

bool log_is_json(void)
{
	return sink.format == LOG_JSON;
}

bool log_colour_wanted(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	return isatty(STDERR_FILENO) && (no_color == NULL || *no_color == '\0') && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

bool log_once_a_second(_Atomic uint64_t *last_ns)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t before_ns = atomic_load(last_ns);
	if (before_ns != 0 && now_ns - before_ns < CLOCK_NS_PER_S)
		return false;
	/* Another who was faster has said it. */
	return atomic_compare_exchange_strong(last_ns, &before_ns, now_ns);
}

/* Would standard error take a line without making us wait? Files always do. */
static bool takes_a_line(void)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
	int ready;
	do {
		ready = poll(&out, 1, 0);
	} while (ready < 0 && errno == EINTR);
	return ready == 1 && (out.revents & POLLOUT) != 0;
}

/* Writes all of it; gives up silently on an error, for there is nobody left to tell. */
static void write_all(const char *line, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDERR_FILENO, line, size);
		if (n < 0 && errno == EAGAIN) {
			struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
			if (poll(&out, 1, -1) < 0 && errno != EINTR)
				return;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		line += n;
		size -= (size_t)n;
	}
}

/* ---- records ---- */

static void put(struct log_record *record, const char *bytes, size_t n)
{
	size_t room = sizeof(record->line) - TAIL_ROOM - record->used;
	if (n > room) {
		n = room;
		while (n > 0 && (bytes[n] & 0xc0) == 0x80) /* not within a UTF-8 sequence */
			n--;
	}
	memcpy(record->line + record->used, bytes, n);
	record->used += n;
}

static void put_string(struct log_record *record, const char *string)
{
	put(record, string, strlen(string));
}

/* Escaped bytes, and if they stand in quotes, what would end these. */
static void put_shown(struct log_record *record, const char *shown, size_t n, bool quoted)
{
	for (size_t i = 0; i < n; i++) {
		if (quoted && (shown[i] == '"' || shown[i] == '\\'))
			put(record, "\\", 1);
		put(record, &shown[i], 1);
	}
}

/* A value from outside. In JSON, and in text where it has a space, it stands in quotes. */
static void put_value(struct log_record *record, const char *value)
{
	struct escape escape = { .utf8 = true };
	char shown[ESCAPE_ROOM(1)];
	bool quoted = sink.format == LOG_JSON || value[strcspn(value, " \"\\")] != '\0';
	if (quoted)
		put(record, "\"", 1);
	for (; *value != '\0' && record->used < VALUE_END; value++)
		put_shown(record, shown, escape_bytes(&escape, value, 1, shown), quoted);
	put_shown(record, shown, escape_end(&escape, shown), quoted);
	if (quoted)
		put(record, "\"", 1);
}

static void put_name(struct log_record *record, const char *name)
{
	if (sink.format == LOG_JSON) {
		put_string(record, ",\"");
		put_string(record, name);
		put_string(record, "\":");
	} else {
		put_string(record, " ");
		put_string(record, name);
		put_string(record, "=");
	}
}

void log_record_begin(struct log_record *record, const char *event)
{
	record->used = 0;
	if (sink.format == LOG_JSON)
		put_string(record, "{\"event\":\"");
	put_string(record, event);
	if (sink.format == LOG_JSON)
		put_string(record, "\"");
}

void log_record_text(struct log_record *record, const char *name, const char *value)
{
	put_name(record, name);
	put_value(record, value);
}

void log_record_count(struct log_record *record, const char *name, uint64_t value)
{
	char digits[24];
	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	put_name(record, name);
	put_string(record, digits);
}

void log_record_seconds(struct log_record *record, const char *name, uint64_t ns)
{
	char digits[32];
	uint64_t ms = ns / CLOCK_NS_PER_MS;
	snprintf(digits, sizeof(digits), "%" PRIu64 ".%03" PRIu64, ms / 1000, ms % 1000);
	put_name(record, name);
	put_string(record, digits);
}

/* What closes a line: `}` and a newline at most. */
#define LINE_END_MOST 2

/* The whole line, closed, into memory with room for its used bytes and that. Returns its size. */
static size_t end_line(const struct log_record *record, char *line)
{
	size_t size = record->used;
	memmove(line, record->line, size);
	if (sink.format == LOG_JSON)
		line[size++] = '}';
	line[size++] = '\n';
	return size;
}

static void write_record(struct log_record *record)
{
	write_all(record->line, end_line(record, record->line));
}

static void tell_dropped(void)
{
	struct log_record record;
	log_record_begin(&record, "dropped");
	log_record_count(&record, "lines", sink.dropped);
	sink.dropped = 0;
	write_record(&record);
}

/* Writes what is held. */
static void write_held(void)
{
	if (sink.used == 0)
		return;
	if (takes_a_line())
		write_all(sink.held, sink.used);
	else
		sink.dropped += sink.n_lines;
	sink.n_lines = sink.used = 0;
}

/* Holds a line, if lines are held and it is none to wait for. */
static bool hold(const struct log_record *record, bool wait)
{
	size_t size = record->used + LINE_END_MOST;
	if (!sink.holds || wait || sink.dropped > 0)
		return false;
	if (size > sizeof(sink.held) - sink.used)
		write_held();
	if (sink.dropped > 0)
		return false; /* that is told first */
	sink.used += end_line(record, sink.held + sink.used);
	sink.n_lines++;
	return true;
}

void log_hold(void)
{
	sink.holds = true;
}

void log_release(void)
{
	write_held();
	sink.holds = false;
}

static void finish(struct log_record *record, bool wait)
{
	if (hold(record, wait))
		return;
	write_held();
	if (!wait && !takes_a_line()) {
		sink.dropped++;
		return;
	}
	if (sink.dropped > 0)
		tell_dropped();
	write_record(record);
}

void log_record_end(struct log_record *record)
{
	finish(record, false);
}

/* ---- sentences ---- */

/* Where a sentence begins in text form: before, painted, after. */
struct prefix {
	const char *event;
	const char *before;
	const char *paint;
	const char *word;
};

PRINTF_LIKE(3, 0)
static void say(const struct prefix *prefix, bool wait, const char *format, va_list values)
{
	char sentence[LOG_LINE_SIZE / 2];
	vsnprintf(sentence, sizeof(sentence), format, values);

	struct log_record record;
	if (sink.format == LOG_JSON) {
		log_record_begin(&record, prefix->event);
		log_record_text(&record, "message", sentence);
		finish(&record, wait);
		return;
	}

	record.used = 0;
	put_string(&record, prefix->before);
	if (sink.colour)
		put_string(&record, prefix->paint);
	put_string(&record, prefix->word);
	if (sink.colour && *prefix->paint != '\0')
		put_string(&record, "\033[0m");
	struct escape escape = { .utf8 = true };
	char shown[ESCAPE_ROOM(sizeof(sentence))];
	size_t n = escape_bytes(&escape, sentence, strlen(sentence), shown);
	n += escape_end(&escape, shown + n);
	put(&record, shown, n);
	finish(&record, wait);
}

void log_error(const char *format, ...)
{
	static const struct prefix prefix = { "error", "", "\033[1;31m", "tcpecho: " };
	va_list values;
	va_start(values, format);
	say(&prefix, true, format, values);
	va_end(values);
}

void log_warning(const char *format, ...)
{
	static const struct prefix prefix = { "warning", "tcpecho: ", "\033[1;33m", "warning: " };
	va_list values;
	va_start(values, format);
	say(&prefix, false, format, values);
	va_end(values);
}

void log_notice(const char *format, ...)
{
	static const struct prefix prefix = { "notice", "", "", "" };
	va_list values;
	va_start(values, format);
	say(&prefix, false, format, values);
	va_end(values);
}
