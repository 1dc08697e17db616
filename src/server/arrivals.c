/* SPDX-License-Identifier: MIT */
#include "server/arrivals.h"

#include <assert.h>

void arrivals_put(struct arrivals *arrivals, struct arrivals_queue *queue, int buffer, int size)
{
	assert(buffer >= 0 && buffer < ARRIVALS_MOST && size > 0 && size <= UINT16_MAX);
	uint16_t number = (uint16_t)(buffer + 1);
	arrivals->buffers[buffer].size = (uint16_t)size;
	arrivals->buffers[buffer].next = 0;
	if (queue->last != 0)
		arrivals->buffers[queue->last - 1].next = number;
	else
		queue->first = number;
	queue->last = number;
}

int arrivals_take(struct arrivals *arrivals, struct arrivals_queue *queue, int *ret_size)
{
	assert(queue->first != 0);
	int buffer = queue->first - 1;
	queue->first = arrivals->buffers[buffer].next;
	if (queue->first == 0)
		queue->last = 0;
	*ret_size = arrivals->buffers[buffer].size;
	return buffer;
}
