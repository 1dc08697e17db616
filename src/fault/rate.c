/* SPDX-License-Identifier: MIT */
#include "fault/rate.h"

#include "base/clock.h"

/* A burst, or one byte if that takes longer. */
#define BURST_NS (20 * CLOCK_NS_PER_MS)

static uint64_t rate_time_ns(const struct rate *rate, uint64_t bytes)
{
	return bytes * CLOCK_NS_PER_S / rate->bytes_per_s;
}

size_t rate_allows(struct rate *rate, uint64_t now_ns, size_t n, uint64_t *until_ns)
{
	if (rate->bytes_per_s == 0)
		return n;
	uint64_t need_ns = clock_later_ns(BURST_NS / 2, rate_time_ns(rate, 1) + 1);
	uint64_t burst_ns = clock_later_ns(BURST_NS, need_ns);
	if (now_ns > burst_ns)
		rate->paid_ns = clock_later_ns(rate->paid_ns, now_ns - burst_ns);
	if (now_ns < rate->paid_ns + need_ns) {
		*until_ns = clock_earlier_ns(*until_ns, rate->paid_ns + need_ns);
		return 0;
	}
	/* No overflow: the time is at most a burst, and RATE_MAX bytes fit into one. */
	uint64_t allowed = (now_ns - rate->paid_ns) * rate->bytes_per_s / CLOCK_NS_PER_S;
	return allowed < n ? (size_t)allowed : n;
}

void rate_pay(struct rate *rate, size_t n)
{
	if (rate->bytes_per_s != 0)
		rate->paid_ns += rate_time_ns(rate, n);
}
