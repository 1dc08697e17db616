/* SPDX-License-Identifier: MIT */
/*
 * Timers for many clients. All clients in a queue wait for the same length of time, so the order of
 * arrival is also the order of expiry. Entering and leaving take constant time.
 *
 * The links are indexes and lie in the clients themselves. A client is in at most one queue.
 */
#ifndef SERVER_EVENTS_TIMER_QUEUE_H
#define SERVER_EVENTS_TIMER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/* The part of a client. A zeroed timer is in no queue. */
struct queue_timer {
	uint64_t since_ns;   /* time at which it entered its queue */
	uint32_t prev, next; /* neighbours, index + 1 */
	uint8_t queue;       /* number + 1 */
};

struct timer_queue {
	uint64_t span_ns;     /* how long each client waits in this queue */
	uint32_t first, last; /* index + 1, 0: none */
};

/* Returns the timer of a client by its index. */
typedef struct queue_timer *timer_of_fn(const void *owner, uint32_t index);

struct timer_queues {
	const void *owner;
	timer_of_fn *of;
	struct timer_queue *queues;
	unsigned int n_queues;
};

/* Appends a client to a queue, after removing it from the queue in which it was. */
void timer_queue_enter(struct timer_queues *timers, unsigned int queue, uint32_t index,
		       uint64_t now_ns);

/* Removes a client from its queue, if it is in one. */
void timer_queue_leave(struct timer_queues *timers, uint32_t index);

/*
 * Returns whether a client of this queue has expired. *ret_index is the first one; it stays in the
 * queue.
 */
bool timer_queue_due(const struct timer_queues *timers, unsigned int queue, uint64_t now_ns,
		     uint32_t *ret_index);

/* Returns the earliest deadline of all queues, CLOCK_NEVER if all are empty. */
uint64_t timer_queue_next_ns(const struct timer_queues *timers);

#endif
