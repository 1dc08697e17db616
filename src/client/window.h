/* SPDX-License-Identifier: MIT */
/*
 * The window: bytes taken from the input that have not come back yet.
 *
 *   returned        sent            taken           returned + WINDOW_SIZE
 *      |  in flight   |   unsent      |     room       |
 *
 * A ring of fixed size. Bytes that come back are compared with those that were sent, in order,
 * which frees their room. Every byte is therefore verified, and memory is bounded. No function
 * makes a system call.
 *
 * Invariant: returned <= sent <= taken <= returned + WINDOW_SIZE.
 */
#ifndef CLIENT_WINDOW_H
#define CLIENT_WINDOW_H

#include <stddef.h>
#include <stdint.h>

/*
 * Maximum bytes in the window: enough to fill a path of 1 Gbit/s and 8 ms. When it is full, no
 * input is read until bytes come back. An echo server must return them, because all were sent.
 */
#define WINDOW_SIZE ((size_t)1024 * 1024)

/* Zeroed: empty. The counters are bytes since the start. */
struct window {
	uint64_t taken, sent, returned;
	unsigned char ring[WINDOW_SIZE];
};

/* Returns the room for more input in bytes, and its place in *ret_room. 0: the window is full. */
size_t window_room(struct window *window, unsigned char **ret_room);

/* Adds n bytes, which the caller has written there. */
void window_add(struct window *window, size_t n);

/* Returns the number of unsent bytes at *ret_bytes, which may not be all. 0: all are sent. */
size_t window_unsent(const struct window *window, const unsigned char **ret_bytes);

/* Marks n of them as sent. */
void window_send(struct window *window, size_t n);

/* Returns the number of bytes in flight. */
uint64_t window_in_flight(const struct window *window);

/*
 * Returns the number of bytes in flight at *ret_bytes, the oldest first. At the end of the ring it
 * is less than all.
 */
size_t window_first_in_flight(const struct window *window, const unsigned char **ret_bytes);

enum window_verdict {
	WINDOW_SAME,    /* all returned bytes are correct */
	WINDOW_DIFFERS, /* the byte at `returned` is wrong */
	WINDOW_SURPLUS, /* the byte at `returned` was never sent */
};

/*
 * Compares n returned bytes. Counts correct bytes as returned and stops at the first wrong byte.
 * Its offset is then window->returned, and *reterr_sent is the correct byte, if it was sent.
 */
enum window_verdict window_verify(struct window *window, const unsigned char *bytes, size_t n,
				  unsigned char *reterr_sent);

#endif
