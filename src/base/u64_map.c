/* SPDX-License-Identifier: MIT */
/*
 * Open addressing with linear probing. A removal closes its gap by moving later entries of the same
 * run. So there are no tombstones, and the map does not become slower with time.
 */
#include "base/u64_map.h"

#include <assert.h>
#include <stdbool.h>

size_t u64_map_slots(size_t n)
{
	size_t places = 2;
	while (places < 2 * n)
		places *= 2;
	return places;
}

/*
 * Returns the preferred slot of a key. Fibonacci hashing spreads neighbouring keys, such as pids.
 */
static size_t home(const struct u64_map *map, uint64_t key)
{
	return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (map->n_places - 1);
}

static size_t next(const struct u64_map *map, size_t place)
{
	return (place + 1) & (map->n_places - 1);
}

/* Returns the slot of a key, or the free slot where it belongs. */
static size_t slot_of_key(const struct u64_map *map, uint64_t key)
{
	size_t place = home(map, key);
	for (size_t tries = 0; tries < map->n_places; tries++) {
		const struct u64_map_entry *entry = &map->entries[place];
		if (entry->value == 0 || entry->key == key)
			return place;
		place = next(map, place);
	}
	assert(false); /* the caller stored more keys than u64_map_slots() made room for */
	return 0;
}

uint64_t u64_map_get(const struct u64_map *map, uint64_t key)
{
	return map->entries[slot_of_key(map, key)].value;
}

/* Returns whether going from `from` (exclusive) round to `to` (inclusive) passes `place`. */
static bool is_between(size_t from, size_t place, size_t to)
{
	return from <= to ? from < place && place <= to : from < place || place <= to;
}

static void remove_at(struct u64_map *map, size_t gap)
{
	for (size_t place = next(map, gap); map->entries[place].value != 0;
	     place = next(map, place)) {
		/* An entry whose preferred slot is after the gap must not move into the gap. */
		if (is_between(gap, home(map, map->entries[place].key), place))
			continue;
		map->entries[gap] = map->entries[place];
		gap = place;
	}
	map->entries[gap] = (struct u64_map_entry){ 0 };
}

void u64_map_set(struct u64_map *map, uint64_t key, uint64_t value)
{
	size_t place = slot_of_key(map, key);
	if (value != 0)
		map->entries[place] = (struct u64_map_entry){ .key = key, .value = value };
	else if (map->entries[place].value != 0)
		remove_at(map, place);
}
