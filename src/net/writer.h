/* SPDX-License-Identifier: MIT */
/*
 * A writer: writes to standard output or standard error, whatever they are, without ever waiting
 * for what reads them.
 *
 * O_NONBLOCK belongs to the open file, which the shell and other programs share. So a pipe or a
 * terminal is opened once more, and the new, non-blocking open file takes the descriptor's number:
 *
 *   regular file       written as it is: it always takes what it has room for
 *   pipe, terminal     opened anew with O_NONBLOCK, by /proc/self/fd/N
 *   socket             cannot be opened anew: send(2) with MSG_DONTWAIT
 *   none of that       (another user's terminal or pipe, no /proc, a file on the network): a child
 *                      process, the copier, writes what it reads from a non-blocking pipe
 *   no child either    poll(2) before each write(2) of at most PIPE_BUF bytes; this can still wait,
 *                      if a terminal has room for a part or another process is faster
 *
 * To be opened at the start, before the right to open the terminal is given up.
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
	bool is_terminal; /* the original is, also where a copier stands in front of it */
	bool is_socket;
	bool may_wait;     /* see above, the last case */
	uint64_t retry_ns; /* writer_pollfd() */
	pid_t copier;      /* 0: none */
	int copier_fd; /* the copier's error, then its end; closed, it ends the copier; -1: none */
};

/* Is a file of a network file system, or of FUSE, written directly too, or by a copier? */
enum writer_files { WRITER_ANY_FILE, WRITER_LOCAL_FILES };

/*
 * Makes a writer of a descriptor. The number stays the same; what it refers to may change,
 * isatty(3) is not to be asked afterwards. A descriptor that is not open for writing stays as it
 * is.
 */
void writer_open(int fd, enum writer_files files, struct writer *ret_writer);

/*
 * Writes as much as is taken now. Returns a count, -EAGAIN if nothing is, or -errno;
 * with a copier, its error. At most PIPE_BUF bytes are taken by a pipe as a whole or not at all.
 */
MUST_USE ssize_t writer_write(struct writer *writer, const void *bytes, size_t size);

/*
 * For a loop that waits by poll(2): an event means that more is taken (wants_room), or that the
 * reader is gone. A terminal can have some room, and too little for the next character; then it has
 * to be tried again at writer_retry_ns(), which is CLOCK_NEVER otherwise.
 */
struct pollfd writer_pollfd(const struct writer *writer, bool wants_room);
uint64_t writer_retry_ns(const struct writer *writer, bool wants_room);

/* What may end a wait for the reader. */
struct writer_wait {
	int signals_fd;    /* signals_setup_meter(); -1: no signal is blocked */
	int ended_by;      /* the signal that has ended the program, 0: none yet */
	uint64_t ended_ns; /* time at which it was read */
	uint64_t heard_ns; /* all signals sent until then are read */
};

/* INT or TERM was read and ends the program. Only the first of several is noted. */
void writer_note_signal(struct writer_wait *wait, int signal);

/*
 * Writes all of it, waiting for the reader without a limit; but once a signal has ended the
 * program, only while the reader goes on reading, half a second at a time. INT and TERM end the
 * wait, unless they belong to the request that has ended the program (net/signals.h). `wait` may be
 * NULL: no limit. Returns 0, -EINTR when the wait was ended (by the signal
 * wait->ended_by), or -errno.
 */
MUST_USE int writer_write_all(struct writer *writer, const void *bytes, size_t size,
			      struct writer_wait *wait);

/*
 * Says that `what` cannot be written ("-" is standard output), unless its reader is gone or a
 * signal has ended the wait. Returns the exit status for the code: that of SIGPIPE, of the signal,
 * or STATUS_MACHINE.
 */
MUST_USE enum exit_status writer_status(int code, const char *what, const struct writer_wait *wait);

/*
 * Waits, as above, until a copier has written everything; nothing can be written then. Without a
 * copier it does nothing. The descriptor stays the caller's. Returns as writer_write_all().
 */
MUST_USE int writer_finish(struct writer *writer, struct writer_wait *wait);

/*
 * Makes a writer of standard error and has the log use it; at the end, waits for a moment until
 * what is left is written.
 */
void writer_open_log(struct writer *ret_writer);
void writer_close_log(struct writer *writer);

#endif
