/* SPDX-License-Identifier: MIT */
/*
 * Bytes that two connections exchange: connections 1 and 2, 3 and 4, and so on. All processes that
 * serve share the memory for it.
 */
#ifndef FAULT_SWAP_H
#define FAULT_SWAP_H

#include <stddef.h>
#include <stdint.h>

#include "fault/fault.h"

struct swaps;

/* Size of the memory, which begins as zero bytes. */
size_t swaps_size(void);

/* Returns the number of the connection with which this one exchanges bytes. */
uint64_t swap_partner(uint64_t conn);

/*
 * Connection `conn` gives n bytes from the offset `at` in the region of fault number `fault`, and
 * gets the bytes of the partner in their place. Returns how many bytes were exchanged; 0 if the
 * partner has not given any yet. The same bytes may be given again.
 */
size_t swap_bytes(struct swaps *swaps, uint64_t conn, size_t fault, size_t at, unsigned char *bytes,
		  size_t n);

#endif
