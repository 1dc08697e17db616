/* SPDX-License-Identifier: MIT */
/*
 * The bytes in flight: what was taken from the input and has not come back yet.
 *
 *   returned        sent            taken           returned + WINDOW_SIZE
 *      |  in flight   |   unsent      |     room       |
 *
 * A ring of fixed size. Bytes that come back are compared with those that were sent, in order, and
 * their room is free again. So every byte is verified, however many there are, and no more is kept
 * than what is on its way. It makes no system call.
 *
 * Invariant: returned <= sent <= taken <= returned + WINDOW_SIZE.
 */
#ifndef CLIENT_WINDOW_H
#define CLIENT_WINDOW_H

#include <stddef.h>
#include <stdint.h>

/*
 * How much may be on its way: enough to fill a path of 1 Gbit/s and 8 ms. When it is full, no input
 * is taken until something has come back: an echo owes it to us, for it was all sent.
 */
#define WINDOW_SIZE ((size_t)1024 * 1024)

/* A zeroed one is empty. The counts are of bytes since the start. */
struct window {
	uint64_t taken, sent, returned;
	unsigned char ring[WINDOW_SIZE];
};

/* Where to put more input: *ret_room, for as many bytes as it returns (0: the window is full). */
size_t window_room(struct window *window, unsigned char **ret_room);

/* n bytes were put there. */
void window_take(struct window *window, size_t n);

/* What to send next: *ret_bytes, as many as it returns (0: all was sent; or less than all is). */
size_t window_unsent(const struct window *window, const unsigned char **ret_bytes);

/* n of them were sent. */
void window_send(struct window *window, size_t n);

/* How many bytes are in flight. */
uint64_t window_in_flight(const struct window *window);

/*
 * The first of them: *ret_bytes, as many as it returns (less than all of them at the ring's end).
 */
size_t window_first_in_flight(const struct window *window, const unsigned char **ret_bytes);

enum window_verdict {
	WINDOW_SAME,    /* all that came back is what was sent */
	WINDOW_DIFFERS, /* the byte at `returned` is another */
	WINDOW_SURPLUS, /* the byte at `returned` has not been sent at all */
};

/*
 * n bytes have come back. Counts those that are right as returned and stops at the first that is
 * not; then the offset of that is window->returned, and *reterr_sent what it should be, if it was
 * sent.
 */
enum window_verdict window_return(struct window *window, const unsigned char *bytes, size_t n,
				  unsigned char *reterr_sent);

#endif
