/* SPDX-License-Identifier: MIT */
/*
 * HdrHistogram's interval log, from its second line on.
 */
#include "fuzz.h"
#include "reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_check("#[Histogram log format version 1.3]\n", data, size);
	return 0;
}
