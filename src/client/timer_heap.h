/* SPDX-License-Identifier: MIT */
/*
 * Timers: a binary heap with the earliest timer first.
 *
 * Each of n timers has one time, initially CLOCK_NEVER. Setting a timer takes O(log n), reading the
 * earliest O(1). No function makes a system call.
 */
#ifndef CLIENT_TIMER_HEAP_H
#define CLIENT_TIMER_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct timer_heap {
	uint64_t *at_ns; /* time of each timer */
	uint32_t *heap;  /* timer at each heap position */
	uint32_t *place; /* heap position of each timer */
	uint32_t n;
};

/* Allocates all memory: 16 bytes per timer. Returns 0 or -ENOMEM. */
MUST_USE int timer_heap_open(struct timer_heap *ret_timers, uint32_t n);
void timer_heap_close(struct timer_heap *timers);

/* Sets the time of a timer. CLOCK_NEVER: off. */
void timer_heap_set(struct timer_heap *timers, uint32_t index, uint64_t at_ns);

/* Returns the earliest time of all timers, or CLOCK_NEVER. */
uint64_t timer_heap_next_ns(const struct timer_heap *timers);

/* Returns true and the earliest timer if it has expired. Its time is left unchanged. */
bool timer_heap_due(const struct timer_heap *timers, uint64_t now_ns, uint32_t *ret_index);

#endif
