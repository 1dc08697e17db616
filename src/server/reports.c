/* SPDX-License-Identifier: MIT */
#include "server/reports.h"

size_t reports_size(uint32_t n_places)
{
	size_t size = sizeof(struct reports_ring) + n_places * sizeof(struct ending_facts);
	return (size + 63) / 64 * 64;
}

static struct ending_facts *place_of(const struct reports *reports, uint32_t number)
{
	return &reports->ring->places[number & (reports->n_places - 1)];
}

bool reports_tell(const struct reports *reports, const struct ending_facts *facts)
{
	struct reports_ring *ring = reports->ring;
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	if (head - tail >= reports->n_places)
		return false;
	*place_of(reports, head) = *facts;
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	return true;
}

bool reports_next(const struct reports *reports, struct ending_facts *ret_facts)
{
	struct reports_ring *ring = reports->ring;
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	if (head == tail)
		return false;
	if (head - tail > reports->n_places) {
		atomic_store_explicit(&ring->tail, head, memory_order_release);
		return false;
	}
	*ret_facts = *place_of(reports, tail);
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}
