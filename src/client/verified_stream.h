/* SPDX-License-Identifier: MIT */
/*
 * The stream of one connection to an echo server: which bytes are sent next, and whether the bytes
 * that come back are the bytes that were sent.
 *
 *   0             returned           sent             due
 *   |   verified     |   in flight    |     unsent     |
 *
 * Every byte is a function of seed, connection number and offset (base/payload.h), so no sent byte
 * is stored. The caller owns socket, buffers and clock. Only stream_send() makes a system call.
 *
 * The first wrong byte ends the comparison: `returned` is its offset, stream_case() returns the
 * evidence, and diagnose() (client/diagnosis.h) the kind of damage with the expected and the
 * received bytes.
 *
 * Invariant: returned <= sent <= due.
 */
#ifndef CLIENT_VERIFIED_STREAM_H
#define CLIENT_VERIFIED_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/payload.h"
#include "client/diagnosis.h"

struct verified_stream {
	uint64_t seed;
	uint64_t number; /* of the connection, below PAYLOAD_CONNECTIONS */
	struct payload payload;
	uint64_t due;      /* bytes to be sent so far */
	uint64_t sent;     /* bytes sent */
	uint64_t returned; /* bytes that came back and are right */
};

/*
 * Begins the stream of a new connection, on which nothing is due. number: of the connection, from
 * 0. Streams of different numbers below PAYLOAD_CONNECTIONS have no bytes in common; then numbers
 * repeat.
 */
void stream_begin(struct verified_stream *ret_stream, uint64_t seed, uint64_t number);

/* Makes n more bytes due, such as one message. */
static inline void stream_add_due(struct verified_stream *stream, uint64_t n)
{
	stream->due += n;
}

/* Returns the number of due bytes that have not been sent yet. */
static inline uint64_t stream_unsent(const struct verified_stream *stream)
{
	return stream->due - stream->sent;
}

/* Returns the number of due bytes that have not come back, sent or not. */
static inline uint64_t stream_outstanding(const struct verified_stream *stream)
{
	return stream->due - stream->returned;
}

/* Writes the bytes to be sent next to `buffer`, at most `size`. Returns their number. */
size_t stream_fill(const struct verified_stream *stream, void *buffer, size_t size);

/*
 * Sends n bytes that stream_fill() has written. Returns how many were sent, or a negative code. 0:
 * the socket accepts none now, or the connection has ended and the next receive shows how.
 */
MUST_USE ssize_t stream_send(struct verified_stream *stream, int fd, const void *bytes, size_t n);

/*
 * Compares n received bytes with the bytes in flight and counts the right ones as returned. Returns
 * their number. If it is less than n, the byte at stream->returned is wrong or was never sent.
 */
MUST_USE size_t stream_verify(struct verified_stream *stream, const void *bytes, size_t n);

/*
 * ---- after a wrong byte ----
 *
 * bytes: n received bytes, of which the first is the wrong one, at stream->returned.
 */

/* Returns how many of the n bytes are wrong or were never sent. */
uint64_t stream_count_wrong(const struct verified_stream *stream, const void *bytes, size_t n);

/*
 * Returns what is known for a diagnosis. It refers to `bytes`. n_connections: connections of this
 * seed that have begun so far. Bytes of every offset of each of them may have been sent.
 */
struct diagnosis_case stream_case(const struct verified_stream *stream, uint64_t n_connections,
				  const void *bytes, size_t n);

/*
 * ---- the end of a connection ----
 */

enum stream_end {
	STREAM_END_FIN,         /* every sent byte came back, then the server's FIN */
	STREAM_END_EARLY_FIN,   /* FIN while bytes were in flight: they are lost */
	STREAM_END_RESET,       /* RST after the last byte had come back */
	STREAM_END_EARLY_RESET, /* RST while bytes were in flight: they are lost */
	STREAM_END_SILENCE,     /* no end before the deadline */
	STREAM_END_ERROR,       /* another error ended it, such as an unreachable host */
};

/*
 * Returns how a connection ended. received: result of the last receive, after all bytes before it
 * were verified: 0 or a negative code. -EAGAIN: it did not end before the caller's deadline.
 */
enum stream_end stream_end_of(const struct verified_stream *stream, int received);

/*
 * Writes a sentence about an end: `what`, and if a message of `message_size` bytes is incomplete,
 * how much of it came back: "connection reset by peer: 3 of 64 bytes came back".
 */
void stream_describe_end(const struct verified_stream *stream, const char *what,
			 uint64_t message_size, char *ret_text, size_t text_size);

#endif
