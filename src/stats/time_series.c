/* SPDX-License-Identifier: MIT */
#include "stats/time_series.h"

#include <stdlib.h>
#include <string.h>

size_t time_series_interval_bytes(const struct time_series_interval *interval)
{
	return (interval->response != NULL ? strlen(interval->response) : 0) +
	       (interval->service != NULL ? strlen(interval->service) : 0);
}

void time_series_close(struct time_series *series)
{
	for (size_t i = 0; i < series->n; i++) {
		free(series->list[i].response);
		free(series->list[i].service);
	}
	free(series->list);
	*series = (struct time_series){ 0 };
}
