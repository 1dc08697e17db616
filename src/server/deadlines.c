/* SPDX-License-Identifier: MIT */
#include "server/deadlines.h"

#include <stddef.h>

static struct deadline *at(const struct deadlines *deadlines, uint32_t place)
{
	return deadlines->of(deadlines->owner, place - 1);
}

void deadlines_leave(struct deadlines *deadlines, uint32_t index)
{
	struct deadline *deadline = deadlines->of(deadlines->owner, index);
	if (deadline->queue == 0)
		return;
	struct deadlines_queue *queue = &deadlines->queues[deadline->queue - 1];
	if (deadline->prev != 0)
		at(deadlines, deadline->prev)->next = deadline->next;
	else
		queue->first = deadline->next;
	if (deadline->next != 0)
		at(deadlines, deadline->next)->prev = deadline->prev;
	else
		queue->last = deadline->prev;
	*deadline = (struct deadline){ 0 };
}

void deadlines_enter(struct deadlines *deadlines, unsigned int queue_number, uint32_t index,
		     uint32_t now)
{
	struct deadline *deadline = deadlines->of(deadlines->owner, index);
	struct deadlines_queue *queue = &deadlines->queues[queue_number];
	if (deadline->queue == queue_number + 1 && queue->last == index + 1) {
		deadline->since = now; /* it is the last already */
		return;
	}
	deadlines_leave(deadlines, index);
	*deadline = (struct deadline){
		.prev = queue->last,
		.since = now,
		.queue = (uint8_t)(queue_number + 1),
	};
	if (queue->last != 0)
		at(deadlines, queue->last)->next = index + 1;
	else
		queue->first = index + 1;
	queue->last = index + 1;
}

/* Ticks until the first of a queue is due, 0 if it is. The clock may come round. */
static uint32_t wait_of(const struct deadlines *deadlines, const struct deadlines_queue *queue,
			uint32_t now)
{
	if (queue->first == 0)
		return UINT32_MAX;
	uint32_t waited = now - at(deadlines, queue->first)->since;
	return waited < queue->span ? queue->span - waited : 0;
}

bool deadlines_due(const struct deadlines *deadlines, unsigned int queue_number, uint32_t now,
		   uint32_t *ret_index)
{
	const struct deadlines_queue *queue = &deadlines->queues[queue_number];
	if (wait_of(deadlines, queue, now) != 0)
		return false;
	*ret_index = queue->first - 1;
	return true;
}

uint32_t deadlines_next(const struct deadlines *deadlines, uint32_t now)
{
	uint32_t least = UINT32_MAX;
	for (unsigned int i = 0; i < deadlines->n_queues; i++) {
		uint32_t wait = wait_of(deadlines, &deadlines->queues[i], now);
		if (wait < least)
			least = wait;
	}
	return least;
}
