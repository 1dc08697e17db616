/* SPDX-License-Identifier: MIT */
#include "server/events/timer_queue.h"

#include <stddef.h>

#include "base/clock.h"

static struct queue_timer *timer_at(const struct timer_queues *timers, uint32_t place)
{
	return timers->of(timers->owner, place - 1);
}

void timer_queue_leave(struct timer_queues *timers, uint32_t index)
{
	struct queue_timer *timer = timers->of(timers->owner, index);
	if (timer->queue == 0)
		return;
	struct timer_queue *queue = &timers->queues[timer->queue - 1];
	if (timer->prev != 0)
		timer_at(timers, timer->prev)->next = timer->next;
	else
		queue->first = timer->next;
	if (timer->next != 0)
		timer_at(timers, timer->next)->prev = timer->prev;
	else
		queue->last = timer->prev;
	*timer = (struct queue_timer){ 0 };
}

void timer_queue_enter(struct timer_queues *timers, unsigned int queue_number, uint32_t index,
		       uint64_t now_ns)
{
	struct queue_timer *timer = timers->of(timers->owner, index);
	struct timer_queue *queue = &timers->queues[queue_number];
	if (timer->queue == queue_number + 1 && queue->last == index + 1) {
		timer->since_ns = now_ns; /* it is already the last */
		return;
	}
	timer_queue_leave(timers, index);
	*timer = (struct queue_timer){
		.prev = queue->last,
		.since_ns = now_ns,
		.queue = (uint8_t)(queue_number + 1),
	};
	if (queue->last != 0)
		timer_at(timers, queue->last)->next = index + 1;
	else
		queue->first = index + 1;
	queue->last = index + 1;
}

/* Returns the deadline of the first client of a queue. */
static uint64_t first_ns(const struct timer_queues *timers, const struct timer_queue *queue)
{
	if (queue->first == 0)
		return CLOCK_NEVER;
	return clock_after_ns(timer_at(timers, queue->first)->since_ns, queue->span_ns);
}

bool timer_queue_due(const struct timer_queues *timers, unsigned int queue_number, uint64_t now_ns,
		     uint32_t *ret_index)
{
	const struct timer_queue *queue = &timers->queues[queue_number];
	if (queue->first == 0 || first_ns(timers, queue) > now_ns)
		return false;
	*ret_index = queue->first - 1;
	return true;
}

uint64_t timer_queue_next_ns(const struct timer_queues *timers)
{
	uint64_t next_ns = CLOCK_NEVER;
	for (unsigned int i = 0; i < timers->n_queues; i++)
		next_ns = clock_earlier_ns(next_ns, first_ns(timers, &timers->queues[i]));
	return next_ns;
}
