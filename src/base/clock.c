/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <assert.h>
#include <limits.h>
#include <errno.h>
#include <sys/timex.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;
	int failed = clock_gettime(clock, &now);
	assert(!failed);
	return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_suspended_ns(void)
{
	uint64_t least_ns = CLOCK_NEVER;
	/* take the minimum: this thread may be preempted between the two calls */
	for (int i = 0; i < 5; i++) {
		uint64_t now_ns = read_clock(CLOCK_MONOTONIC);
		least_ns = clock_earlier_ns(least_ns, read_clock(CLOCK_BOOTTIME) - now_ns);
	}
	return least_ns;
}

uint64_t clock_since_epoch_ns(uint64_t moment_ns)
{
	return read_clock(CLOCK_REALTIME) + (moment_ns - clock_now_ns());
}

uint64_t clock_after_ns(uint64_t moment_ns, uint64_t after_ns)
{
	return after_ns < CLOCK_NEVER - moment_ns ? moment_ns + after_ns : CLOCK_NEVER;
}

uint64_t clock_deadline_ns(uint64_t after_ns)
{
	return clock_after_ns(clock_now_ns(), after_ns);
}

uint64_t clock_earlier_ns(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

uint64_t clock_later_ns(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns > b_ns ? a_ns : b_ns;
}

int clock_poll_ms(uint64_t deadline_ns)
{
	if (deadline_ns == CLOCK_NEVER)
		return -1;
	uint64_t now_ns = clock_now_ns();
	if (deadline_ns <= now_ns)
		return 0;
	uint64_t left_ns = deadline_ns - now_ns;
	uint64_t left_ms = left_ns / CLOCK_NS_PER_MS + (left_ns % CLOCK_NS_PER_MS != 0);
	return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

int clock_query_sync(struct clock_trust *ret_trust)
{
	struct timex timex = { .modes = 0 }; /* change nothing */
	int state = adjtimex(&timex);
	if (state < 0)
		return -errno;
	bool is_synchronised = state != TIME_ERROR && (timex.status & STA_UNSYNC) == 0;
	*ret_trust = (struct clock_trust){
		.is_synchronised = is_synchronised,
		/* Always in microseconds, even with STA_NANO. */
		.max_error_ns = is_synchronised ? (uint64_t)timex.maxerror * 1000 : 0,
	};
	return 0;
}

void clock_sleep_until(uint64_t deadline_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(deadline_ns / CLOCK_NS_PER_S),
		.tv_nsec = (long)(deadline_ns % CLOCK_NS_PER_S),
	};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		continue;
}
