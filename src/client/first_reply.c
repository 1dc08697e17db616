/* SPDX-License-Identifier: MIT */
#include "client/first_reply.h"

#include <string.h>

#include "base/clock.h"
#include "net/io.h"

#define REST_NS (100 * CLOCK_NS_PER_MS)

static size_t smaller_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

void first_reply_add(struct first_reply *reply, const unsigned char *bytes, size_t n)
{
	size_t size = smaller_of(n, FIRST_REPLY_SIZE - reply->n);
	memcpy(reply->bytes + reply->n, bytes, size);
	reply->n += size;
}

void first_reply_await(struct first_reply *reply, int fd)
{
	uint64_t deadline_ns = clock_deadline_ns(REST_NS);
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	while (reply->n < FIRST_REPLY_SIZE && io_wait(&ready, 1, deadline_ns) > 0) {
		ssize_t n = io_recv(fd, reply->bytes + reply->n, FIRST_REPLY_SIZE - reply->n);
		if (n <= 0)
			break;
		reply->n += (size_t)n;
	}
}

bool first_reply_identify(const struct first_reply *reply, const struct window *window, bool ended,
			  struct peer_fingerprint *ret_endpoint)
{
	if (window->returned >= FIRST_REPLY_SIZE)
		return false;

	/* Correct bytes equal the sent bytes. The window has the rest of the sent bytes. */
	unsigned char sent[FIRST_REPLY_SIZE];
	const unsigned char *in_flight;
	size_t n_right = (size_t)window->returned;
	size_t n =
		smaller_of(window_first_in_flight(window, &in_flight), FIRST_REPLY_SIZE - n_right);
	memcpy(sent, reply->bytes, n_right);
	memcpy(sent + n_right, in_flight, n);
	const struct peer_reply whole = {
		.sent = sent,
		.n_sent = n_right + n,
		.received = reply->bytes,
		.n_received = reply->n,
		.ended = ended,
	};
	*ret_endpoint = peer_fingerprint_identify(&whole);
	return peer_fingerprint_is_other_server(&whole, ret_endpoint->kind);
}
