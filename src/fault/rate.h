/* SPDX-License-Identifier: MIT */
/*
 * A limit in bytes a second, for bytes that pass in bursts of at most 20 ms.
 */
#ifndef FAULT_RATE_H
#define FAULT_RATE_H

#include <stddef.h>
#include <stdint.h>

/* Maximum limit, in bytes a second: 256 GiB. */
#define RATE_MAX (UINT64_C(1) << 38)

/* A zeroed struct has no limit. */
struct rate {
	uint64_t bytes_per_s; /* 0: no limit */
	uint64_t paid_ns;     /* the time up to which the limit is used up */
};

/*
 * Returns how many of n bytes may pass now. If none may, lowers *until_ns to the time of the next.
 */
size_t rate_allows(struct rate *rate, uint64_t now_ns, size_t n, uint64_t *until_ns);

/* n bytes have passed. */
void rate_pay(struct rate *rate, size_t n);

#endif
