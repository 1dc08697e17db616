/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"

/* Space that is always kept free at the end of a line, for the closing characters. */
#define TAIL_ROOM 8

/* A value from outside is cut here, so that the fields after it still fit. */
#define VALUE_END (LOG_LINE_SIZE - 512)

/* How long an error waits for standard error. Between two steps it checks for INT and TERM. */
#define ERROR_STEP_MS 100
#define ERROR_STEPS   50

/* The same in log_close(), for lines that are left. */
#define CLOSE_STEPS 2

/* State of this process alone, until log_share(). */
static struct log_shared own_state;

static struct {
	enum log_format format;
	bool colour;
	bool never_waits; /* log_unblock() */
	bool is_socket;
	bool has_failed; /* the last write failed with an error that is probably permanent */
	bool holds;
	size_t n_lines, used; /* number of held lines, and their size in bytes */
	char held[PIPE_BUF];
	size_t rest_from, rest_end; /* bytes that the last write did not take */
	char rest[PIPE_BUF];
	pid_t writer; /* this process's entry in shared->cut_by */
	struct log_shared *shared;
} sink = { .writer = 1, .shared = &own_state };

void log_setup(enum log_format format, bool colour)
{
	sink.format = format;
	sink.colour = colour;
}

bool log_is_json(void)
{
	return sink.format == LOG_JSON;
}

bool log_colour_wanted(int fd)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	return isatty(fd) && (no_color == NULL || *no_color == '\0') && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

bool log_once_a_second(_Atomic uint64_t *last_ns)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t before_ns = atomic_load(last_ns);
	if (before_ns != 0 && now_ns - before_ns < CLOCK_NS_PER_S)
		return false;
	/* If another process was faster, it writes the message. */
	return atomic_compare_exchange_strong(last_ns, &before_ns, now_ns);
}

/* ---- standard error ---- */

void log_unblock(bool is_socket)
{
	sink.never_waits = true;
	sink.is_socket = is_socket;
}

/* Value of shared->cut_by for another program that writes to standard error. */
#define ANOTHER_PROGRAM (-1)

void log_start_after_cut_line(void)
{
	atomic_store(&sink.shared->cut_by, ANOTHER_PROGRAM);
}

void log_share(struct log_shared *shared)
{
	pid_t cut_by = atomic_load(&sink.shared->cut_by), writer = getpid();
	atomic_store(&shared->cut_by, cut_by == sink.writer ? writer : cut_by);
	atomic_store(&shared->dropped, atomic_load(&sink.shared->dropped));
	sink.shared = shared;
	sink.writer = writer;
}

void log_begin_child(void)
{
	sink.writer = getpid();
	sink.holds = false;
	sink.n_lines = sink.used = 0;
	sink.rest_from = sink.rest_end = 0;
}

/* Waits up to wait_ms until standard error is writable. Returns whether it is. */
static bool log_has_room(int wait_ms)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
	int ready;
	do {
		ready = poll(&out, 1, wait_ms);
	} while (ready < 0 && errno == EINTR);
	return ready == 1 && (out.revents & POLLOUT) != 0;
}

/*
 * Returns whether INT or TERM is blocked and pending: the loop that reads signals does not run
 * while an error waits.
 */
static bool is_end_pending(void)
{
	sigset_t pending;
	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

/*
 * Writes as much as standard error takes at once. Returns the number of bytes, 0 after an error
 * too.
 */
static size_t write_some(const char *bytes, size_t size)
{
	/* poll() always reports a file as writable; if it reports a pipe, PIPE_BUF bytes fit. */
	if (!sink.never_waits && !log_has_room(0))
		return 0;
	ssize_t n;
	do {
		n = sink.is_socket ? send(STDERR_FILENO, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL)
				   : write(STDERR_FILENO, bytes, size);
	} while (n < 0 && errno == EINTR);
	sink.has_failed = n < 0 && (errno == EPIPE || errno == EBADF || errno == EIO);
	return n > 0 ? (size_t)n : 0;
}

/* Writes the rest of a cut line. Returns whether it is complete. */
static bool write_rest(void)
{
	while (sink.rest_from < sink.rest_end) {
		size_t n = write_some(sink.rest + sink.rest_from, sink.rest_end - sink.rest_from);
		if (n == 0)
			return false;
		sink.rest_from += n;
	}
	sink.rest_from = sink.rest_end = 0;
	atomic_store(&sink.shared->cut_by, 0);
	return true;
}

/* Counts our cut line as dropped if another process has ended it. */
static void drop_lost_rest(void)
{
	if (sink.rest_from == sink.rest_end || atomic_load(&sink.shared->cut_by) == sink.writer)
		return;
	sink.rest_from = sink.rest_end = 0;
	atomic_fetch_add(&sink.shared->dropped, 1);
}

/*
 * Brings standard error to the start of a line: completes our own cut line or ends that of another
 * process.
 */
static bool begin_line(void)
{
	drop_lost_rest();
	pid_t cut_by = atomic_load(&sink.shared->cut_by);
	if (cut_by == sink.writer)
		return write_rest();
	if (cut_by == 0)
		return true;
	if (write_some("\n", 1) == 0)
		return false;
	atomic_compare_exchange_strong(&sink.shared->cut_by, &cut_by, 0);
	return true;
}

/* Writes whole lines and keeps the part that is not taken. Returns false if nothing was taken. */
static bool write_lines(const char *bytes, size_t size)
{
	if (!begin_line())
		return false;
	size_t n = write_some(bytes, size);
	if (n == 0)
		return false;
	if (n < size) {
		atomic_store(&sink.shared->cut_by, sink.writer);
		memcpy(sink.rest, bytes + n, size - n);
		sink.rest_end = size - n;
		/* tries the rest: a pipe may take more, or the write shows the error */
		ignore_result(write_rest());
	}
	return true;
}

/* The same, but waits until all is written, at most ERROR_STEPS * ERROR_STEP_MS. */
static bool write_waiting(const char *bytes, size_t size)
{
	bool is_begun = false;
	for (int i = 0; i < ERROR_STEPS; i++) {
		is_begun = is_begun || write_lines(bytes, size);
		if (is_begun && begin_line())
			return true;
		if (sink.has_failed || is_end_pending())
			break;
		ignore_result(log_has_room(ERROR_STEP_MS)); /* the write is tried in any case */
	}
	return is_begun;
}

/* ---- records ---- */

static void log_put(struct log_record *record, const char *bytes, size_t n)
{
	size_t room = sizeof(record->line) - TAIL_ROOM - record->used;
	if (n > room) {
		n = room;
		while (n > 0 && (bytes[n] & 0xc0) == 0x80) /* do not cut a UTF-8 sequence */
			n--;
	}
	memcpy(record->line + record->used, bytes, n);
	record->used += n;
}

static void log_put_string(struct log_record *record, const char *string)
{
	log_put(record, string, strlen(string));
}

/* Puts escaped bytes; within quotes, '"' and '\\' get a backslash. */
static void put_shown(struct log_record *record, const char *shown, size_t n, bool quoted)
{
	for (size_t i = 0; i < n; i++) {
		if (quoted && (shown[i] == '"' || shown[i] == '\\'))
			log_put(record, "\\", 1);
		log_put(record, &shown[i], 1);
	}
}

/*
 * Puts a value from outside. It stands in quotes in JSON, and in text if it contains a space, '"'
 * or '\\'.
 */
static void put_value(struct log_record *record, const char *value)
{
	struct escape escape = { .utf8 = true };
	char shown[ESCAPE_ROOM(1)];
	bool quoted = sink.format == LOG_JSON || value[strcspn(value, " \"\\")] != '\0';
	if (quoted)
		log_put(record, "\"", 1);
	for (; *value != '\0' && record->used < VALUE_END; value++)
		put_shown(record, shown, escape_bytes(&escape, value, 1, shown), quoted);
	put_shown(record, shown, escape_end(&escape, shown), quoted);
	if (quoted)
		log_put(record, "\"", 1);
}

static void put_name(struct log_record *record, const char *name)
{
	if (sink.format == LOG_JSON) {
		log_put_string(record, ",\"");
		log_put_string(record, name);
		log_put_string(record, "\":");
	} else {
		log_put_string(record, " ");
		log_put_string(record, name);
		log_put_string(record, "=");
	}
}

void log_record_begin(struct log_record *record, const char *event)
{
	record->used = 0;
	if (sink.format == LOG_JSON)
		log_put_string(record, "{\"event\":\"");
	log_put_string(record, event);
	if (sink.format == LOG_JSON)
		log_put_string(record, "\"");
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
	log_put_string(record, digits);
}

void log_record_seconds(struct log_record *record, const char *name, uint64_t ns)
{
	char digits[32];
	uint64_t ms = ns / CLOCK_NS_PER_MS;
	snprintf(digits, sizeof(digits), "%" PRIu64 ".%03" PRIu64, ms / 1000, ms % 1000);
	put_name(record, name);
	log_put_string(record, digits);
}

/* Maximum length of the end of a line: `}` and a newline. */
#define LINE_END_MAX 2

/*
 * Copies the closed line to `line`, which has room for used + LINE_END_MAX bytes. Returns its size.
 */
static size_t end_line(const struct log_record *record, char *line)
{
	size_t size = record->used;
	memmove(line, record->line, size);
	if (sink.format == LOG_JSON)
		line[size++] = '}';
	line[size++] = '\n';
	return size;
}

static bool write_record(struct log_record *record, bool wait)
{
	size_t size = end_line(record, record->line);
	return wait ? write_waiting(record->line, size) : write_lines(record->line, size);
}

/*
 * Writes the number of dropped lines, if any. Returns whether no dropped line is left unreported.
 */
static bool write_drop_count(bool wait)
{
	struct log_record record;
	drop_lost_rest();
	uint64_t dropped = atomic_exchange(&sink.shared->dropped, 0);
	if (dropped == 0)
		return true;
	log_record_begin(&record, "dropped");
	log_record_count(&record, "lines", dropped);
	if (write_record(&record, wait))
		return true;
	atomic_fetch_add(&sink.shared->dropped, dropped);
	return false;
}

static void write_held(void)
{
	if (sink.used > 0 && !write_lines(sink.held, sink.used))
		atomic_fetch_add(&sink.shared->dropped, sink.n_lines);
	sink.n_lines = sink.used = 0;
}

/* Holds a line if holding is on and the line need not be waited for. Returns whether it did. */
static bool hold(const struct log_record *record, bool wait)
{
	size_t size = record->used + LINE_END_MAX;
	if (!sink.holds || wait || atomic_load(&sink.shared->dropped) > 0)
		return false;
	if (size > sizeof(sink.held) - sink.used)
		write_held();
	if (atomic_load(&sink.shared->dropped) > 0)
		return false; /* the count of dropped lines goes first */
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

static void log_finish(struct log_record *record, bool wait)
{
	if (hold(record, wait))
		return;
	write_held();
	if (!write_drop_count(wait) || !write_record(record, wait))
		atomic_fetch_add(&sink.shared->dropped, 1);
}

bool log_is_behind(void)
{
	bool is_cut = sink.rest_from < sink.rest_end;
	return !sink.has_failed && (is_cut || atomic_load(&sink.shared->dropped) > 0);
}

void log_catch_up(void)
{
	if (begin_line())
		/* on failure the count stays for the next call */
		ignore_result(write_drop_count(false));
}

void log_close(void)
{
	for (int i = 0; log_is_behind() && i <= CLOSE_STEPS; i++) {
		if (i > 0)
			/* the write is tried in any case */
			ignore_result(log_has_room(ERROR_STEP_MS));
		log_catch_up();
	}
}

void log_progress(const char *bytes, size_t size)
{
	if (!log_is_behind())
		ignore_result(write_lines(bytes, size)); /* decoration only: may be lost */
}

void log_record_end(struct log_record *record)
{
	log_finish(record, false);
}

/* ---- sentences ---- */

/* The start of a sentence in text form: before, coloured word, reset. */
struct prefix {
	const char *event;
	const char *before;
	const char *paint;
	const char *word;
};

PRINTF_LIKE(3, 0)
static void log_message(const struct prefix *prefix, bool wait, const char *format, va_list values)
{
	char sentence[LOG_LINE_SIZE / 2];
	vsnprintf(sentence, sizeof(sentence), format, values);

	struct log_record record;
	if (sink.format == LOG_JSON) {
		log_record_begin(&record, prefix->event);
		log_record_text(&record, "message", sentence);
		log_finish(&record, wait);
		return;
	}

	record.used = 0;
	log_put_string(&record, prefix->before);
	if (sink.colour)
		log_put_string(&record, prefix->paint);
	log_put_string(&record, prefix->word);
	if (sink.colour && *prefix->paint != '\0')
		log_put_string(&record, "\033[0m");
	struct escape escape = { .utf8 = true };
	char shown[ESCAPE_ROOM(sizeof(sentence))];
	size_t n = escape_bytes(&escape, sentence, strlen(sentence), shown);
	n += escape_end(&escape, shown + n);
	log_put(&record, shown, n);
	log_finish(&record, wait);
}

void log_error(const char *format, ...)
{
	static const struct prefix prefix = { "error", "", "\033[1;31m", "tcpecho: " };
	va_list values;
	va_start(values, format);
	log_message(&prefix, true, format, values);
	va_end(values);
}

void log_warning(const char *format, ...)
{
	static const struct prefix prefix = { "warning", "tcpecho: ", "\033[1;33m", "warning: " };
	va_list values;
	va_start(values, format);
	log_message(&prefix, false, format, values);
	va_end(values);
}

void log_notice(const char *format, ...)
{
	static const struct prefix prefix = { "notice", "", "", "" };
	va_list values;
	va_start(values, format);
	log_message(&prefix, false, format, values);
	va_end(values);
}
