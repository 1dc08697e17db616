/* SPDX-License-Identifier: MIT */
/*
 * Reads, writes and waits. EINTR is handled here, and errno becomes a negative code here.
 *
 * Counts may be short (UNP 3.9): a stream takes and returns only what it has room for. The caller
 * keeps the rest. No function here loops to hide a short count.
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
 * Buffers for large receives must begin on a cache line. The kernel copies with string
 * instructions, which on some processors take three times as long to any other alignment.
 */
#define IO_ALIGNMENT 64
#define IO_ALIGNED   _Alignas(IO_ALIGNMENT)

/* read(2) and write(2), for files, pipes and terminals. Return a count, 0 at the end, or -errno. */
MUST_USE ssize_t io_read(int fd, void *buffer, size_t size);
MUST_USE ssize_t io_write(int fd, const void *bytes, size_t size);

/*
 * recv(2) and send(2) for sockets. They never block and never raise SIGPIPE. Return a count, 0 at
 * the end of the stream, -EAGAIN if they would block, or -errno.
 */
MUST_USE ssize_t io_recv(int fd, void *buffer, size_t size);
MUST_USE ssize_t io_send(int fd, const void *bytes, size_t size);

/* Like io_recv(), but the data stays in the socket for the next call (MSG_PEEK). */
MUST_USE ssize_t io_peek(int fd, void *buffer, size_t size);

/*
 * Half-close (shutdown(2), SHUT_WR): sends our FIN after the last byte; reading continues. Returns
 * 0 if the connection is already gone (ENOTCONN), because it needs no FIN, or -errno.
 */
MUST_USE int io_send_end(int fd);

/*
 * io_recv_wait() is io_recv(), but waits for the first byte up to the socket's receive timeout,
 * then returns -EAGAIN. io_set_recv_timeout() sets the timeout (SO_RCVTIMEO, socket(7)); a new
 * socket has none. An accepted TCP socket inherits it from the listening socket. It returns 0 or
 * -errno.
 */
MUST_USE ssize_t io_recv_wait(int fd, void *buffer, size_t size);
MUST_USE int io_set_recv_timeout(int fd, uint64_t recv_timeout_ns);

/*
 * Sets the receive timeout of a socket and makes it blocking (clears O_NONBLOCK). Returns 0 or
 * -errno.
 */
MUST_USE int io_make_blocking(int fd, uint64_t recv_timeout_ns);

/*
 * Returns the number of bytes that were sent but not acknowledged (tcp(7), SIOCOUTQ). For a unix
 * socket: that the peer has not read. 0 if unknown.
 */
size_t io_unacknowledged(int fd);

/*
 * In that number, a FIN that we sent counts as a byte (RFC 9293 3.4). The kernel handles it alone:
 * with this number or less, the peer has all our bytes.
 */
#define IO_FIN_SIZE 1

/*
 * Makes close(2) discard unsent data and send RST instead of FIN (socket(7), SO_LINGER). If the
 * kernel refuses the option, the socket closes normally.
 */
void io_reset_on_close(int fd);

/* Returns and clears the pending error of a socket (SO_ERROR, socket(7)): 0 or -errno. */
MUST_USE int io_pending_error(int fd);

/* Pause before a call is repeated that failed because the kernel had no memory. */
#define IO_SHORTAGE_PAUSE_NS (20 * CLOCK_NS_PER_MS)

/*
 * Calls poll(2) until a descriptor is ready or the deadline has passed. Signals do not end the
 * wait, and the kernel may lack memory for up to a second. Returns the number of ready descriptors,
 * 0 at the deadline, or -errno: -ENOMEM after that second.
 */
MUST_USE int io_wait(struct pollfd *fds, size_t n, uint64_t deadline_ns);

/*
 * Returns whether a descriptor is ready for `events` now. Also true for an error, a hang-up or a
 * failed poll.
 */
bool io_is_ready(int fd, short events);

/*
 * Opens a pipe (pipe(7)), close-on-exec: bytes written to *ret_writer are read from *ret_reader.
 * The caller closes both. Returns 0 or -errno.
 */
MUST_USE int io_pipe(int *ret_reader, int *ret_writer);

/* Checks that a descriptor is open for writing. Returns 0, -EBADF if it is not open, or -EACCES. */
MUST_USE int io_check_writable(int fd);

/* Makes an inherited descriptor non-blocking and close-on-exec. Returns 0 or -errno. */
MUST_USE int io_set_nonblock_cloexec(int fd);

/*
 * Opens /dev/null for each standard descriptor that was closed when the program started. Otherwise
 * the first socket would become standard output. The direction is the wrong one, so that reading or
 * writing fails with EBADF. Returns 0 or -errno.
 */
MUST_USE int io_fill_standard_fds(void);

/* Closes *fd if it is not -1, and sets it to -1. */
void io_close(int *fd);

#endif
