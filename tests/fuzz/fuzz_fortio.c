/* SPDX-License-Identifier: MIT */
/*
 * The JSON of fortio.
 */
#include "fuzz.h"
#include "reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_check("{\"DurationHistogram\":", data, size);
	return 0;
}
