/* SPDX-License-Identifier: MIT */
/*
 * The log: whole lines on standard error, one write(2) each.
 *
 * Two kinds of lines: sentences for people, and records of named fields for programs. `--log json`
 * turns both into one JSON object a line. Whatever a field holds, a record is one line: control
 * bytes are escaped (base/escape.h) and a line is cut at LOG_LINE_SIZE.
 *
 * Standard error that stalls must not stop the service: a line that it would not take at once is
 * dropped and counted, and the count is written before the next line that is taken. A full disk is
 * the same. Of a line that was taken in part, the rest is kept and written first. Only errors wait,
 * for five seconds at most. The log is the one piece of global state in the program.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

/* At most PIPE_BUF (4096): so much a pipe takes whole, never mixed with another process's line. */
#define LOG_LINE_SIZE 2048

enum log_format { LOG_TEXT, LOG_JSON };

/* Chooses the form of all later lines. `colour`: paint "error" and "warning" for a terminal. */
void log_setup(enum log_format format, bool colour);

/* May lines on standard error be coloured? On a terminal, without NO_COLOR (no-color.org). */
bool log_colour_wanted(void);

/*
 * Standard error never waits from now on (net/writer.h); before, it is asked by poll(2), which does
 * not know how much a terminal takes. is_socket: it is one, and send(2) takes the place of
 * write(2).
 */
void log_unblock(bool is_socket);

/* Standard error ends within a line that another program has left: the next begins a new one. */
void log_begin_behind_a_cut_line(void);

/* What the processes of a server have in common, in memory that they share; zeroed at first. */
struct log_shared {
	_Atomic pid_t cut_by; /* the process whose line standard error ends within, 0: none */
	_Atomic uint64_t dropped;
};

/* From now on this process and its children write to the same standard error. */
void log_share(struct log_shared *shared);

/* In a child that goes on to log: what its parent has not written is not for it to write. */
void log_begin_child(void);

/*
 * Is anything left to be written: the rest of a line, the count of those that were dropped?
 * log_catch_up() tries it, without waiting; log_close() tries it for a moment, at the end.
 */
bool log_is_behind(void);
void log_catch_up(void);
void log_close(void);

/* A line of progress on a terminal, or a part of it: written as it is, if it is taken at once. */
void log_progress(const char *bytes, size_t size);

/* Are lines for programs wanted? For the few callers who have a better sentence than a record. */
bool log_is_json(void);

/* "tcpecho: SENTENCE": the program, or what it was asked for, fails. Waits until it is written. */
void log_error(const char *format, ...) PRINTF_LIKE(1, 2);

/* "tcpecho: warning: SENTENCE": it goes on, but somebody should know. */
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);

/* "SENTENCE": what happened, in the ordinary course of things. */
void log_notice(const char *format, ...) PRINTF_LIKE(1, 2);

/*
 * For messages that could come in floods: true at most once a second. *last_ns is the caller's,
 * zero at first, and remembers when it was true the last time; several processes may share it.
 */
bool log_once_a_second(_Atomic uint64_t *last_ns);

/* A record under construction: a value, used up by log_record_end(). */
struct log_record {
	size_t used;
	char line[LOG_LINE_SIZE];
};

/* Begins a record: `end peer=... in=...` or {"event":"end","peer":"...","in":...}. */
void log_record_begin(struct log_record *record, const char *event);
void log_record_text(struct log_record *record, const char *name, const char *value);
void log_record_count(struct log_record *record, const char *name, uint64_t value);
/* A duration, in seconds to the millisecond. */
void log_record_seconds(struct log_record *record, const char *name, uint64_t ns);
void log_record_end(struct log_record *record);

/*
 * Between the two, lines are gathered and written together, a few at a time: for whoever has many
 * to write at once. Errors are written at once all the same.
 */
void log_hold(void);
void log_release(void);

#endif
