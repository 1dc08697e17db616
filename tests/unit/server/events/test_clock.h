/* SPDX-License-Identifier: MIT */
/* The clock of a test, in place of clock_gettime(2) (ld(1), --wrap). */
#ifndef TEST_CLOCK_H
#define TEST_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "base/clock.h"

/* The time, if it is not 0. */
static uint64_t now_ns;

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	if (now_ns == 0)
		return __real_clock_gettime(clock, time);
	time->tv_sec = (time_t)(now_ns / CLOCK_NS_PER_S);
	time->tv_nsec = (long)(now_ns % CLOCK_NS_PER_S);
	return 0;
}

#endif
