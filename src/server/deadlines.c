/* SPDX-License-Identifier: MIT */
#include "server/deadlines.h"

#include <stddef.h>

#include "base/clock.h"

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
		     uint64_t now_ns)
{
	struct deadline *deadline = deadlines->of(deadlines->owner, index);
	struct deadlines_queue *queue = &deadlines->queues[queue_number];
	if (deadline->queue == queue_number + 1 && queue->last == index + 1) {
		deadline->since_ns = now_ns; /* it is the last already */
		return;
	}
	deadlines_leave(deadlines, index);
	*deadline = (struct deadline){
		.prev = queue->last,
		.since_ns = now_ns,
		.queue = (uint8_t)(queue_number + 1),
	};
	if (queue->last != 0)
		at(deadlines, queue->last)->next = index + 1;
	else
		queue->first = index + 1;
	queue->last = index + 1;
}

/* Deadline of the first client of a queue. */
static uint64_t first_ns(const struct deadlines *deadlines, const struct deadlines_queue *queue)
{
	if (queue->first == 0)
		return CLOCK_NEVER;
	return clock_after_ns(at(deadlines, queue->first)->since_ns, queue->span_ns);
}

bool deadlines_due(const struct deadlines *deadlines, unsigned int queue_number, uint64_t now_ns,
		   uint32_t *ret_index)
{
	const struct deadlines_queue *queue = &deadlines->queues[queue_number];
	if (queue->first == 0 || first_ns(deadlines, queue) > now_ns)
		return false;
	*ret_index = queue->first - 1;
	return true;
}

uint64_t deadlines_next_ns(const struct deadlines *deadlines)
{
	uint64_t next_ns = CLOCK_NEVER;
	for (unsigned int i = 0; i < deadlines->n_queues; i++)
		next_ns = clock_earlier_ns(next_ns, first_ns(deadlines, &deadlines->queues[i]));
	return next_ns;
}
