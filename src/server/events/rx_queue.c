/* SPDX-License-Identifier: MIT */
#include "server/events/rx_queue.h"

#include <assert.h>

void rx_queue_put(struct rx_buffers *rx, struct rx_queue *queue, int buffer, int size)
{
	assert(buffer >= 0 && buffer < RX_BUFFERS_MAX && size > 0 && size <= UINT16_MAX);
	uint16_t number = (uint16_t)(buffer + 1);
	rx->buffers[buffer].size = (uint16_t)size;
	rx->buffers[buffer].next = 0;
	if (queue->last != 0)
		rx->buffers[queue->last - 1].next = number;
	else
		queue->first = number;
	queue->last = number;
}

int rx_queue_take(struct rx_buffers *rx, struct rx_queue *queue, int *ret_size)
{
	assert(queue->first != 0);
	int buffer = queue->first - 1;
	queue->first = rx->buffers[buffer].next;
	if (queue->first == 0)
		queue->last = 0;
	*ret_size = rx->buffers[buffer].size;
	return buffer;
}
