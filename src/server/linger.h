/* SPDX-License-Identifier: MIT */
/*
 * Lingering close of clients that are turned away: the server sends its FIN, then reads and
 * discards what the client still sends, until the client ends too or a timeout expires. A close
 * with unread bytes, or before more bytes arrive, would reset the connection.
 *
 * The sockets are read at intervals, not on events. So this works in every loop that has a
 * deadline, and a client that sends without end does not make the loop busy.
 */
#ifndef SERVER_LINGER_H
#define SERVER_LINGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

/*
 * Linger timeout of every connection: normally, as after an idle timeout; and while the server
 * aborts and waits for it.
 */
#define LINGER_IDLE_NS     (5 * CLOCK_NS_PER_S)
#define LINGER_ABORTING_NS CLOCK_NS_PER_S

/* Maximum sockets in one process. */
#define LINGER_MAX 256

/* The list uses at most 1/N of the process's descriptors. */
#define LINGER_SHARE_OF_DESCRIPTORS 8

/* Time between two reads of all sockets. */
#define LINGER_READ_NS (20 * CLOCK_NS_PER_MS)

struct linger_socket {
	int fd;
	uint64_t start_ns;
};

/* A zeroed list has no room. */
struct linger_list {
	size_t n, n_max;
	size_t next; /* first socket of the next pass, because a pass has a budget */
	uint64_t next_read_ns;
	struct linger_socket list[LINGER_MAX]; /* the oldest is not always the first */
};

/* Initializes an empty list, for a process that may have this many descriptors. */
void linger_setup(struct linger_list *linger, uint64_t n_descriptors);

bool linger_has_room(const struct linger_list *linger);

/*
 * Sends the FIN and adds the socket; takes ownership of it. If the list is full, closes the oldest
 * one first.
 */
void linger_add(struct linger_list *linger, int fd);

/* Closes the oldest socket. Returns false if the list is empty. */
bool linger_close_oldest(struct linger_list *linger);

/*
 * Reads from the sockets if a pass is due. Closes each socket that was added more than longest_ns
 * ago.
 */
void linger_check_time(struct linger_list *linger, uint64_t longest_ns);

/* Returns when linger_check_time() must be called, or CLOCK_NEVER. */
uint64_t linger_deadline_ns(const struct linger_list *linger);

void linger_close_all(struct linger_list *linger);

#endif
