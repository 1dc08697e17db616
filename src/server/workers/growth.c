/* SPDX-License-Identifier: MIT */
#include "server/workers/growth.h"

uint32_t growth_step(const struct growth_state *state)
{
	bool is_stuck = state->may_be_stuck && !state->any_paused;
	if (state->n_idle >= GROWTH_IDLE_MIN && !is_stuck)
		return 0;
	if (state->n_alive >= GROWTH_STEP_MAX - GROWTH_IDLE_MIN)
		return GROWTH_STEP_MAX;
	return state->n_alive + GROWTH_IDLE_MIN;
}
