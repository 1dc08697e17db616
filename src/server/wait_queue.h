/* SPDX-License-Identifier: MIT */
/*
 * The wait queue: accepted connections that cannot be served yet, in order of arrival. Either their
 * source is at its limit (--max-per-source), or a resource was short when one was to be served.
 *
 * server/admission.h decides when a connection enters and when it is served.
 */
#ifndef SERVER_WAIT_QUEUE_H
#define SERVER_WAIT_QUEUE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/peer.h"

/* Maximum connections over their source's limit. Each costs a descriptor. */
#define WAIT_QUEUE_MAX 256

/* Entries, and descriptors to poll: one more connection waits during a shortage. */
#define WAIT_QUEUE_ENTRIES (WAIT_QUEUE_MAX + 1)

/* An accepted connection. */
struct waiting_client {
	int fd;
	struct peer peer;
	uint64_t ticket;   /* in a worker: its number in the supervisor's table, else 0 */
	uint64_t start_ns; /* time at which the wait began, 0: it has not waited */
	short poll_events; /* while it waits: the events to poll for, besides errors */
};

/* A zeroed queue is full. */
struct wait_queue {
	size_t n;
	size_t limit; /* maximum connections over their source's limit */
	struct waiting_client list[WAIT_QUEUE_ENTRIES];
};

/* Prepares a zeroed queue, for a process that may have this many descriptors. */
void wait_queue_setup(struct wait_queue *queue, uint64_t n_descriptors);

/* Inserts a connection at index i: behind the last one, or where it was before. */
void wait_queue_insert(struct wait_queue *queue, size_t i, struct waiting_client waiting);

/* Removes and returns the connection at index i. */
struct waiting_client wait_queue_remove(struct wait_queue *queue, size_t i);

/*
 * Returns which connection must give way to a new one when the queue is full: the latest of the
 * source with the most entries, if it has at least two entries more than the source of `peer`.
 * Returns queue->n if no source has.
 */
size_t wait_queue_find_excess(const struct wait_queue *queue, const struct peer *peer);

/* Fills in descriptors to poll for clients that end, and returns their number. */
size_t wait_queue_poll(const struct wait_queue *queue, struct pollfd *ret_polls);

/*
 * Returns whether the client has ended a waiting connection and nothing is left to echo. *ret_code:
 * 0 or the error. A client may also have sent bytes and then its FIN: it waits for the echo.
 */
MUST_USE bool wait_queue_has_ended(struct waiting_client *waiting, int *ret_code);

#endif
