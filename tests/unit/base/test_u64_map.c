/* SPDX-License-Identifier: MIT */
/*
 * The map equals a plain array after any series of settings and removals, also if runs of entries
 * wrap around the end of the table, and at full load.
 */
#include "base/u64_map.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define MOST_PLACES 64

static struct u64_map_entry entries[MOST_PLACES];

static struct u64_map empty_map(size_t n_places)
{
	assert_true(n_places <= MOST_PLACES);
	memset(entries, 0, sizeof(entries));
	return (struct u64_map){ .entries = entries, .n_places = n_places };
}

static size_t n_used(const struct u64_map *map)
{
	size_t n = 0;
	for (size_t i = 0; i < map->n_places; i++)
		n += map->entries[i].value != 0;
	return n;
}

TEST(places_are_a_power_of_two_and_at_least_twice_the_keys)
{
	for (size_t n = 0; n <= 5000; n++) {
		size_t places = u64_map_slots(n);
		assert_true(places >= 2 * n && places >= 1);
		assert_int_equal(places & (places - 1), 0);
		assert_true(places <= 4 * n || n <= 1);
	}
}

TEST(a_zeroed_map_is_empty)
{
	struct u64_map map = empty_map(16);
	for (uint64_t key = 0; key < 100; key++)
		assert_int_equal(u64_map_get(&map, key), 0);
	assert_int_equal(u64_map_get(&map, UINT64_MAX), 0);
}

TEST(any_number_is_a_key_and_any_but_zero_a_value)
{
	static const uint64_t keys[] = { 0, 1, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX };
	struct u64_map map = empty_map(u64_map_slots(ARRAY_LEN(keys)));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		u64_map_set(&map, keys[i], UINT64_MAX - i);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_int_equal(u64_map_get(&map, keys[i]), UINT64_MAX - i);
}

TEST(setting_again_replaces)
{
	struct u64_map map = empty_map(8);
	u64_map_set(&map, 7, 1);
	u64_map_set(&map, 7, 2);
	assert_int_equal(u64_map_get(&map, 7), 2);
	assert_int_equal(n_used(&map), 1);
}

TEST(removing_what_is_not_there_changes_nothing)
{
	struct u64_map map = empty_map(8);
	u64_map_set(&map, 7, 1);
	u64_map_set(&map, 8, 0);
	assert_int_equal(u64_map_get(&map, 7), 1);
	assert_int_equal(n_used(&map), 1);
}

/* ---- runs that go round the end ---- */

/* Returns the place of a key in an empty map. */
static size_t home_of(uint64_t key, size_t n_places)
{
	struct u64_map map = empty_map(n_places);
	u64_map_set(&map, key, 1);
	for (size_t place = 0; place < n_places; place++) {
		if (map.entries[place].value != 0)
			return place;
	}
	fail();
	return 0;
}

/* Finds n keys with that home. */
static void keys_of_home(size_t home, size_t n_places, uint64_t *ret_keys, size_t n)
{
	size_t found = 0;
	for (uint64_t key = 0; found < n; key++) {
		if (home_of(key, n_places) == home)
			ret_keys[found++] = key;
	}
}

TEST(a_removal_closes_its_gap_round_the_end_of_the_table)
{
	enum { PLACES = 16, LAST = PLACES - 1 };
	/*
	 * Five keys whose home is the last place and two whose home is the first: one run from 15
	 * to 5.
	 */
	uint64_t keys[7];
	keys_of_home(LAST, PLACES, keys, 5);
	keys_of_home(0, PLACES, keys + 5, 2);

	for (size_t first = 0; first < ARRAY_LEN(keys); first++) {
		for (size_t second = 0; second < ARRAY_LEN(keys); second++) {
			struct u64_map map = empty_map(PLACES);
			for (size_t i = 0; i < ARRAY_LEN(keys); i++)
				u64_map_set(&map, keys[i], i + 1);
			u64_map_set(&map, keys[first], 0);
			u64_map_set(&map, keys[second], 0);
			for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
				bool removed = i == first || i == second;
				assert_int_equal(u64_map_get(&map, keys[i]), removed ? 0 : i + 1);
			}
			assert_int_equal(n_used(&map), first == second ? 6 : 5);
		}
	}
}

/* ---- against a model ---- */

/* A private generator: the same series everywhere (Knuth's MMIX constants). */
static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 33) % n;
}

#define MODEL_KEYS 40

static void assert_like_model(const struct u64_map *map, const uint64_t *keys,
			      const uint64_t *model)
{
	size_t n = 0;
	for (size_t i = 0; i < MODEL_KEYS; i++) {
		assert_int_equal(u64_map_get(map, keys[i]), model[i]);
		n += model[i] != 0;
	}
	assert_int_equal(n_used(map), n); /* no duplicate entry, and no tombstone */
}

/* Makes this number of random steps on a map for `n` keys, out of MODEL_KEYS. */
static void live(size_t n, size_t n_places, const uint64_t *keys, unsigned int steps)
{
	struct u64_map map = empty_map(n_places);
	uint64_t model[MODEL_KEYS] = { 0 };
	size_t n_there = 0;
	for (unsigned int step = 0; step < steps; step++) {
		size_t i = random_below(MODEL_KEYS);
		uint64_t value = random_below(2) == 0 ? 0 : 1 + random_below(1000);
		if (value != 0 && model[i] == 0 && n_there == n)
			continue; /* the caller must not exceed n */
		n_there = n_there + (value != 0) - (model[i] != 0);
		model[i] = value;
		u64_map_set(&map, keys[i], value);
		assert_like_model(&map, keys, model);
	}
}

TEST(it_agrees_with_an_array_for_pids_that_follow_each_other)
{
	uint64_t keys[MODEL_KEYS];
	for (size_t i = 0; i < MODEL_KEYS; i++)
		keys[i] = 30000 + i;
	random_state = 1;
	for (size_t n = 1; n <= 16; n++)
		live(n, u64_map_slots(n), keys, 3000);
}

TEST(it_agrees_with_an_array_for_sources_that_differ_in_a_few_bits)
{
	uint64_t keys[MODEL_KEYS];
	for (size_t i = 0; i < MODEL_KEYS; i++)
		keys[i] = UINT64_C(0x20010db800000000) + (i << 16);
	random_state = 2;
	for (size_t n = 1; n <= 16; n++)
		live(n, u64_map_slots(n), keys, 3000);
}

TEST(it_agrees_with_an_array_when_all_but_one_place_is_taken)
{
	uint64_t keys[MODEL_KEYS];
	for (size_t i = 0; i < MODEL_KEYS; i++)
		keys[i] = i * i;
	random_state = 3;
	for (size_t n_places = 2; n_places <= 32; n_places *= 2)
		live(n_places - 1, n_places, keys, 5000);
}

TEST(at_full_load_every_key_is_found_and_no_other)
{
	enum { N = 20000 };
	struct u64_map map = { .n_places = u64_map_slots(N) };
	map.entries = calloc(map.n_places, sizeof(*map.entries));
	assert_non_null(map.entries);
	for (uint64_t key = 1; key <= N; key++)
		u64_map_set(&map, key * 7, key);
	for (uint64_t key = 1; key <= N; key++) {
		assert_int_equal(u64_map_get(&map, key * 7), key);
		assert_int_equal(u64_map_get(&map, key * 7 + 1), 0);
	}
	for (uint64_t key = 1; key <= N; key++)
		u64_map_set(&map, key * 7, 0);
	assert_int_equal(n_used(&map), 0);
	free(map.entries);
}

/* ---- what only a bug can do ---- */

static void look_into_a_full_map(const void *argument)
{
	(void)argument;
	struct u64_map map = empty_map(4);
	for (uint64_t key = 1; key <= 4; key++)
		u64_map_set(&map, key, key);
	u64_map_set(&map, 5, 5);
}

TEST(one_key_more_than_there_are_places_is_a_bug_of_the_caller)
{
	unit_child_dies_of(SIGABRT, look_into_a_full_map, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_a_power_of_two_and_at_least_twice_the_keys),
		cmocka_unit_test(a_zeroed_map_is_empty),
		cmocka_unit_test(any_number_is_a_key_and_any_but_zero_a_value),
		cmocka_unit_test(setting_again_replaces),
		cmocka_unit_test(removing_what_is_not_there_changes_nothing),
		cmocka_unit_test(a_removal_closes_its_gap_round_the_end_of_the_table),
		cmocka_unit_test(it_agrees_with_an_array_for_pids_that_follow_each_other),
		cmocka_unit_test(it_agrees_with_an_array_for_sources_that_differ_in_a_few_bits),
		cmocka_unit_test(it_agrees_with_an_array_when_all_but_one_place_is_taken),
		cmocka_unit_test(at_full_load_every_key_is_found_and_no_other),
		cmocka_unit_test(one_key_more_than_there_are_places_is_a_bug_of_the_caller),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
