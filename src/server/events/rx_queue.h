/* SPDX-License-Identifier: MIT */
/*
 * One queue for each client of numbered buffers that a ring has filled: their order and sizes. The
 * links are numbers beside the buffers, so a queue allocates nothing.
 */
#ifndef SERVER_EVENTS_RX_QUEUE_H
#define SERVER_EVENTS_RX_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/* Maximum number of buffers, each at most UINT16_MAX bytes. */
#define RX_BUFFERS_MAX 128

struct rx_buffers {
	struct {
		uint16_t size, next; /* next: number + 1 */
	} buffers[RX_BUFFERS_MAX];
};

/* The queue of a client. A zeroed queue is empty. */
struct rx_queue {
	uint16_t first, last; /* number + 1 */
};

/* Appends a buffer with `size` bytes. */
void rx_queue_put(struct rx_buffers *rx, struct rx_queue *queue, int buffer, int size);

/*
 * Removes the first buffer. Returns its number; *ret_size is its size in bytes. The queue must not
 * be empty.
 */
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
