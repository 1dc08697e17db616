/* SPDX-License-Identifier: MIT */
/*
 * How many workers an engine that grows has (server/engine.h): a few more than are busy; their
 * number doubles while clients keep coming. A pure function.
 */
#ifndef SERVER_WORKERS_GROWTH_H
#define SERVER_WORKERS_GROWTH_H

#include <stdbool.h>
#include <stdint.h>

/* Number of workers at first, minimum of idle workers, and maximum started at once. */
#define GROWTH_FIRST    8
#define GROWTH_IDLE_MIN 4
#define GROWTH_STEP_MAX 64

/* The workers now. */
struct growth_state {
	uint32_t n_alive;
	uint32_t n_idle;   /* of these, and of those that will be started */
	bool any_paused;   /* a worker lacks a resource, which new workers would lack too */
	bool may_be_stuck; /* connections wait although workers are idle */
};

/* Returns how many workers to start so that the next clients need not wait. */
uint32_t growth_step(const struct growth_state *state);

#endif
