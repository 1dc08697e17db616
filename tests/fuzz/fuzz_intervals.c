/* SPDX-License-Identifier: MIT */
/*
 * HdrHistogram's interval log, from its second line on.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char head[] = "#[Histogram log format version 1.3]\n";
	char *bytes = malloc(sizeof(head) + size);
	if (bytes == NULL)
		return 0;
	memcpy(bytes, head, sizeof(head) - 1);
	if (size > 0)
		memcpy(bytes + sizeof(head) - 1, data, size);
	bytes[sizeof(head) - 1 + size] = '\0';
	reading_check(bytes, sizeof(head) - 1 + size);
	free(bytes);
	return 0;
}
