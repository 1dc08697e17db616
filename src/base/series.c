/* SPDX-License-Identifier: MIT */
#include "base/series.h"

#include <stdlib.h>

void series_close(struct series *series)
{
	for (size_t i = 0; i < series->n; i++) {
		free(series->list[i].response);
		free(series->list[i].service);
	}
	free(series->list);
	*series = (struct series){ 0 };
}
