/* SPDX-License-Identifier: MIT */
#include "server/events/conn_io.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "net/io.h"

int conn_io_open(struct conn_io *io, struct server *server, size_t piece_size)
{
	conn_set_open(&io->conns, server);
	return buffer_pool_open(&io->pool, server->clients.most, piece_size);
}

void conn_io_close(struct conn_io *io)
{
	buffer_pool_close(&io->pool);
}

/* ---- buffers of a connection ---- */

static unsigned char *piece_of(const struct conn_io *io, const struct conn *conn)
{
	return buffer_pool_at(&io->pool, conn->piece - 1);
}

/* In a pool buffer, bytes received ahead follow after the first CONN_BUFFER_SIZE bytes. */
static unsigned char *stash_of(const struct conn_io *io, const struct conn *conn)
{
	return piece_of(io, conn) + CONN_BUFFER_SIZE;
}

static void need_piece(struct conn_io *io, struct conn *conn)
{
	if (conn->piece == 0)
		conn->piece = buffer_pool_take(&io->pool) + 1;
}

void conn_drop_buffers(struct conn_io *io, struct conn *conn)
{
	if (conn->piece != 0)
		buffer_pool_give_back(&io->pool, conn->piece - 1);
	conn->piece = 0;
	conn->stashed = 0;
}

void conn_save_unsent(struct conn_io *io, struct conn *conn, const unsigned char *bytes)
{
	size_t at;
	size_t kept = echo_kept(&conn->echo, &at);
	need_piece(io, conn);
	memcpy(piece_of(io, conn) + at, bytes + at, kept);
	conn->on_its_way = (uint32_t)io_unacknowledged(conn->client.fd);
}

bool conn_queue_rx(struct conn_io *io, struct conn *conn, const void *bytes, size_t n)
{
	if (CONN_BUFFER_SIZE + conn->stashed + n > io->pool.size)
		return false;
	need_piece(io, conn);
	memcpy(stash_of(io, conn) + conn->stashed, bytes, n);
	conn->stashed += (uint32_t)n;
	return true;
}

/* Moves the next bytes received ahead to the front, where the echo expects received bytes. */
static void take_from_stash(struct conn_io *io, struct conn *conn)
{
	unsigned char *stash = stash_of(io, conn);
	uint32_t n = conn->stashed;
	if (n > CONN_BUFFER_SIZE)
		n = CONN_BUFFER_SIZE;
	memcpy(piece_of(io, conn), stash, n);
	conn->stashed -= n;
	memmove(stash, stash + n, conn->stashed);
	echo_got(&conn->echo, n);
}

/* ---- actions of the echo ---- */

/* Returns the result of io_recv(); -EAGAIN also during a shortage of memory. */
static ssize_t conn_receive(struct conn_io *io, struct conn *conn)
{
	ssize_t n = io_recv(conn->client.fd, io->buffer, CONN_BUFFER_SIZE);
	if (n > 0) {
		echo_got(&conn->echo, (size_t)n);
		conn_restart_idle(&io->conns, conn);
	} else if (n == 0) {
		echo_ended(&conn->echo);
	} else if (err_is_shortage((int)n)) {
		conn_wait_out_shortage(&io->conns, conn, (int)n);
		return -EAGAIN;
	} else if (n != -EAGAIN) {
		conn_fail(conn, (int)n);
	}
	return n;
}

/* Returns true if all is sent or the connection failed. If false, an event will follow. */
static bool conn_send_kept(struct conn_io *io, struct conn *conn)
{
	const unsigned char *bytes = conn->piece != 0 ? piece_of(io, conn) : io->buffer;
	size_t at;
	size_t kept = echo_kept(&conn->echo, &at);
	ssize_t n = io_send(conn->client.fd, bytes + at, kept);
	if (n > 0) {
		echo_sent(&conn->echo, (size_t)n);
		conn_restart_idle(&io->conns, conn);
	} else if (err_is_shortage((int)n)) {
		conn_wait_out_shortage(&io->conns, conn, (int)n);
	} else if (n != -EAGAIN) {
		conn_fail(conn, (int)n);
	}
	if (echo_wants(&conn->echo) == ECHO_WRITE) {
		if (conn->piece == 0)
			conn_save_unsent(io, conn, io->buffer);
		return false;
	}
	if (conn->stashed == 0)
		conn_drop_buffers(io, conn);
	return true;
}

static enum conn_turn do_what_it_wants(struct conn_io *io, struct conn *conn, bool empties)
{
	ssize_t n = 0;
	for (int receives = 0;;) {
		switch (echo_wants(&conn->echo)) {
		case ECHO_READ:
			if (conn->stashed > 0) {
				take_from_stash(io, conn);
				break;
			}
			/* fall through */
		case ECHO_DISCARD:
			if (conn->stashed > 0) {
				echo_got(&conn->echo, conn->stashed);
				conn_drop_buffers(io, conn);
				break;
			}
			if (n > 0 && n < (ssize_t)CONN_BUFFER_SIZE && !empties)
				return CONN_WAITS; /* the previous receive emptied the socket */
			if (n == (ssize_t)CONN_BUFFER_SIZE || receives++ == CONN_RECEIVES_MAX)
				return CONN_AGAIN;
			n = conn_receive(io, conn);
			if (n == -EAGAIN)
				return CONN_WAITS;
			break;
		case ECHO_WRITE:
			/*
			 * Nothing was received while bytes were unsent, so events may have been
			 * missed.
			 */
			empties |= conn->piece != 0;
			if (!conn_send_kept(io, conn))
				return CONN_WAITS;
			break;
		case ECHO_FINISH:
			if (conn->is_leaving)
				return CONN_WAITS;
			conn_finish(&io->conns, conn);
			break;
		case ECHO_CLOSE:
			conn_set_reason(conn, CLOSE_EOF, 0);
			conn_drop_buffers(io, conn);
			return CONN_OVER;
		}
	}
}

enum conn_turn conn_io_step(struct conn_io *io, struct conn *conn, bool empties)
{
	if (conn->is_leaving)
		conn_poll_acks(&io->conns, conn);
	enum conn_turn turn = do_what_it_wants(io, conn, empties);
	conn_publish_stats(conn);
	return turn;
}

/* ---- timers and the end of the server ---- */

/* Serves the bytes that have arrived, or discards them while lingering. */
static void take_last_turns(struct conn_io *io, struct conn *conn)
{
	enum conn_turn turn = CONN_AGAIN;
	for (int i = 0; i < CONN_LAST_TURNS_MAX && turn == CONN_AGAIN; i++)
		turn = conn_io_step(io, conn, true);
}

/* The linger timeout has expired. Unread bytes would turn the close into a reset. */
static void stop_lingering(struct conn_io *io, struct conn *conn)
{
	take_last_turns(io, conn);
	if (echo_wants(&conn->echo) != ECHO_CLOSE)
		echo_stop(&conn->echo);
}

struct conn *conn_next_due(struct conn_io *io)
{
	struct conn *conn;
	enum conn_queue queue;
	while ((conn = conn_next_expired(&io->conns, &queue)) != NULL) {
		if (queue == CONN_IDLE && !conn_check_idle(&io->conns, conn))
			continue;
		if (queue == CONN_IDLE)
			conn_stop(&io->conns, conn, CLOSE_IDLE);
		else if (queue == CONN_SHORTAGE)
			conn_restart_idle(
				&io->conns,
				conn); /* the shortage prevented progress: it was not idle */
		else if (queue == CONN_LINGER || queue == CONN_LINGER_ABORTING)
			stop_lingering(io, conn);
		return conn;
	}
	return NULL;
}

void conn_abort(struct conn_io *io, struct conn *conn)
{
	if (echo_wants(&conn->echo) == ECHO_DISCARD) {
		conn_shorten_linger(&io->conns, conn);
		return;
	}
	take_last_turns(io, conn);
	if (conn->is_leaving)
		conn->looks = 0; /* from now on the shorter timeout of an aborting server applies */
	else if (echo_wants(&conn->echo) != ECHO_CLOSE)
		conn_stop(&io->conns, conn, CLOSE_DRAIN);
}
