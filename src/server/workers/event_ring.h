/* SPDX-License-Identifier: MIT */
/*
 * The event ring from a worker to its supervisor: one record for each connection that ended, in
 * shared memory. It has one producer, one consumer, and no lock.
 *
 * A record becomes visible by one store, and does not change afterwards. So a worker may be killed
 * at any instruction, and every connection is still counted and logged exactly once. A worker first
 * posts the record of a client, then removes the client from its table. If the last record and a
 * client in the table have the same serial, that client is already counted.
 *
 *   worker                                    supervisor
 *   event_ring_post: write it, then head + 1
 *   wakeup_post: is the reader asleep? ---->  wakeup_sleep_until: wakes
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
 * The ring, in shared memory. Head and tail have different writers, so each has its own cache line.
 */
struct event_ring_memory {
	_Alignas(64) _Atomic uint32_t head; /* written by the worker: number of records posted */
	_Alignas(64) _Atomic uint32_t tail; /* written by the supervisor: number of records read */
	struct conn_record places[];
};

/*
 * A view of the ring, private to each process. Whatever a compromised worker writes into the ring,
 * the other side reads and writes nothing outside of it.
 */
struct event_ring {
	struct event_ring_memory *ring;
	uint32_t n_places; /* a power of two */
};

/* Returns the size of a ring with n_places, in bytes, a multiple of a cache line. */
size_t event_ring_size(uint32_t n_places);

/* In the worker: posts a record. Returns false if the ring is full. */
MUST_USE bool event_ring_post(const struct event_ring *event_ring,
			      const struct conn_record *record);

/*
 * In the supervisor: returns the next unread record, or false if there is no record. Empties a ring
 * whose head has an impossible value.
 */
MUST_USE bool event_ring_next(const struct event_ring *event_ring, struct conn_record *ret_record);

#endif
