/* SPDX-License-Identifier: MIT */
/*
 * The log: whole lines on standard error, one write(2) each.
 *
 * Two kinds of lines: sentences for people, and records of named fields for programs. `--log json`
 * writes both as one JSON object per line. A record is always one line, whatever its fields
 * contain: control bytes are escaped (base/escape.h) and the line is cut at LOG_LINE_SIZE.
 *
 * A standard error that stalls must not stop the service. A line that cannot be written at once is
 * dropped and counted, and the count is written before the next line that can be. The same holds
 * for a full disk. If a line was written in part, its rest is kept and written first. Only errors
 * wait, for at most five seconds. The log is the only global state in the program.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

/*
 * At most PIPE_BUF (4096): a pipe takes this much whole, never mixed with the line of another
 * process.
 */
#define LOG_LINE_SIZE 2048

enum log_format { LOG_TEXT, LOG_JSON };

/* Sets the format of all later lines. `colour`: print "error" and "warning" in colour. */
void log_setup(enum log_format format, bool colour);

/*
 * Returns whether lines on a descriptor may be coloured: a terminal, and no NO_COLOR
 * (no-color.org).
 */
bool log_colour_wanted(int fd);

/*
 * From now on a write to standard error never blocks (net/writer.h). Before this call, poll(2) is
 * asked first, but it does not know how much a terminal takes. is_socket: standard error is a
 * socket, so send(2) is used instead of write(2).
 */
void log_unblock(bool is_socket);

/*
 * Another program left an unfinished line on standard error: the next line begins with a newline.
 */
void log_start_after_cut_line(void);

/* State that the processes of a server share, in shared memory; zeroed at first. */
struct log_shared {
	_Atomic pid_t cut_by; /* process whose unfinished line is the last thing written, 0: none */
	_Atomic uint64_t dropped;
};

/*
 * Uses `shared` from now on, because this process and its children write to the same standard
 * error.
 */
void log_share(struct log_shared *shared);

/*
 * Call in a child that logs: drops the lines that its parent has not written, because the parent
 * writes them.
 */
void log_begin_child(void);

/*
 * log_is_behind() returns whether anything is left to write: the rest of a line or the count of
 * dropped lines. log_catch_up() tries to write it without waiting. log_close() tries for a short
 * time, at the end of the program.
 */
bool log_is_behind(void);
void log_catch_up(void);
void log_close(void);

/*
 * Writes a progress line on a terminal, or part of one, unchanged. It is dropped if it cannot be
 * written at once.
 */
void log_progress(const char *bytes, size_t size);

/*
 * Returns whether the format is JSON, for callers that have a better sentence than a record in text
 * form.
 */
bool log_is_json(void);

/*
 * "tcpecho: SENTENCE": the program or the requested action fails. Waits until it is written (at
 * most 5 s).
 */
void log_error(const char *format, ...) PRINTF_LIKE(1, 2);

/* "tcpecho: warning: SENTENCE": the program continues, but the user should know. */
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);

/* "SENTENCE": a normal event. */
void log_notice(const char *format, ...) PRINTF_LIKE(1, 2);

/*
 * Limits the rate of a message: returns true at most once per second. *last_ns is the caller's,
 * zero at first, and holds the time of the last true. Several processes may share it.
 */
bool log_once_a_second(_Atomic uint64_t *last_ns);

/* A record under construction. log_record_end() consumes it. */
struct log_record {
	size_t used;
	char line[LOG_LINE_SIZE];
};

/* Begins a record: `end peer=... in=...` or {"event":"end","peer":"...","in":...}. */
void log_record_begin(struct log_record *record, const char *event);
void log_record_text(struct log_record *record, const char *name, const char *value);
void log_record_count(struct log_record *record, const char *name, uint64_t value);
/* Adds a duration in seconds, with three decimals (ms). */
void log_record_seconds(struct log_record *record, const char *name, uint64_t ns);
void log_record_end(struct log_record *record);

/*
 * Between log_hold() and log_release() lines are collected and written several at a time, for
 * callers that write many lines at once. Errors are still written at once.
 */
void log_hold(void);
void log_release(void);

#endif
