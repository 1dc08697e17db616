/* SPDX-License-Identifier: MIT */
/*
 * HdrHistogram's list of percentiles, from its second line on.
 */
#include "fuzz.h"
#include "reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_check("Value Percentile TotalCount 1/(1-Percentile)\n", data, size);
	return 0;
}
