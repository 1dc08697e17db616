/* SPDX-License-Identifier: MIT */
/*
 * A hash map from a number to a number, in memory of the caller's: fixed size, no allocation.
 *
 * The memory may be shared between processes and zero filled: a zeroed map is empty. So a value of
 * 0 means "not there", and setting 0 removes. Why not tsearch(3) or hsearch(3): docs/decisions/.
 */
#ifndef BASE_U64_MAP_H
#define BASE_U64_MAP_H

#include <stddef.h>
#include <stdint.h>

struct u64_map_entry {
	uint64_t key;
	uint64_t value; /* 0: the place is free */
};

struct u64_map {
	struct u64_map_entry *entries;
	size_t n_places; /* a power of two */
};

/* How many places a map needs to hold n keys and stay quick: a power of two, at least 2n. */
size_t u64_map_slots(size_t n);

/* The value of a key, 0 when it is not there. */
uint64_t u64_map_get(const struct u64_map *map, uint64_t key);

/* Sets the value of a key; 0 removes it. The caller keeps to the n of u64_map_slots(n). */
void u64_map_set(struct u64_map *map, uint64_t key, uint64_t value);

#endif
