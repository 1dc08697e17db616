/* SPDX-License-Identifier: MIT */
#include "client/verified_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/units.h"
#include "net/io.h"

void stream_begin(struct verified_stream *ret_stream, uint64_t seed, uint64_t number)
{
	number %= PAYLOAD_CONNECTIONS;
	*ret_stream = (struct verified_stream){
		.seed = seed,
		.number = number,
		.payload = payload_of(seed, number),
	};
}

size_t stream_fill(const struct verified_stream *stream, void *buffer, size_t size)
{
	uint64_t left = stream_unsent(stream);
	size_t n = left < size ? (size_t)left : size;
	payload_fill(&stream->payload, stream->sent, buffer, n);
	return n;
}

ssize_t stream_send(struct verified_stream *stream, int fd, const void *bytes, size_t n)
{
	ssize_t sent = io_send(fd, bytes, n);
	if (sent == -EAGAIN || sent == -EPIPE) /* EPIPE: the next receive shows why */
		return 0;
	stream->sent += sent > 0 ? (uint64_t)sent : 0;
	return sent;
}

size_t stream_verify(struct verified_stream *stream, const void *bytes, size_t n)
{
	uint64_t in_flight = stream->sent - stream->returned;
	size_t n_compared = n < in_flight ? n : (size_t)in_flight;
	size_t n_right = payload_match(&stream->payload, stream->returned, bytes, n_compared);
	stream->returned += n_right;
	return n_right;
}

/* ---- after a wrong byte ---- */

uint64_t stream_count_wrong(const struct verified_stream *stream, const void *bytes, size_t n)
{
	return payload_count_wrong(&stream->payload, stream->returned, stream->sent, bytes, n);
}

struct diagnosis_case stream_case(const struct verified_stream *stream, uint64_t n_connections,
				  const void *bytes, size_t n)
{
	return (struct diagnosis_case){
		.seed = stream->seed,
		.connection = stream->number,
		.n_connections =
			n_connections < PAYLOAD_CONNECTIONS ? n_connections : PAYLOAD_CONNECTIONS,
		.offset = stream->returned,
		.sent = stream->sent,
		.max_sent = PAYLOAD_SIZE,
		.received = bytes,
		.n = n,
	};
}

/* ---- the end of a connection ---- */

enum stream_end stream_end_of(const struct verified_stream *stream, int received)
{
	bool is_early = stream->returned < stream->sent;
	switch (received) {
	case 0:
		return is_early ? STREAM_END_EARLY_FIN : STREAM_END_FIN;
	case -ECONNRESET:
	case -EPIPE:
		return is_early ? STREAM_END_EARLY_RESET : STREAM_END_RESET;
	case -EAGAIN:
		return STREAM_END_SILENCE;
	default:
		return STREAM_END_ERROR;
	}
}

void stream_describe_end(const struct verified_stream *stream, const char *what,
			 uint64_t message_size, char *ret_text, size_t text_size)
{
	uint64_t left = stream_outstanding(stream);
	if (left == 0)
		snprintf(ret_text, text_size, "%s", what);
	else
		snprintf(ret_text, text_size, "%s: %" PRIu64 " of %" PRIu64 " byte%s came back",
			 what, message_size - left, message_size, units_s(message_size));
}
