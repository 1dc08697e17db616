/* SPDX-License-Identifier: MIT */
/*
 * A writer: writes to standard output or standard error of any type and never blocks on the reader.
 *
 * O_NONBLOCK belongs to the open file description, which the shell and other programs share. So a
 * pipe or a terminal is opened again, and the new, non-blocking open file gets the number of the
 * descriptor:
 *
 *   regular file       written directly: it never blocks
 *   pipe, terminal     opened again with O_NONBLOCK, through /proc/self/fd/N
 *   socket             cannot be opened again: send(2) with MSG_DONTWAIT
 *   other              (another user's terminal or pipe, no /proc, a network file): a child process
 *                      (the copier) writes what it reads from a non-blocking pipe
 *   fork() failed      poll(2) before each write(2) of at most PIPE_BUF bytes. It can still block,
 *                      if a terminal has room for only a part or another process writes first
 *
 * Must be opened at the start, before the right to open the terminal is given up.
 */
#ifndef NET_WRITER_H
#define NET_WRITER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/exit_status.h"

struct writer {
	int fd;
	bool is_terminal; /* the original descriptor is, even if a copier is used */
	bool is_socket;
	bool may_wait;     /* the last case above */
	uint64_t retry_ns; /* writer_pollfd() */
	pid_t copier;      /* 0: none */
	/* reads the copier's error, then its end; closing it ends the copier; -1: none */
	int copier_fd;
};

/* Whether a file on a network file system or FUSE is written directly, or by a copier. */
enum writer_files { WRITER_ANY_FILE, WRITER_LOCAL_FILES };

/*
 * Makes a writer of a descriptor. The number stays the same, but the open file may change, so
 * isatty(3) must not be called afterwards. A descriptor that is not open for writing stays
 * unchanged.
 */
void writer_open(int fd, enum writer_files files, struct writer *ret_writer);

/*
 * Writes as much as possible now. Returns a count, -EAGAIN if nothing can be written, or -errno;
 * with a copier, the copier's error. A pipe takes up to PIPE_BUF bytes completely or not at all.
 */
MUST_USE ssize_t writer_write(struct writer *writer, const void *bytes, size_t size);

/*
 * For a poll(2) loop: an event means that more can be written (if wants_room), or that the reader
 * is gone. A terminal may have too little room for the next character. Then the write must be tried
 * again at writer_retry_ns(), which is CLOCK_NEVER otherwise.
 */
struct pollfd writer_pollfd(const struct writer *writer, bool wants_room);
uint64_t writer_retry_ns(const struct writer *writer, bool wants_room);

/* What may end a wait for the reader. */
struct writer_wait {
	int signals_fd;           /* signals_setup_meter(); -1: no signal is blocked */
	int ended_by;             /* the signal that ended the program, 0: none yet */
	uint64_t ended_ns;        /* when that signal was read */
	uint64_t signals_read_ns; /* all signals sent before this time are read */
};

/* Records that INT or TERM was read and ends the program. Only the first signal counts. */
void writer_note_signal(struct writer_wait *wait, int signal);

/*
 * Writes everything and waits for the reader without a limit. After a signal has ended the program,
 * it waits only while the reader makes progress, half a second at a time. INT and TERM end the
 * wait, unless they belong to the request that ended the program (net/signals.h). `wait` may be
 * NULL: no limit. Returns 0, -EINTR if the signal wait->ended_by ended the wait, or -errno.
 */
MUST_USE int writer_write_all(struct writer *writer, const void *bytes, size_t size,
			      struct writer_wait *wait);

/*
 * Logs that `what` cannot be written ("-" is standard output), unless its reader is gone or a
 * signal ended the wait. Returns the exit status for the code: that of SIGPIPE, of the signal, or
 * STATUS_MACHINE.
 */
MUST_USE enum exit_status writer_status(int code, const char *what, const struct writer_wait *wait);

/*
 * Waits, as above, until the copier has written everything; no write may follow. Does nothing
 * without a copier. The caller keeps the descriptor. Returns as writer_write_all().
 */
MUST_USE int writer_finish(struct writer *writer, struct writer_wait *wait);

/*
 * writer_open_log() makes a writer of standard error for the log. writer_close_log() waits briefly
 * until the rest is written.
 */
void writer_open_log(struct writer *ret_writer);
void writer_close_log(struct writer *writer);

#endif
