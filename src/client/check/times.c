/* SPDX-License-Identifier: MIT */
#include "client/check/times.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

void times_add(struct times *times, uint64_t ns)
{
	if (times->n < TIMES_MAX)
		times->ns[times->n++] = ns;
}

static int compare_times(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return (left > right) - (left < right);
}

uint64_t times_percentile(struct times *times, unsigned int percent)
{
	if (times->n == 0)
		return 0;
	qsort(times->ns, times->n, sizeof(times->ns[0]), compare_times);
	size_t at = times->n * percent / 100;
	return times->ns[at < times->n ? at : times->n - 1];
}

uint64_t times_median(struct times *times)
{
	return times_percentile(times, 50);
}

size_t times_count(const struct times *times, uint64_t from_ns, uint64_t to_ns)
{
	size_t n = 0;
	for (size_t i = 0; i < times->n; i++)
		n += times->ns[i] >= from_ns && times->ns[i] <= to_ns;
	return n;
}

struct times_text times_text(uint64_t ns)
{
	struct times_text text;
	if (ns < CLOCK_NS_PER_MS)
		snprintf(text.text, sizeof(text.text), "%.0f us", (double)ns / 1e3);
	else if (ns < CLOCK_NS_PER_S)
		snprintf(text.text, sizeof(text.text), "%.1f ms", (double)ns / 1e6);
	else
		snprintf(text.text, sizeof(text.text), "%.1f s", (double)ns / 1e9);
	return text;
}
