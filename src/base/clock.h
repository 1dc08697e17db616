/* SPDX-License-Identifier: MIT */
/*
 * Time: nanoseconds of CLOCK_MONOTONIC, which nobody sets back.
 *
 * Interfaces take absolute deadlines: a deadline survives a retry after EINTR or a short count, a
 * time-out would silently start again.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_S  UINT64_C(1000000000)

/* A deadline that never comes. */
#define CLOCK_NEVER UINT64_MAX

/* For people: a duration in microseconds, in seconds. */
static inline double clock_us(uint64_t ns)
{
	return (double)ns / 1e3;
}

static inline double clock_s(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* Now, in nanoseconds since some fixed moment. */
uint64_t clock_now_ns(void);

/* When a moment is or was by the clock on the wall: nanoseconds since the epoch, as it goes now. */
uint64_t clock_since_epoch_ns(uint64_t moment_ns);

/* A deadline `after_ns` after a moment; CLOCK_NEVER if the sum would overflow. */
uint64_t clock_after_ns(uint64_t moment_ns, uint64_t after_ns);

/* A deadline `after_ns` from now; CLOCK_NEVER if the sum would overflow. */
uint64_t clock_deadline_ns(uint64_t after_ns);

/* How long this machine has been suspended since it started: CLOCK_MONOTONIC stands still then. */
uint64_t clock_suspended_ns(void);

/* The earlier of two deadlines. */
uint64_t clock_earlier_ns(uint64_t a_ns, uint64_t b_ns);

/* Sleeps until a moment, to the kernel's precision; a signal that ends the process ends it too. */
void clock_sleep_until(uint64_t deadline_ns);

/*
 * The time left until a deadline as poll(2) wants it: milliseconds rounded up, so that a waiter
 * never wakes too early and spins; 0 when it has passed; -1 for CLOCK_NEVER.
 */
int clock_poll_ms(uint64_t deadline_ns);

/* How far the clock on the wall can be trusted. */
struct clock_trust {
	bool is_synchronised;  /* something, as NTP, keeps it right, by the kernel's account */
	uint64_t max_error_ns; /* it is wrong by no more, by the kernel's estimate; if kept right */
};

/* Asks the kernel (adjtimex(2)). Returns 0, or -EPERM where that is not allowed. */
MUST_USE int clock_ask_trust(struct clock_trust *ret_trust);

#endif
