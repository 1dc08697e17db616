/* SPDX-License-Identifier: MIT */
/*
 * The readiness driver of the echo (echo/echo.h), for whoever has many clients and one thread: does
 * what the echo of one client wants until that would have to wait.
 *
 * There is one buffer for all clients, which so stays in the cache. Bytes are in it for no longer
 * than from a receive to the send behind it; what the client does not take then is kept in a piece
 * of its own (server/pieces.h), and nothing is received from it until that is gone.
 */
#ifndef SERVER_DRIVE_H
#define SERVER_DRIVE_H

#include <stdbool.h>

#include "base/compiler.h"
#include "net/io.h"
#include "server/crowd.h"
#include "server/pieces.h"

/* A turn ends with a full buffer, or so many receives: then it is the others'. */
#define DRIVE_RECEIVES 4

/*
 * Maximum turns for what has arrived before the time of a client was over: more than a receive
 * buffer holds.
 */
#define DRIVE_LAST_TURNS 64

/* What a turn of one client comes to. */
enum drive_turn {
	DRIVE_WAITS, /* for an event: bytes, or where something is kept, room for them */
	DRIVE_AGAIN, /* it has had its share, there may be more */
	DRIVE_OVER,  /* the conversation is over: close the socket, then crowd_leave() */
};

struct driver {
	struct crowd crowd;
	struct pieces pieces;
	IO_ALIGNED unsigned char buffer[CROWD_BUFFER_SIZE];
};

/* For the clients of a worker; pieces of so many bytes, CROWD_BUFFER_SIZE at least. 0 or -errno. */
MUST_USE int driver_open(struct driver *driver, struct server *server, size_t piece_size);
void driver_close(struct driver *driver);

/*
 * A turn. empties: receive until there is nothing; if not, the first receive of less than was asked
 * for is taken for the last.
 */
enum drive_turn drive(struct driver *driver, struct conn *conn, bool empties);

/*
 * Puts bytes that were received ahead, by whoever does that, behind those that are kept; they are
 * echoed in their turn. Returns false if there is no room for them in the piece.
 */
MUST_USE bool drive_stash(struct driver *driver, struct conn *conn, const void *bytes, size_t n);

/* Gives up what is kept and stashed. */
void drive_forget(struct driver *driver, struct conn *conn);

/* Gives the bytes that the echo has kept in `bytes`, whose buffer is somebody else's, a piece. */
void drive_keep(struct driver *driver, struct conn *conn, const unsigned char *bytes);

/*
 * Returns the next client whose time has come, for a turn, or NULL. A deadline is judged only after
 * what has arrived: the server may have been stopped (SIGSTOP) until the deadline had passed.
 */
struct conn *drive_next_due(struct driver *driver);

/*
 * The server ends: serves what has arrived from this client, then stops it unless that was the end
 * of its conversation. A turn must follow.
 */
void drive_call_off(struct driver *driver, struct conn *conn);

#endif
