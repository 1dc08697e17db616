/* SPDX-License-Identifier: MIT */
#include "client/ping_conn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/units.h"
#include "client/mismatch.h"

void ping_conn_open(struct ping_conn *conn, int fd, const struct addr *server)
{
	conn->may_wait = !conn->spins && io_make_blocking(fd, PING_RECV_NS) == 0;
	conn->fd = fd;
	conn->server = *server;
	stream_begin(&conn->stream, conn->seed, conn->result->n_connections++);
}

bool ping_conn_is_back(const struct ping_conn *conn)
{
	return stream_outstanding(&conn->stream) == 0;
}

/* ---- failures ---- */

void ping_conn_fail(struct ping_conn *conn, const char *name, const char *format, ...)
{
	if (conn->failure != NULL)
		return;
	conn->failure = name;
	va_list values;
	va_start(values, format);
	vsnprintf(conn->why, sizeof(conn->why), format, values);
	va_end(values);
}

/* Fails the connection, and with it the message in flight, if any. */
static void fail_ping_conn(struct ping_conn *conn, const char *name, const char *what)
{
	char why[sizeof(conn->why)];
	stream_describe_end(&conn->stream, what, conn->size, why, sizeof(why));
	ping_conn_fail(conn, name, "%s", why);
}

static void fail_by_code(struct ping_conn *conn, int code)
{
	fail_ping_conn(conn, err_name(code), err_text(code).text);
}

void ping_conn_fail_late(struct ping_conn *conn)
{
	char what[64];
	snprintf(what, sizeof(what), "no reply within %s", units_duration(conn->wait_ns).text);
	fail_ping_conn(conn, "no_reply", what);
}

/* Fails the message: of n received bytes, only the first n_right are correct. */
static void fail_by_bytes(struct ping_conn *conn, size_t n_right, size_t n)
{
	struct result *result = conn->result;
	unsigned char *from = conn->buffer + n_right;
	result->n_mismatches++;
	result->wrong_bytes += stream_count_wrong(&conn->stream, from, n - n_right);
	n = mismatch_await_more(conn->fd, from, n - n_right, DIAGNOSIS_MAX);
	struct diagnosis_case wrong = stream_case(&conn->stream, result->n_connections, from, n);
	wrong.max_sent = conn->stream.sent;
	bool is_first = result->n_echoes == 0;
	struct mismatch_text text = mismatch_describe(&wrong, is_first ? &conn->server : NULL);
	conn->is_no_echo = text.is_no_echo;
	ping_conn_fail(conn, "mismatch", "%s", text.text);
	if (result->first_mismatch[0] == '\0')
		memcpy(result->first_mismatch, conn->why, sizeof(result->first_mismatch));
}

/* ---- bytes ---- */

/* Sends n bytes that stream_fill() has written to the buffer. */
static void send_filled(struct ping_conn *conn, size_t n)
{
	ssize_t sent = stream_send(&conn->stream, conn->fd, conn->buffer, n);
	if (sent < 0)
		fail_by_code(conn, (int)sent);
	else
		conn->result->bytes_sent += (uint64_t)sent;
}

void ping_conn_begin_message(struct ping_conn *conn)
{
	conn->failure = NULL;
	stream_add_due(&conn->stream, conn->size);
	size_t n = stream_fill(&conn->stream, conn->buffer, PING_BUFFER_SIZE);
	conn->begun_ns = clock_now_ns(); /* the round trip excludes making the bytes */
	send_filled(conn, n);
}

void ping_conn_send(struct ping_conn *conn)
{
	send_filled(conn, stream_fill(&conn->stream, conn->buffer, PING_BUFFER_SIZE));
}

/* Handles the result of a receive. Returns false if nothing has arrived. */
static bool take_received(struct ping_conn *conn, ssize_t n)
{
	if (n == -EAGAIN)
		return false;
	conn->back_ns = clock_now_ns();
	if (n > 0) {
		size_t n_right = stream_verify(&conn->stream, conn->buffer, (size_t)n);
		conn->result->bytes_verified += n_right;
		if (n_right < (size_t)n)
			fail_by_bytes(conn, n_right, (size_t)n);
	} else if (n == 0) {
		fail_ping_conn(conn, "ended", "the server ended the connection");
	} else {
		fail_by_code(conn, (int)n);
	}
	return true;
}

bool ping_conn_receive(struct ping_conn *conn)
{
	return take_received(conn, io_recv(conn->fd, conn->buffer, PING_BUFFER_SIZE));
}

bool ping_conn_receive_waiting(struct ping_conn *conn, uint64_t deadline_ns)
{
	const struct verified_stream *stream = &conn->stream;
	bool has_begun = stream_outstanding(stream) < conn->size;
	if (!conn->may_wait || conn->begun_ns + PING_RECV_MAX_NS > deadline_ns || has_begun ||
	    conn->failure != NULL || stream_unsent(stream) > 0)
		return false;
	return take_received(conn, io_recv_wait(conn->fd, conn->buffer, PING_BUFFER_SIZE));
}
