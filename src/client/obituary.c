/* SPDX-License-Identifier: MIT */
#include "client/obituary.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/units.h"

struct obituary obituary_of(const struct death *death)
{
	struct obituary out;
	char silent[64] = "no byte ever came back";
	if (death->silent_ns != DEATH_NO_BYTE)
		snprintf(silent, sizeof(silent), "last good byte %.3f s ago",
			 clock_s(death->silent_ns));
	snprintf(out.text, sizeof(out.text),
		 "connection %" PRIu64 " died (%s): %s; %.3f s old, %" PRIu64
		 " heartbeat%s, %s%s%s",
		 death->connection, death_name(death->cause), death->why, clock_s(death->age_ns),
		 death->n_beats, units_s(death->n_beats), silent,
		 death->from[0] != '\0' ? ", from " : "", death->from);
	return out;
}
