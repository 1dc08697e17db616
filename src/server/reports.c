/* SPDX-License-Identifier: MIT */
#include "server/reports.h"

size_t reports_size(uint32_t n_places)
{
	size_t size = sizeof(struct reports) + n_places * sizeof(struct ending_facts);
	return (size + 63) / 64 * 64;
}

void reports_place(struct reports *reports, uint32_t n_places)
{
	reports->n_places = n_places;
}

bool reports_tell(struct reports *reports, const struct ending_facts *facts)
{
	uint32_t head = atomic_load_explicit(&reports->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&reports->tail, memory_order_acquire);
	if (head - tail >= reports->n_places)
		return false;
	reports->places[head & (reports->n_places - 1)] = *facts;
	atomic_store_explicit(&reports->head, head + 1, memory_order_release);
	return true;
}

bool reports_next(struct reports *reports, struct ending_facts *ret_facts)
{
	uint32_t tail = atomic_load_explicit(&reports->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&reports->head, memory_order_acquire);
	if (head == tail)
		return false;
	*ret_facts = reports->places[tail & (reports->n_places - 1)];
	atomic_store_explicit(&reports->tail, tail + 1, memory_order_release);
	return true;
}
