/* SPDX-License-Identifier: MIT */
/*
 * Numbered buffers that wait for their turn, in a queue for each client: what a ring has received
 * into them, and how much. The links are numbers beside the buffers, so a queue allocates nothing.
 */
#ifndef SERVER_EVENTS_RX_QUEUE_H
#define SERVER_EVENTS_RX_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/* Buffers that there are at most, of at most UINT16_MAX bytes. */
#define RX_BUFFERS_MAX 128

struct rx_buffers {
	struct {
		uint16_t size, next; /* next: number + 1 */
	} buffers[RX_BUFFERS_MAX];
};

/* One client's. A zeroed one is empty. */
struct rx_queue {
	uint16_t first, last; /* number + 1 */
};

/* Puts a buffer with so many bytes at the end. */
void rx_queue_put(struct rx_buffers *rx, struct rx_queue *queue, int buffer, int size);

/* Takes the first one out: its number, and *ret_size bytes. There must be one. */
int rx_queue_take(struct rx_buffers *rx, struct rx_queue *queue, int *ret_size);

static inline bool rx_queue_any(const struct rx_queue *queue)
{
	return queue->first != 0;
}

static inline bool rx_queue_several(const struct rx_queue *queue)
{
	return queue->first != queue->last;
}

#endif
