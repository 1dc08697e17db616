/* SPDX-License-Identifier: MIT */
/*
 * The echo in a larger world than the exhaustive search can visit (tests/sim/world.h): each byte of
 * input chooses the next event. The laws are the same. When the input ends, the first possible
 * event happens, until the echo wants to close.
 */
#include <assert.h>
#include <stdio.h>

#include "fuzz.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	struct world world = { 0 };
	struct choice choices[WORLD_CHOICES_MAX];
	size_t n;
	while ((n = world_choices(&world, choices)) > 0) {
		world_follow(&world, &machine_right, choices[fuzz_byte(&input) % n]);
		const char *law = world_broken_law(&world);
		if (law != NULL)
			fprintf(stderr, "%s\n", law);
		assert(law == NULL);
	}
	return 0;
}
