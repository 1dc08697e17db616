/* SPDX-License-Identifier: MIT */
/*
 * When each of many is to be woken next: a heap, in which the next of all stands first.
 *
 * Each has one time, CLOCK_NEVER at first. Setting one costs the logarithm of how many there are,
 * looking at the next nothing. It makes no system call.
 */
#ifndef CLIENT_WAKES_H
#define CLIENT_WAKES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct wakes {
	uint64_t *at_ns; /* of each */
	uint32_t *heap;  /* who stands at each place */
	uint32_t *place; /* of each */
	uint32_t n;
};

/* Takes all memory that there will be: 16 bytes for each. Returns 0 or -ENOMEM. */
MUST_USE int wakes_open(struct wakes *ret_wakes, uint32_t n);
void wakes_close(struct wakes *wakes);

/* The time of one; CLOCK_NEVER: not at all. */
void wakes_set(struct wakes *wakes, uint32_t who, uint64_t at_ns);

/* The next time of all, or CLOCK_NEVER. */
uint64_t wakes_next_ns(const struct wakes *wakes);

/* One whose time has come, the longest ago: returns whether there is one. Its time stays. */
bool wakes_due(const struct wakes *wakes, uint64_t now_ns, uint32_t *ret_who);

#endif
