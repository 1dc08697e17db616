/* SPDX-License-Identifier: MIT */
#include "client/verified_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/units.h"
#include "client/mismatch.h"

void stream_open(struct verified_stream *stream, int fd, const struct addr *server)
{
	stream->may_wait = !stream->spins && io_make_blocking(fd, STREAM_RECV_NS) == 0;
	stream->fd = fd;
	stream->server = *server;
	stream->payload = payload_of(stream->seed, stream->result->n_connections++);
	stream->sent = stream->returned = stream->due = 0;
}

bool stream_is_back(const struct verified_stream *stream)
{
	return stream->returned >= stream->due;
}

/* ---- failures ---- */

void stream_fail(struct verified_stream *stream, const char *name, const char *format, ...)
{
	if (stream->failure != NULL)
		return;
	stream->failure = name;
	va_list values;
	va_start(values, format);
	vsnprintf(stream->why, sizeof(stream->why), format, values);
	va_end(values);
}

/* Fails the connection, and with it the message in flight, if any. */
static void fail_connection(struct verified_stream *stream, const char *name, const char *what)
{
	uint64_t left = stream->due - stream->returned;
	if (left == 0)
		stream_fail(stream, name, "%s", what);
	else
		stream_fail(stream, name, "%s: %" PRIu64 " of %" PRIu64 " byte%s came back", what,
			    stream->size - left, stream->size, units_s(stream->size));
}

static void fail_by_code(struct verified_stream *stream, int code)
{
	fail_connection(stream, err_name(code), err_text(code).text);
}

void stream_fail_late(struct verified_stream *stream)
{
	char what[64];
	snprintf(what, sizeof(what), "no reply within %s", units_duration(stream->wait_ns).text);
	fail_connection(stream, "no_reply", what);
}

/* Fails the message: of n received bytes, only the first n_right are correct. */
static void fail_by_bytes(struct verified_stream *stream, size_t n_right, size_t n)
{
	struct result *result = stream->result;
	unsigned char *from = stream->piece + n_right;
	n -= n_right;
	result->n_mismatches++;
	result->wrong_bytes +=
		payload_count_wrong(&stream->payload, stream->returned, stream->sent, from, n);
	const struct diagnosis_case wrong = {
		.seed = stream->seed,
		.connection = result->n_connections - 1,
		.n_connections = result->n_connections,
		.offset = stream->returned,
		.sent = stream->sent,
		.most_sent = stream->sent,
		.received = from,
		.n = mismatch_await_more(stream->fd, from, n, DIAGNOSIS_MAX),
	};
	bool is_first = result->n_echoes == 0;
	struct mismatch_text text = mismatch_say(&wrong, is_first ? &stream->server : NULL);
	stream->is_no_echo = text.is_no_echo;
	stream_fail(stream, "mismatch", "%s", text.text);
	if (result->first_mismatch[0] == '\0')
		memcpy(result->first_mismatch, stream->why, sizeof(result->first_mismatch));
}

/* ---- bytes ---- */

/* Writes the bytes to be sent next into stream->piece. Returns their number. */
static size_t fill_piece(struct verified_stream *stream)
{
	uint64_t left = stream->due - stream->sent;
	size_t size = left < STREAM_PIECE_SIZE ? (size_t)left : STREAM_PIECE_SIZE;
	payload_fill(&stream->payload, stream->sent, stream->piece, size);
	return size;
}

static void send_piece(struct verified_stream *stream, size_t size)
{
	ssize_t n = io_send(stream->fd, stream->piece, size);
	if (n > 0) {
		stream->sent += (uint64_t)n;
		stream->result->bytes_sent += (uint64_t)n;
	} else if (n != -EAGAIN && n != -EPIPE) { /* EPIPE: the next receive finds out why */
		fail_by_code(stream, (int)n);
	}
}

void stream_begin_message(struct verified_stream *stream)
{
	stream->failure = NULL;
	stream->due += stream->size;
	size_t size = fill_piece(stream);
	stream->begun_ns = clock_now_ns(); /* the round trip excludes making the bytes */
	send_piece(stream, size);
}

void stream_send(struct verified_stream *stream)
{
	send_piece(stream, fill_piece(stream));
}

static void stream_verify(struct verified_stream *stream, size_t n)
{
	uint64_t in_flight = stream->sent - stream->returned;
	size_t most = n < in_flight ? n : (size_t)in_flight;
	size_t n_right = payload_match(&stream->payload, stream->returned, stream->piece, most);
	stream->returned += n_right;
	stream->result->bytes_verified += n_right;
	if (n_right < n)
		fail_by_bytes(stream, n_right, n);
}

/* Handles the result of a receive. Returns false if nothing has arrived. */
static bool take_received(struct verified_stream *stream, ssize_t n)
{
	if (n == -EAGAIN)
		return false;
	stream->back_ns = clock_now_ns();
	if (n > 0)
		stream_verify(stream, (size_t)n);
	else if (n == 0)
		fail_connection(stream, "ended", "the server ended the connection");
	else
		fail_by_code(stream, (int)n);
	return true;
}

bool stream_receive(struct verified_stream *stream)
{
	return take_received(stream, io_recv(stream->fd, stream->piece, STREAM_PIECE_SIZE));
}

bool stream_receive_waiting(struct verified_stream *stream, uint64_t deadline_ns)
{
	bool has_begun = stream->due - stream->returned < stream->size;
	if (!stream->may_wait || stream->begun_ns + STREAM_RECV_MAX_NS > deadline_ns || has_begun ||
	    stream->failure != NULL || stream->sent < stream->due)
		return false;
	return take_received(stream, io_recv_wait(stream->fd, stream->piece, STREAM_PIECE_SIZE));
}
