/* SPDX-License-Identifier: MIT */
#include "server/workers/event_ring.h"

size_t event_ring_size(uint32_t n_places)
{
	size_t size = sizeof(struct event_ring_memory) + n_places * sizeof(struct conn_record);
	return (size + 63) / 64 * 64;
}

static struct conn_record *event_slot(const struct event_ring *event_ring, uint32_t number)
{
	return &event_ring->ring->places[number & (event_ring->n_places - 1)];
}

bool event_ring_post(const struct event_ring *event_ring, const struct conn_record *record)
{
	struct event_ring_memory *ring = event_ring->ring;
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	if (head - tail >= event_ring->n_places)
		return false;
	*event_slot(event_ring, head) = *record;
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	return true;
}

bool event_ring_next(const struct event_ring *event_ring, struct conn_record *ret_record)
{
	struct event_ring_memory *ring = event_ring->ring;
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	if (head == tail)
		return false;
	if (head - tail > event_ring->n_places) {
		atomic_store_explicit(&ring->tail, head, memory_order_release);
		return false;
	}
	*ret_record = *event_slot(event_ring, tail);
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}
