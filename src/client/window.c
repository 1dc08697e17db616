/* SPDX-License-Identifier: MIT */
#include "client/window.h"

#include <assert.h>
#include <string.h>

static_assert((WINDOW_SIZE & (WINDOW_SIZE - 1)) == 0, "places are found by masking");

static size_t window_offset(uint64_t offset)
{
	return (size_t)(offset & (WINDOW_SIZE - 1));
}

static size_t smaller_size(uint64_t a, uint64_t b)
{
	return (size_t)(a < b ? a : b);
}

/* Returns the number of contiguous bytes in the ring from `offset` up to `end`. */
static size_t in_one_piece(uint64_t offset, uint64_t end)
{
	return smaller_size(end - offset, WINDOW_SIZE - window_offset(offset));
}

size_t window_room(struct window *window, unsigned char **ret_room)
{
	*ret_room = &window->ring[window_offset(window->taken)];
	return in_one_piece(window->taken, window->returned + WINDOW_SIZE);
}

void window_add(struct window *window, size_t n)
{
	window->taken += n;
	assert(window->taken <= window->returned + WINDOW_SIZE);
}

size_t window_unsent(const struct window *window, const unsigned char **ret_bytes)
{
	*ret_bytes = &window->ring[window_offset(window->sent)];
	return in_one_piece(window->sent, window->taken);
}

void window_send(struct window *window, size_t n)
{
	window->sent += n;
	assert(window->sent <= window->taken);
}

uint64_t window_in_flight(const struct window *window)
{
	return window->sent - window->returned;
}

size_t window_first_in_flight(const struct window *window, const unsigned char **ret_bytes)
{
	*ret_bytes = &window->ring[window_offset(window->returned)];
	return in_one_piece(window->returned, window->sent);
}

/* Returns the length of the common prefix of n bytes. */
static size_t equal_prefix(const unsigned char *a, const unsigned char *b, size_t n)
{
	if (memcmp(a, b, n) == 0)
		return n;
	size_t same = 0;
	while (a[same] == b[same])
		same++;
	return same;
}

enum window_verdict window_verify(struct window *window, const unsigned char *bytes, size_t n,
				  unsigned char *reterr_sent)
{
	while (n > 0) {
		const unsigned char *sent = &window->ring[window_offset(window->returned)];
		size_t piece = smaller_size(n, in_one_piece(window->returned, window->sent));
		if (piece == 0)
			return WINDOW_SURPLUS;
		size_t same = equal_prefix(sent, bytes, piece);
		window->returned += same;
		if (same < piece) {
			*reterr_sent = sent[same];
			return WINDOW_DIFFERS;
		}
		bytes += piece;
		n -= piece;
	}
	return WINDOW_SAME;
}
