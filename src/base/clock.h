/* SPDX-License-Identifier: MIT */
/*
 * Time: nanoseconds of CLOCK_MONOTONIC, which is never set back.
 *
 * Interfaces take absolute deadlines. A deadline stays the same when a call is repeated after EINTR
 * or a short count; a timeout would start again.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_S  UINT64_C(1000000000)

/* The deadline that is never reached. */
#define CLOCK_NEVER UINT64_MAX

/* A duration in microseconds or seconds, for output. */
static inline double clock_us(uint64_t ns)
{
	return (double)ns / 1e3;
}

static inline double clock_s(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* Returns the current time in ns. Zero is a fixed but unspecified moment. */
uint64_t clock_now_ns(void);

/* Converts a CLOCK_MONOTONIC time to ns since 1970, with the present offset between both clocks. */
uint64_t clock_since_epoch_ns(uint64_t moment_ns);

/* Returns moment_ns + after_ns, or CLOCK_NEVER if the sum overflows. */
uint64_t clock_after_ns(uint64_t moment_ns, uint64_t after_ns);

/* Returns the deadline `after_ns` from now, or CLOCK_NEVER if the sum overflows. */
uint64_t clock_deadline_ns(uint64_t after_ns);

/*
 * Returns how long this machine has been suspended since it booted, in ns. CLOCK_MONOTONIC stands
 * still during a suspend.
 */
uint64_t clock_suspended_ns(void);

/* Returns the earlier or the later of two times. */
uint64_t clock_earlier_ns(uint64_t a_ns, uint64_t b_ns);
uint64_t clock_later_ns(uint64_t a_ns, uint64_t b_ns);

/* Sleeps until a deadline. Signals do not shorten the sleep, unless one ends the process. */
void clock_sleep_until(uint64_t deadline_ns);

/*
 * Returns the time left until a deadline as poll(2) takes it: in ms, rounded up so that poll() does
 * not return early and spin; 0 if it has passed; -1 for CLOCK_NEVER.
 */
int clock_poll_ms(uint64_t deadline_ns);

/* How accurate the wall clock is. */
struct clock_trust {
	bool is_synchronised;  /* the kernel reports it as synchronised, for example by NTP */
	uint64_t max_error_ns; /* the kernel's estimate of the error; 0 if not synchronised */
};

/* Asks the kernel (adjtimex(2)). Returns 0, or -EPERM if that is not allowed. */
MUST_USE int clock_query_sync(struct clock_trust *ret_trust);

#endif
