/* SPDX-License-Identifier: MIT */
/*
 * Deadlines of many clients, by the cheapest means there is: everybody in a queue waits for the
 * same time, so whoever came first is first to go, and a queue in order of arrival is in order of
 * time.
 *
 * The links are numbers and lie in the clients themselves. A client is in one queue at most.
 */
#ifndef SERVER_EVENTS_TIMER_QUEUE_H
#define SERVER_EVENTS_TIMER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/* What a client has of it. A zeroed one is in no queue. */
struct queue_timer {
	uint64_t since_ns;   /* time at which it entered its queue */
	uint32_t prev, next; /* neighbours, index + 1 */
	uint8_t queue;       /* number + 1 */
};

struct timer_queue {
	uint64_t span_ns;     /* time that every client waits in this queue */
	uint32_t first, last; /* index + 1, 0: none */
};

/* How to find the deadline of a client by its index. */
typedef struct queue_timer *timer_of_fn(const void *owner, uint32_t index);

struct timer_queues {
	const void *owner;
	timer_of_fn *of;
	struct timer_queue *queues;
	unsigned int n_queues;
};

/* Puts a client at the end of a queue, taking it out of the one where it was. */
void timer_queue_enter(struct timer_queues *timers, unsigned int queue, uint32_t index,
		       uint64_t now_ns);

/* Takes it out of its queue, if it is in one. */
void timer_queue_leave(struct timer_queues *timers, uint32_t index);

/* The first of a queue whose time has come: returns whether there is one. It stays where it is. */
bool timer_queue_due(const struct timer_queues *timers, unsigned int queue, uint64_t now_ns,
		     uint32_t *ret_index);

/* Earliest deadline of all queues, CLOCK_NEVER if all are empty. */
uint64_t timer_queue_next_ns(const struct timer_queues *timers);

#endif
