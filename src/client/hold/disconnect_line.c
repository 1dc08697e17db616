/* SPDX-License-Identifier: MIT */
#include "client/hold/disconnect_line.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/units.h"

struct disconnect_line disconnect_line_of(const struct disconnect *disconnect)
{
	struct disconnect_line out;
	char silent[64] = "no byte ever came back";
	if (disconnect->silent_ns != DISCONNECT_NO_BYTE)
		snprintf(silent, sizeof(silent), "last good byte %.3f s ago",
			 clock_s(disconnect->silent_ns));
	snprintf(out.text, sizeof(out.text),
		 "connection %" PRIu64 " died (%s): %s; %.3f s old, %" PRIu64
		 " heartbeat%s, %s%s%s",
		 disconnect->connection, disconnect_name(disconnect->cause), disconnect->why,
		 clock_s(disconnect->age_ns), disconnect->n_beats, units_s(disconnect->n_beats),
		 silent, disconnect->from[0] != '\0' ? ", from " : "", disconnect->from);
	return out;
}
