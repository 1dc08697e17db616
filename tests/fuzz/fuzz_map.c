/* SPDX-License-Identifier: MIT */
/*
 * The map does the same as an array of pairs, whatever is set and removed in whatever order, and a
 * free place is zero.
 */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"
#include "base/u64_map.h"
#include "fuzz.h"

#define MOST_KEYS 16

/* The naive map. */
struct model {
	struct u64_map_entry entries[MOST_KEYS];
	size_t n, most;
};

/* Returns its entry for a key, or NULL. */
static struct u64_map_entry *find(struct model *model, uint64_t key)
{
	for (size_t i = 0; i < model->n; i++) {
		if (model->entries[i].key == key)
			return &model->entries[i];
	}
	return NULL;
}

/* Returns false if the map would exceed its size. */
static bool model_set(struct model *model, uint64_t key, uint64_t value)
{
	struct u64_map_entry *entry = find(model, key);
	if (value == 0) {
		if (entry != NULL)
			*entry = model->entries[--model->n];
		return true;
	}
	if (entry == NULL && model->n == model->most)
		return false;
	if (entry == NULL)
		entry = &model->entries[model->n++];
	*entry = (struct u64_map_entry){ .key = key, .value = value };
	return true;
}

static void check_same(const struct u64_map *map, struct model *model)
{
	for (size_t i = 0; i < model->n; i++)
		assert(u64_map_get(map, model->entries[i].key) == model->entries[i].value);
	size_t n = 0;
	for (size_t i = 0; i < map->n_places; i++) {
		const struct u64_map_entry *entry = &map->entries[i];
		n += entry->value != 0;
		assert(entry->value != 0 || entry->key == 0);
	}
	assert(n == model->n);
}

/* Few keys, so that they occur again, spread over all 64 bits. */
static uint64_t key_of(uint8_t byte)
{
	return (uint64_t)(byte & 0x3f) << (byte >> 6) * 19;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	struct model model = { .most = 1 + fuzz_byte(&input) % MOST_KEYS };
	struct u64_map_entry entries[2 * MOST_KEYS] = { 0 };
	struct u64_map map = { .entries = entries, .n_places = u64_map_slots(model.most) };
	assert(map.n_places >= 2 * model.most && map.n_places <= ARRAY_LEN(entries));
	assert((map.n_places & (map.n_places - 1)) == 0);

	while (input.left > 0) {
		uint64_t key = key_of(fuzz_byte(&input));
		uint64_t value = fuzz_byte(&input) % 4; /* one in four removes */
		struct u64_map_entry *known = find(&model, key);
		assert(u64_map_get(&map, key) == (known != NULL ? known->value : 0));
		if (model_set(&model, key, value))
			u64_map_set(&map, key, value);
		check_same(&map, &model);
	}
	return 0;
}
