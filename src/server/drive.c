/* SPDX-License-Identifier: MIT */
#include "server/drive.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "net/io.h"

int driver_open(struct driver *driver, struct server *server, size_t piece_size)
{
	crowd_open(&driver->crowd, server);
	return pieces_open(&driver->pieces, server->clients.most, piece_size);
}

void driver_close(struct driver *driver)
{
	pieces_close(&driver->pieces);
}

/* ---- what is kept ---- */

static unsigned char *piece_of(const struct driver *driver, const struct conn *conn)
{
	return pieces_at(&driver->pieces, conn->piece - 1);
}

/* In a piece, what is stashed lies behind what a buffer holds. */
static unsigned char *stash_of(const struct driver *driver, const struct conn *conn)
{
	return piece_of(driver, conn) + CROWD_BUFFER_SIZE;
}

static void need_piece(struct driver *driver, struct conn *conn)
{
	if (conn->piece == 0)
		conn->piece = pieces_take(&driver->pieces) + 1;
}

void drive_forget(struct driver *driver, struct conn *conn)
{
	if (conn->piece != 0)
		pieces_give_back(&driver->pieces, conn->piece - 1);
	conn->piece = 0;
	conn->stashed = 0;
}

void drive_keep(struct driver *driver, struct conn *conn, const unsigned char *bytes)
{
	size_t at;
	size_t kept = echo_kept(&conn->echo, &at);
	need_piece(driver, conn);
	memcpy(piece_of(driver, conn) + at, bytes + at, kept);
	conn->on_its_way = (uint32_t)io_unacknowledged(conn->client.fd);
}

bool drive_stash(struct driver *driver, struct conn *conn, const void *bytes, size_t n)
{
	if (CROWD_BUFFER_SIZE + conn->stashed + n > driver->pieces.size)
		return false;
	need_piece(driver, conn);
	memcpy(stash_of(driver, conn) + conn->stashed, bytes, n);
	conn->stashed += (uint32_t)n;
	return true;
}

/* The next bytes of the stash come to the front, where the echo expects what was received. */
static void take_from_stash(struct driver *driver, struct conn *conn)
{
	unsigned char *stash = stash_of(driver, conn);
	uint32_t n = conn->stashed;
	if (n > CROWD_BUFFER_SIZE)
		n = CROWD_BUFFER_SIZE;
	memcpy(piece_of(driver, conn), stash, n);
	conn->stashed -= n;
	memmove(stash, stash + n, conn->stashed);
	echo_got(&conn->echo, n);
}

/* ---- what the echo wants ---- */

/* Returns what io_recv() does; -EAGAIN also if the kernel is short of memory. */
static ssize_t receive(struct driver *driver, struct conn *conn)
{
	ssize_t n = io_recv(conn->client.fd, driver->buffer, CROWD_BUFFER_SIZE);
	if (n > 0) {
		echo_got(&conn->echo, (size_t)n);
		crowd_moved(&driver->crowd, conn);
	} else if (n == 0) {
		echo_ended(&conn->echo);
	} else if (err_is_shortage((int)n)) {
		crowd_wait_out_shortage(&driver->crowd, conn, (int)n);
		return -EAGAIN;
	} else if (n != -EAGAIN) {
		crowd_fail(conn, (int)n);
	}
	return n;
}

/* Returns whether all is sent, or the connection broken: if not, there will be an event. */
static bool send_kept(struct driver *driver, struct conn *conn)
{
	const unsigned char *bytes = conn->piece != 0 ? piece_of(driver, conn) : driver->buffer;
	size_t at;
	size_t kept = echo_kept(&conn->echo, &at);
	ssize_t n = io_send(conn->client.fd, bytes + at, kept);
	if (n > 0) {
		echo_sent(&conn->echo, (size_t)n);
		crowd_moved(&driver->crowd, conn);
	} else if (err_is_shortage((int)n)) {
		crowd_wait_out_shortage(&driver->crowd, conn, (int)n);
	} else if (n != -EAGAIN) {
		crowd_fail(conn, (int)n);
	}
	if (echo_wants(&conn->echo) == ECHO_WRITE) {
		if (conn->piece == 0)
			drive_keep(driver, conn, driver->buffer);
		return false;
	}
	if (conn->stashed == 0)
		drive_forget(driver, conn);
	return true;
}

static enum drive_turn do_what_it_wants(struct driver *driver, struct conn *conn, bool empties)
{
	ssize_t n = 0;
	for (int receives = 0;;) {
		switch (echo_wants(&conn->echo)) {
		case ECHO_READ:
			if (conn->stashed > 0) {
				take_from_stash(driver, conn);
				break;
			}
			/* fall through */
		case ECHO_DISCARD:
			if (conn->stashed > 0) {
				echo_got(&conn->echo, conn->stashed);
				drive_forget(driver, conn);
				break;
			}
			if (n > 0 && n < (ssize_t)CROWD_BUFFER_SIZE && !empties)
				return DRIVE_WAITS; /* the receive before was the last */
			if (n == (ssize_t)CROWD_BUFFER_SIZE || receives++ == DRIVE_RECEIVES)
				return DRIVE_AGAIN;
			n = receive(driver, conn);
			if (n == -EAGAIN)
				return DRIVE_WAITS;
			break;
		case ECHO_WRITE:
			/* Nobody has listened while something was kept. */
			empties |= conn->piece != 0;
			if (!send_kept(driver, conn))
				return DRIVE_WAITS;
			break;
		case ECHO_FINISH:
			if (conn->is_leaving)
				return DRIVE_WAITS;
			crowd_finish(&driver->crowd, conn);
			break;
		case ECHO_CLOSE:
			crowd_end_with(conn, ENDING_EOF, 0);
			drive_forget(driver, conn);
			return DRIVE_OVER;
		}
	}
}

enum drive_turn drive(struct driver *driver, struct conn *conn, bool empties)
{
	if (conn->is_leaving)
		crowd_look(&driver->crowd, conn);
	enum drive_turn turn = do_what_it_wants(driver, conn, empties);
	crowd_note(conn);
	return turn;
}

/* ---- when it is not the client who acts ---- */

/* Serves, or while lingering discards, what has arrived already. */
static void take_last_turns(struct driver *driver, struct conn *conn)
{
	enum drive_turn turn = DRIVE_AGAIN;
	for (int i = 0; i < DRIVE_LAST_TURNS && turn == DRIVE_AGAIN; i++)
		turn = drive(driver, conn, true);
}

/* The linger timeout of a client is over. What is unread would make a reset of the close. */
static void stop_lingering(struct driver *driver, struct conn *conn)
{
	take_last_turns(driver, conn);
	if (echo_wants(&conn->echo) != ECHO_CLOSE)
		echo_stop(&conn->echo);
}

struct conn *drive_next_due(struct driver *driver)
{
	struct conn *conn;
	enum crowd_queue queue;
	while ((conn = crowd_next_due(&driver->crowd, &queue)) != NULL) {
		if (queue == CROWD_IDLE && !crowd_was_idle(&driver->crowd, conn))
			continue;
		if (queue == CROWD_IDLE)
			crowd_stop(&driver->crowd, conn, ENDING_IDLE);
		else if (queue == CROWD_SHORTAGE)
			crowd_moved(&driver->crowd, conn); /* it could not: that was not idle */
		else if (queue == CROWD_LINGER || queue == CROWD_LINGER_CALLED_OFF)
			stop_lingering(driver, conn);
		return conn;
	}
	return NULL;
}

void drive_call_off(struct driver *driver, struct conn *conn)
{
	if (echo_wants(&conn->echo) == ECHO_DISCARD) {
		crowd_hurry(&driver->crowd, conn);
		return;
	}
	take_last_turns(driver, conn);
	if (conn->is_leaving)
		conn->looks = 0; /* from now on by the patience of a server that ends */
	else if (echo_wants(&conn->echo) != ECHO_CLOSE)
		crowd_stop(&driver->crowd, conn, ENDING_DRAIN);
}
