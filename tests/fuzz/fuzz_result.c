/* SPDX-License-Identifier: MIT */
/* Our own document, or any other bytes: a run that is written as the same, or a sentence. */
#include "fuzz.h"
#include "reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_check("", data, size);
	return 0;
}
