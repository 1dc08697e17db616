/* SPDX-License-Identifier: MIT */
/*
 * The readiness driver of the echo (echo/echo.h), for whoever has many clients and one thread: does
 * what the echo of one client wants until that would have to wait.
 *
 * There is one buffer for all clients, which so stays in the cache. Bytes are in it for no longer
 * than from a receive to the send behind it; what the client does not take then is kept in a piece
 * of its own (server/events/buffer_pool.h), and nothing is received from it until that is gone.
 */
#ifndef SERVER_EVENTS_CONN_IO_H
#define SERVER_EVENTS_CONN_IO_H

#include <stdbool.h>

#include "base/compiler.h"
#include "net/io.h"
#include "server/events/conn.h"
#include "server/events/buffer_pool.h"

/* A turn ends with a full buffer, or so many receives: then it is the others'. */
#define CONN_RECEIVES_MAX 4

/*
 * Maximum turns for what has arrived before the time of a client was over: more than a receive
 * buffer holds.
 */
#define CONN_LAST_TURNS_MAX 64

/* What a turn of one client comes to. */
enum conn_turn {
	CONN_WAITS, /* for an event: bytes, or where something is kept, room for them */
	CONN_AGAIN, /* it has had its share, there may be more */
	CONN_OVER,  /* the conversation is over: close the socket, then conn_count_out() */
};

struct conn_io {
	struct conn_set conns;
	struct buffer_pool pool;
	IO_ALIGNED unsigned char buffer[CONN_BUFFER_SIZE];
};

/* For the clients of a worker; pieces of so many bytes, CONN_BUFFER_SIZE at least. 0 or -errno. */
MUST_USE int conn_io_open(struct conn_io *io, struct server *server, size_t piece_size);
void conn_io_close(struct conn_io *io);

/*
 * A turn. empties: receive until there is nothing; if not, the first receive of less than was asked
 * for is taken for the last.
 */
enum conn_turn conn_io_step(struct conn_io *io, struct conn *conn, bool empties);

/*
 * Puts bytes that were received ahead, by whoever does that, behind those that are kept; they are
 * echoed in their turn. Returns false if there is no room for them in the piece.
 */
MUST_USE bool conn_queue_rx(struct conn_io *io, struct conn *conn, const void *bytes, size_t n);

/* Gives up what is kept and stashed. */
void conn_drop_buffers(struct conn_io *io, struct conn *conn);

/* Gives the bytes that the echo has kept in `bytes`, whose buffer is somebody else's, a piece. */
void conn_save_unsent(struct conn_io *io, struct conn *conn, const unsigned char *bytes);

/*
 * Returns the next client whose time has come, for a turn, or NULL. A deadline is judged only after
 * what has arrived: the server may have been stopped (SIGSTOP) until the deadline had passed.
 */
struct conn *conn_next_due(struct conn_io *io);

/*
 * The server ends: serves what has arrived from this client, then stops it unless that was the end
 * of its conversation. A turn must follow.
 */
void conn_abort(struct conn_io *io, struct conn *conn);

#endif
