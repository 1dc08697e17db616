/* SPDX-License-Identifier: MIT */
/*
 * Faults between a test and the kernel, linked in with `-Wl,--wrap=recv` and so on (ld(1)).
 *
 * The kernel may do each of them at any call: move less than requested, refuse for now (EAGAIN), or
 * be interrupted by a signal (EINTR). The real call moves the bytes, so the bytes are correct. Only
 * the thread that armed the shim is affected.
 */
#ifndef FAULT_SHIM_H
#define FAULT_SHIM_H

#include <stddef.h>
#include <stdint.h>

enum shim_fault {
	SHIM_EINTR, /* for any call; connect(2) continues in the background, as it really does */
	/* for a call that moves bytes; after poll(2) reported ready: a spurious wake-up */
	SHIM_EAGAIN,
	SHIM_SHORT, /* one byte only, for a call that moves bytes */
};

/* A fault at some calls: `times` of them from the `first` on, counted from 1 since arming. */
struct shim_hit {
	uint64_t first, times;
	enum shim_fault fault;
};

/*
 * The cuts of the bytes of one direction. Bit i of `cuts`: no call moves the bytes at offsets i and
 * i + 1 together. `most`: maximum number of bytes per call, 0: no limit.
 */
struct shim_pieces {
	uint64_t cuts;
	size_t most;
};

/* A zeroed plan changes nothing. */
struct shim_plan {
	struct shim_hit hits[2];
	struct shim_pieces in, out;
	/* number of failures of every call before it is made */
	unsigned char eintr_first, eagain_first;
	int poll_slice_ms; /* poll(2) is interrupted after this time, 0: never */
};

/* Counts of calls and faults. */
struct shim_report {
	uint64_t calls, hits;
};

/* From now on the calling thread's calls follow the plan, which must stay valid. */
void shim_arm(const struct shim_plan *plan);

/* Ends the plan. */
struct shim_report shim_disarm(void);

#endif
