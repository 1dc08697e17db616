/* SPDX-License-Identifier: MIT */
/*
 * Lingering closes of clients that are turned away: our FIN is sent, then what the client still
 * sends is read and thrown away until it has ended too, or for a while. A close with bytes unread,
 * or still to come, would reset the connection.
 *
 * The sockets are looked at by time, not by events: it works in every loop that has a deadline, and
 * it does not hurry a client that sends without end.
 */
#ifndef SERVER_LINGER_H
#define SERVER_LINGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

/* Sockets at most, in one process. */
#define LINGER_MAX 256

/* They take this share of a process's descriptors at most. */
#define LINGER_SHARE_OF_DESCRIPTORS 8

/* Time between two looks at all of them. */
#define LINGER_LOOK_NS (20 * CLOCK_NS_PER_MS)

struct linger_socket {
	int fd;
	uint64_t start_ns;
};

/* A zeroed one has no room. */
struct linger_list {
	size_t n, n_max;
	size_t next; /* the first one of the next look: a look has a budget */
	uint64_t look_ns;
	struct linger_socket list[LINGER_MAX]; /* the oldest is not always the first */
};

/* An empty list, for a process that may have this many descriptors. */
void linger_setup(struct linger_list *linger, uint64_t n_descriptors);

bool linger_has_room(const struct linger_list *linger);

/* Ends a connection; takes the socket. Without room, the oldest one is closed. */
void linger_add(struct linger_list *linger, int fd);

/* Closes the oldest one. Returns false if there is none. */
bool linger_close_oldest(struct linger_list *linger);

/* Looks, if it is time. A socket that was added longer ago than this is closed. */
void linger_pass_time(struct linger_list *linger, uint64_t longest_ns);

/* When linger_pass_time() must be called, or CLOCK_NEVER. */
uint64_t linger_deadline_ns(const struct linger_list *linger);

void linger_close_all(struct linger_list *linger);

#endif
