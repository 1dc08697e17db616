/* SPDX-License-Identifier: MIT */
/*
 * When messages are due at a fixed rate. The times are known before the first message is sent,
 * whatever the server does.
 *
 * The n-th message, from 0, is due n / rate seconds after the start. Messages go to the connections
 * in turn, and connections to the threads in turn, so that neither gets bursts.
 */
#ifndef CLIENT_LOAD_SCHEDULE_H
#define CLIENT_LOAD_SCHEDULE_H

#include <stdint.h>

#include "base/clock.h"

struct schedule {
	uint64_t start_ns;
	uint64_t per_second;    /* rate over all connections, 1 to 1,000,000,000 */
	uint64_t n_connections; /* number of connections of all threads */
};

/* Returns when the k-th message of connection c is due. Both count from 0. */
static inline uint64_t schedule_due_ns(const struct schedule *schedule, uint64_t c, uint64_t k)
{
	uint64_t n = k * schedule->n_connections + c;
	uint64_t seconds = n / schedule->per_second, rest = n % schedule->per_second;
	return schedule->start_ns + seconds * CLOCK_NS_PER_S +
	       rest * CLOCK_NS_PER_S / schedule->per_second;
}

/* Returns the number of messages of connection c, from 0, that are due before a time. */
static inline uint64_t schedule_due_before(const struct schedule *schedule, uint64_t c,
					   uint64_t end_ns)
{
	uint64_t ns = end_ns > schedule->start_ns ? end_ns - schedule->start_ns : 0;
	uint64_t rest = ns % CLOCK_NS_PER_S * schedule->per_second;
	uint64_t n = ns / CLOCK_NS_PER_S * schedule->per_second + rest / CLOCK_NS_PER_S +
		     (rest % CLOCK_NS_PER_S != 0);
	return n > c ? (n - c - 1) / schedule->n_connections + 1 : 0;
}

#endif
