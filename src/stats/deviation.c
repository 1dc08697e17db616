/* SPDX-License-Identifier: MIT */
#include "stats/deviation.h"

__extension__ typedef unsigned __int128 u128;

void deviation_add(struct deviation *deviation, uint64_t ns)
{
	deviation->n++;
	deviation->sum += ns;
	deviation->square_sum += (u128)ns * ns;
}

/* Returns the square root, rounded down. */
static uint64_t square_root(u128 square)
{
	u128 root = 0;
	for (u128 bit = (u128)1 << 63; bit > 0; bit >>= 1) {
		if ((root | bit) * (root | bit) <= square)
			root |= bit;
	}
	return (uint64_t)root;
}

uint64_t deviation_ns(const struct deviation *deviation)
{
	u128 n = deviation->n, sum = deviation->sum;
	if (n == 0)
		return 0;
	return square_root((n * deviation->square_sum - sum * sum) / (n * n));
}
