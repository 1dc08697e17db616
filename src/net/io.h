/* SPDX-License-Identifier: MIT */
/*
 * Reading, writing and waiting. EINTR stops here, and errno becomes a negative code here.
 *
 * Counts may be short (UNP 3.9): a stream gives and takes what it has room for. The caller keeps
 * the remainder; nothing here loops to hide it.
 */
#ifndef NET_IO_H
#define NET_IO_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/compiler.h"

/*
 * Where a buffer for large receives has to begin: on a cache line. The kernel copies by string
 * instructions, which on some processors take three times as long to any other place.
 */
#define IO_ALIGNMENT 64
#define IO_ALIGNED   _Alignas(IO_ALIGNMENT)

/* read(2) and write(2), for files, pipes and terminals. Return a count, 0 at the end, or -errno. */
MUST_USE ssize_t io_read(int fd, void *buffer, size_t size);
MUST_USE ssize_t io_write(int fd, const void *bytes, size_t size);

/*
 * recv(2) and send(2) that never block and never raise SIGPIPE, for sockets.
 * Return a count, 0 at the end of the stream, -EAGAIN when they would have to wait, or -errno.
 */
MUST_USE ssize_t io_recv(int fd, void *buffer, size_t size);
MUST_USE ssize_t io_send(int fd, const void *bytes, size_t size);

/* io_recv(), but what is received stays there for the next call (MSG_PEEK). */
MUST_USE ssize_t io_peek(int fd, void *buffer, size_t size);

/*
 * Half-close (shutdown(2), SHUT_WR): our FIN goes out behind the last byte, reading goes on.
 * A connection that is gone already (ENOTCONN) needs no FIN. Returns 0 or -errno.
 */
MUST_USE int io_send_end(int fd);

/*
 * The same, but waits for the first byte: no longer than the socket's patience, then -EAGAIN. The
 * patience (SO_RCVTIMEO, socket(7)) is set here; at first a socket has no end of it. A listening
 * TCP socket hands its own down to those it accepts. Returns 0 or -errno.
 */
MUST_USE ssize_t io_recv_wait(int fd, void *buffer, size_t size);
MUST_USE int io_set_recv_timeout(int fd, uint64_t recv_timeout_ns);

/* The same for a socket that was not to wait at all (O_NONBLOCK): it is from now on. */
MUST_USE int io_make_blocking(int fd, uint64_t recv_timeout_ns);

/*
 * Bytes that were sent but have not reached the peer (tcp(7), SIOCOUTQ): in a unix socket those
 * that it has not read. 0 where it cannot be known.
 */
size_t io_unacknowledged(int fd);

/*
 * Closing the socket will discard what is under way and send RST instead of FIN (socket(7),
 * SO_LINGER). Where the kernel refuses that, it is closed as usual.
 */
void io_reset_on_close(int fd);

/* The error that waits on a socket, and takes it off (SO_ERROR, socket(7)). Returns 0 or -errno. */
MUST_USE int io_pending_error(int fd);

/* Pause before a call is made again for which the kernel had no memory. */
#define IO_SHORTAGE_PAUSE_NS (20 * CLOCK_NS_PER_MS)

/*
 * poll(2) until a descriptor is ready or the deadline has come, whatever signals come in between,
 * and though the kernel may lack memory for a second.
 * Returns how many are ready, 0 if none was at the deadline, or -errno: -ENOMEM after that second.
 */
MUST_USE int io_wait(struct pollfd *fds, size_t n, uint64_t deadline_ns);

/* Is a descriptor ready for `events` now? Also true for an error, a hang-up or a failed poll. */
bool io_is_ready(int fd, short events);

/*
 * A pipe (pipe(7)), close-on-exec: bytes written to *ret_writer come out of *ret_reader. Both are
 * the caller's. Returns 0 or -errno.
 */
MUST_USE int io_pipe(int *ret_reader, int *ret_writer);

/* Is a descriptor open for writing? Returns 0, -EBADF when it is not open, or -EACCES. */
MUST_USE int io_check_writable(int fd);

/* Makes a descriptor that we were given non-blocking and close-on-exec. Returns 0 or -errno. */
MUST_USE int io_set_ours(int fd);

/* Closes *fd, if there is one, and leaves -1 in its place. */
void io_close(int *fd);

#endif
