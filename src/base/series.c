/* SPDX-License-Identifier: MIT */
#include "base/series.h"

#include <stdlib.h>
#include <string.h>

size_t series_interval_bytes(const struct series_interval *interval)
{
	return (interval->response != NULL ? strlen(interval->response) : 0) +
	       (interval->service != NULL ? strlen(interval->service) : 0);
}

void series_close(struct series *series)
{
	for (size_t i = 0; i < series->n; i++) {
		free(series->list[i].response);
		free(series->list[i].service);
	}
	free(series->list);
	*series = (struct series){ 0 };
}
