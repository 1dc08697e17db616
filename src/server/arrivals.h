/* SPDX-License-Identifier: MIT */
/*
 * Numbered buffers that wait for their turn, in a queue for each client: what a ring has received
 * into them, and how much. The links are numbers beside the buffers, so a queue allocates nothing.
 */
#ifndef SERVER_ARRIVALS_H
#define SERVER_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>

/* Buffers that there are at most, of at most UINT16_MAX bytes. */
#define ARRIVALS_MOST 128

struct arrivals {
	struct {
		uint16_t size, next; /* next: number + 1 */
	} buffers[ARRIVALS_MOST];
};

/* One client's. A zeroed one is empty. */
struct arrivals_queue {
	uint16_t first, last; /* number + 1 */
};

/* Puts a buffer with so many bytes at the end. */
void arrivals_put(struct arrivals *arrivals, struct arrivals_queue *queue, int buffer, int size);

/* Takes the first one out: its number, and *ret_size bytes. There must be one. */
int arrivals_take(struct arrivals *arrivals, struct arrivals_queue *queue, int *ret_size);

static inline bool arrivals_any(const struct arrivals_queue *queue)
{
	return queue->first != 0;
}

static inline bool arrivals_several(const struct arrivals_queue *queue)
{
	return queue->first != queue->last;
}

#endif
