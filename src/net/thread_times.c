/* SPDX-License-Identifier: MIT */
#include "net/thread_times.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"

struct thread_times thread_times(void)
{
	struct thread_times times = { 0 };
	struct timespec ran = { 0 };
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ran); /* every kernel has it */
	times.ran_ns = (uint64_t)ran.tv_sec * CLOCK_NS_PER_S + (uint64_t)ran.tv_nsec;
	FILE *file = fopen("/proc/thread-self/schedstat", "re");
	if (file == NULL)
		return times;
	uint64_t waited_ns, n_turns;
	if (fscanf(file, "%*u %" SCNu64 " %" SCNu64, &waited_ns, &n_turns) == 2) {
		times.waited_ns = waited_ns;
		times.n_turns = n_turns;
	}
	fclose(file);
	return times;
}
