/* SPDX-License-Identifier: MIT */
/*
 * What a worker tells its supervisor: one report for each conversation that is over, in a ring of
 * shared memory with one writer and one reader, and without a lock.
 *
 * A report is there or it is not: it becomes visible by one store, behind which nothing of it
 * changes. So a worker may be killed at any instruction, and every conversation is still counted
 * and logged exactly once. A worker first tells the end of a client, then takes him out of its
 * table; what the last report says of a client who is still in the table has been said (its serial
 * tells).
 *
 *   worker                                    supervisor
 *   event_ring_post: write it, then head + 1
 *   wakeup_post: is anybody asleep?   ------->  wakeup_sleep_until: wakes
 *                                             event_ring_next: read it, then tail + 1
 */
#ifndef SERVER_WORKERS_EVENT_RING_H
#define SERVER_WORKERS_EVENT_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "server/close_reason.h"

/*
 * The ring, in shared memory. Head and tail each on a cache line of its own: they have different
 * writers.
 */
struct event_ring_memory {
	_Alignas(64) _Atomic uint32_t head; /* written by the worker: how many there have been */
	_Alignas(64) _Atomic uint32_t tail; /* written by the supervisor: how many were read */
	struct conn_record places[];
};

/*
 * A view of it, of each process alone: whatever a worker that was taken over writes into the ring,
 * nothing outside of it is read or written by the other side.
 */
struct event_ring {
	struct event_ring_memory *ring;
	uint32_t n_places; /* a power of two */
};

/* Bytes that a ring of n_places takes, a multiple of a cache line. */
size_t event_ring_size(uint32_t n_places);

/* The worker: tells an end. Returns false when the ring is full. */
MUST_USE bool event_ring_post(const struct event_ring *event_ring, const struct conn_record *facts);

/*
 * The supervisor: the next one that it has not read. Returns false when there is none. A ring whose
 * head was set to what cannot be is emptied.
 */
MUST_USE bool event_ring_next(const struct event_ring *event_ring, struct conn_record *ret_facts);

#endif
