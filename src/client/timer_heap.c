/* SPDX-License-Identifier: MIT */
#include "client/timer_heap.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

int timer_heap_open(struct timer_heap *ret_timers, uint32_t n)
{
	struct timer_heap timers = {
		.at_ns = calloc(n, sizeof(*timers.at_ns)),
		.heap = calloc(n, sizeof(*timers.heap)),
		.place = calloc(n, sizeof(*timers.place)),
		.n = n,
	};
	if (timers.at_ns == NULL || timers.heap == NULL || timers.place == NULL) {
		timer_heap_close(&timers);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++) {
		timers.at_ns[i] = CLOCK_NEVER;
		timers.heap[i] = timers.place[i] = i;
	}
	*ret_timers = timers;
	return 0;
}

void timer_heap_close(struct timer_heap *timers)
{
	free(timers->at_ns);
	free(timers->heap);
	free(timers->place);
	*timers = (struct timer_heap){ 0 };
}

static uint64_t heap_time_ns(const struct timer_heap *timers, uint32_t place)
{
	return timers->at_ns[timers->heap[place]];
}

static void heap_put(struct timer_heap *timers, uint32_t place, uint32_t index)
{
	timers->heap[place] = index;
	timers->place[index] = place;
}

static void heap_swap(struct timer_heap *timers, uint32_t a, uint32_t b)
{
	uint32_t index = timers->heap[a];
	heap_put(timers, a, timers->heap[b]);
	heap_put(timers, b, index);
}

/* Returns the earlier child of a heap position, or the position itself if it has no child. */
static uint32_t earlier_below(const struct timer_heap *timers, uint32_t place)
{
	uint32_t left = 2 * place + 1, right = left + 1;
	if (left >= timers->n)
		return place;
	return right < timers->n && heap_time_ns(timers, right) < heap_time_ns(timers, left) ? right
											     : left;
}

void timer_heap_set(struct timer_heap *timers, uint32_t index, uint64_t at_ns)
{
	uint32_t place = timers->place[index], below;
	timers->at_ns[index] = at_ns;
	while (place > 0 && heap_time_ns(timers, place) < heap_time_ns(timers, (place - 1) / 2)) {
		heap_swap(timers, place, (place - 1) / 2);
		place = (place - 1) / 2;
	}
	while (heap_time_ns(timers, below = earlier_below(timers, place)) <
	       heap_time_ns(timers, place)) {
		heap_swap(timers, place, below);
		place = below;
	}
}

uint64_t timer_heap_next_ns(const struct timer_heap *timers)
{
	return timers->n > 0 ? heap_time_ns(timers, 0) : CLOCK_NEVER;
}

bool timer_heap_due(const struct timer_heap *timers, uint64_t now_ns, uint32_t *ret_index)
{
	if (timer_heap_next_ns(timers) > now_ns || timer_heap_next_ns(timers) == CLOCK_NEVER)
		return false;
	*ret_index = timers->heap[0];
	return true;
}
