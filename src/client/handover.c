/* SPDX-License-Identifier: MIT */
#include "client/handover.h"

int handover_open(struct handover *ret_handover)
{
	struct result counts;
	int rc = result_open(&counts);
	if (rc == 0)
		*ret_handover = (struct handover){ .counts = counts };
	return rc;
}

void handover_close(struct handover *handover)
{
	result_close(&handover->counts);
}

bool handover_give(struct handover *handover, struct result *counts, uint64_t until)
{
	if (atomic_load_explicit(&handover->is_full, memory_order_acquire))
		return false;
	struct result empty = handover->counts;
	handover->counts = *counts;
	*counts = empty;
	handover->until = until;
	atomic_store_explicit(&handover->is_full, true, memory_order_release);
	return true;
}

uint64_t handover_take(struct handover *handover, struct result *into)
{
	if (!atomic_load_explicit(&handover->is_full, memory_order_acquire))
		return 0;
	uint64_t until = handover->until;
	result_add(into, &handover->counts);
	result_reset(&handover->counts);
	atomic_store_explicit(&handover->is_full, false, memory_order_release);
	return until;
}
