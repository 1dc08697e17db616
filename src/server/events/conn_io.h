/* SPDX-License-Identifier: MIT */
/*
 * The readiness driver of the echo (echo/echo.h), for many clients in one thread: does what the
 * echo of a connection wants, until that would block.
 *
 * All connections share one buffer, which so stays in the cache. Bytes are in it only from a
 * receive to the send after it. Bytes that the client does not take then are saved in a buffer of
 * the pool (server/events/buffer_pool.h). Nothing is received from the client until they are sent.
 */
#ifndef SERVER_EVENTS_CONN_IO_H
#define SERVER_EVENTS_CONN_IO_H

#include <stdbool.h>

#include "base/compiler.h"
#include "net/io.h"
#include "server/events/buffer_pool.h"
#include "server/events/conn.h"

/* Maximum receives in a turn; a full buffer ends it too. Then other connections get their turn. */
#define CONN_RECEIVES_MAX 4

/*
 * Maximum turns for bytes that arrived before the deadline of a connection: more than a receive
 * buffer holds.
 */
#define CONN_LAST_TURNS_MAX 64

/* Result of a turn. */
enum conn_turn {
	CONN_WAITS, /* waits for an event: bytes, or room to send if bytes are unsent */
	CONN_AGAIN, /* its turn is over, more bytes may be available */
	CONN_OVER,  /* the connection is over: close the socket, then conn_count_out() */
};

struct conn_io {
	struct conn_set conns;
	struct buffer_pool pool;
	IO_ALIGNED unsigned char buffer[CONN_BUFFER_SIZE];
};

/*
 * Opens the driver for the clients of a worker, with pool buffers of piece_size bytes, at least
 * CONN_BUFFER_SIZE. Returns 0 or -errno.
 */
MUST_USE int conn_io_open(struct conn_io *io, struct server *server, size_t piece_size);
void conn_io_close(struct conn_io *io);

/*
 * Does one turn. empties: receive until nothing is available; if not, a receive shorter than
 * requested is taken as the last one.
 */
enum conn_turn conn_io_step(struct conn_io *io, struct conn *conn, bool empties);

/*
 * Appends bytes that the caller has received ahead to the unsent bytes in the pool buffer; they are
 * echoed in order. Returns false if the buffer has no room for them.
 */
MUST_USE bool conn_queue_rx(struct conn_io *io, struct conn *conn, const void *bytes, size_t n);

/* Drops all bytes in the pool buffer and returns the buffer. */
void conn_drop_buffers(struct conn_io *io, struct conn *conn);

/*
 * Saves the unsent bytes of the echo from `bytes`, a buffer that the caller owns, in a pool buffer.
 */
void conn_save_unsent(struct conn_io *io, struct conn *conn, const unsigned char *bytes);

/*
 * Returns the next connection whose deadline has passed, for a turn, or NULL. A deadline counts
 * only after the bytes that have arrived: the server may have been stopped (SIGSTOP) until the
 * deadline had passed.
 */
struct conn *conn_next_due(struct conn_io *io);

/*
 * Aborts a connection because the server ends: serves the bytes that have arrived, then stops it
 * unless they ended the connection. A turn must follow.
 */
void conn_abort(struct conn_io *io, struct conn *conn);

#endif
