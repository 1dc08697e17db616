/* SPDX-License-Identifier: MIT */
#include "fault/swap.h"

#include <stdatomic.h>

/*
 * A pair of connections has a cell. Each writes into one half and takes from the other. A word in
 * each half names the pair and the fault that use it, and counts the bytes in it. A later pair may
 * take the cell over at any time: then the bytes of the earlier pair pass unchanged.
 */
#define SWAP_CELLS 64

struct swap_half {
	_Atomic uint64_t key_and_count; /* the key << SWAP_KEY_SHIFT | number of bytes */
	_Atomic unsigned char bytes[FAULT_REGION_MAX];
};
#define SWAP_KEY_SHIFT  16
#define SWAP_COUNT_MASK UINT64_C(0xffff)

struct swaps {
	struct swap_half cells[SWAP_CELLS][2];
};

size_t swaps_size(void)
{
	return sizeof(struct swaps);
}

uint64_t swap_partner(uint64_t conn)
{
	return conn % 2 == 1 ? conn + 1 : conn - 1;
}

static void swap_put(struct swap_half *half, uint64_t key, size_t at, const unsigned char *bytes,
		     size_t n)
{
	uint64_t word = atomic_load_explicit(&half->key_and_count, memory_order_relaxed);
	if (word >> SWAP_KEY_SHIFT == key && (word & SWAP_COUNT_MASK) >= at + n)
		return;
	if (word >> SWAP_KEY_SHIFT != key) {
		atomic_store_explicit(&half->key_and_count, key << SWAP_KEY_SHIFT,
				      memory_order_relaxed);
		atomic_thread_fence(memory_order_release);
	}
	for (size_t i = 0; i < n; i++)
		atomic_store_explicit(&half->bytes[at + i], bytes[i], memory_order_relaxed);
	atomic_store_explicit(&half->key_and_count, key << SWAP_KEY_SHIFT | (at + n),
			      memory_order_release);
}

/* Copies up to n bytes of the partner, from the offset `at` in the region on. Returns how many. */
static size_t swap_take(struct swap_half *half, uint64_t key, size_t at, unsigned char *bytes,
			size_t n)
{
	uint64_t word = atomic_load_explicit(&half->key_and_count, memory_order_acquire);
	size_t count = (size_t)(word & SWAP_COUNT_MASK);
	if (word >> SWAP_KEY_SHIFT != key || count <= at)
		return 0;
	if (count - at < n)
		n = count - at;
	for (size_t i = 0; i < n; i++)
		bytes[i] = atomic_load_explicit(&half->bytes[at + i], memory_order_relaxed);
	/* A later pair may have written meanwhile. */
	atomic_thread_fence(memory_order_acquire);
	word = atomic_load_explicit(&half->key_and_count, memory_order_relaxed);
	return word >> SWAP_KEY_SHIFT == key ? n : 0;
}

size_t swap_bytes(struct swaps *swaps, uint64_t conn, size_t fault, size_t at, unsigned char *bytes,
		  size_t n)
{
	uint64_t pair = (conn + 1) / 2, side = conn % 2;
	uint64_t key = pair * FAULTS_MAX + fault + 1;
	struct swap_half *cell = swaps->cells[key % SWAP_CELLS];
	swap_put(&cell[side], key, at, bytes, n);
	return swap_take(&cell[1 - side], key, at, bytes, n);
}
