/* SPDX-License-Identifier: MIT */
#include "client/load/interval_buffer.h"

int interval_buffer_open(struct interval_buffer *ret_buffer)
{
	struct result counts;
	int rc = result_open(&counts);
	if (rc == 0)
		*ret_buffer = (struct interval_buffer){ .counts = counts };
	return rc;
}

void interval_buffer_close(struct interval_buffer *buffer)
{
	result_close(&buffer->counts);
}

bool interval_buffer_put(struct interval_buffer *buffer, struct result *counts, uint64_t until)
{
	if (atomic_load_explicit(&buffer->is_full, memory_order_acquire))
		return false;
	struct result empty = buffer->counts;
	buffer->counts = *counts;
	*counts = empty;
	buffer->until = until;
	atomic_store_explicit(&buffer->is_full, true, memory_order_release);
	return true;
}

uint64_t interval_buffer_take(struct interval_buffer *buffer, struct result *into)
{
	if (!atomic_load_explicit(&buffer->is_full, memory_order_acquire))
		return 0;
	uint64_t until = buffer->until;
	result_add(into, &buffer->counts);
	result_reset(&buffer->counts);
	atomic_store_explicit(&buffer->is_full, false, memory_order_release);
	return until;
}
