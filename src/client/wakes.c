/* SPDX-License-Identifier: MIT */
#include "client/wakes.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

int wakes_open(struct wakes *ret_wakes, uint32_t n)
{
	struct wakes wakes = {
		.at_ns = calloc(n, sizeof(*wakes.at_ns)),
		.heap = calloc(n, sizeof(*wakes.heap)),
		.place = calloc(n, sizeof(*wakes.place)),
		.n = n,
	};
	if (wakes.at_ns == NULL || wakes.heap == NULL || wakes.place == NULL) {
		wakes_close(&wakes);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++) {
		wakes.at_ns[i] = CLOCK_NEVER;
		wakes.heap[i] = wakes.place[i] = i;
	}
	*ret_wakes = wakes;
	return 0;
}

void wakes_close(struct wakes *wakes)
{
	free(wakes->at_ns);
	free(wakes->heap);
	free(wakes->place);
	*wakes = (struct wakes){ 0 };
}

static uint64_t at(const struct wakes *wakes, uint32_t place)
{
	return wakes->at_ns[wakes->heap[place]];
}

static void put(struct wakes *wakes, uint32_t place, uint32_t who)
{
	wakes->heap[place] = who;
	wakes->place[who] = place;
}

static void exchange(struct wakes *wakes, uint32_t a, uint32_t b)
{
	uint32_t who = wakes->heap[a];
	put(wakes, a, wakes->heap[b]);
	put(wakes, b, who);
}

/* The earlier of the two below, or the place itself if none is below. */
static uint32_t earlier_below(const struct wakes *wakes, uint32_t place)
{
	uint32_t left = 2 * place + 1, right = left + 1;
	if (left >= wakes->n)
		return place;
	return right < wakes->n && at(wakes, right) < at(wakes, left) ? right : left;
}

void wakes_set(struct wakes *wakes, uint32_t who, uint64_t at_ns)
{
	uint32_t place = wakes->place[who], below;
	wakes->at_ns[who] = at_ns;
	while (place > 0 && at(wakes, place) < at(wakes, (place - 1) / 2)) {
		exchange(wakes, place, (place - 1) / 2);
		place = (place - 1) / 2;
	}
	while (at(wakes, below = earlier_below(wakes, place)) < at(wakes, place)) {
		exchange(wakes, place, below);
		place = below;
	}
}

uint64_t wakes_next_ns(const struct wakes *wakes)
{
	return wakes->n > 0 ? at(wakes, 0) : CLOCK_NEVER;
}

bool wakes_due(const struct wakes *wakes, uint64_t now_ns, uint32_t *ret_who)
{
	if (wakes_next_ns(wakes) > now_ns || wakes_next_ns(wakes) == CLOCK_NEVER)
		return false;
	*ret_who = wakes->heap[0];
	return true;
}
