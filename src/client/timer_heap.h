/* SPDX-License-Identifier: MIT */
/*
 * When each of many is to be woken next: a heap, in which the next of all stands first.
 *
 * Each has one time, CLOCK_NEVER at first. Setting one costs the logarithm of how many there are,
 * looking at the next nothing. It makes no system call.
 */
#ifndef CLIENT_TIMER_HEAP_H
#define CLIENT_TIMER_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct timer_heap {
	uint64_t *at_ns; /* of each */
	uint32_t *heap;  /* who stands at each place */
	uint32_t *place; /* of each */
	uint32_t n;
};

/* Takes all memory that there will be: 16 bytes for each. Returns 0 or -ENOMEM. */
MUST_USE int timer_heap_open(struct timer_heap *ret_wakes, uint32_t n);
void timer_heap_close(struct timer_heap *timers);

/* The time of one; CLOCK_NEVER: not at all. */
void timer_heap_set(struct timer_heap *timers, uint32_t who, uint64_t at_ns);

/* The next time of all, or CLOCK_NEVER. */
uint64_t timer_heap_next_ns(const struct timer_heap *timers);

/* One whose time has come, the longest ago: returns whether there is one. Its time stays. */
bool timer_heap_due(const struct timer_heap *timers, uint64_t now_ns, uint32_t *ret_who);

#endif
