/* SPDX-License-Identifier: MIT */
/*
 * A hash map from uint64_t to uint64_t in memory of the caller: fixed size, no allocation.
 *
 * The memory may be shared between processes. A zeroed map is empty. So a value of 0 means "not
 * present", and setting 0 removes the key. Why not tsearch(3) or hsearch(3): docs/decisions/.
 */
#ifndef BASE_U64_MAP_H
#define BASE_U64_MAP_H

#include <stddef.h>
#include <stdint.h>

struct u64_map_entry {
	uint64_t key;
	uint64_t value; /* 0: the slot is free */
};

struct u64_map {
	struct u64_map_entry *entries;
	size_t n_places; /* a power of two */
};

/* Returns the number of slots that keep lookups fast with n keys: a power of two, at least 2n. */
size_t u64_map_slots(size_t n);

/* Returns the value of a key, 0 if it is not present. */
uint64_t u64_map_get(const struct u64_map *map, uint64_t key);

/* Sets the value of a key; 0 removes it. The caller must not exceed the n of u64_map_slots(n). */
void u64_map_set(struct u64_map *map, uint64_t key, uint64_t value);

#endif
