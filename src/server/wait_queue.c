/* SPDX-License-Identifier: MIT */
#include "server/wait_queue.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/u64_map.h"
#include "net/io.h"

/* The queue uses at most 1/N of the descriptors, so that enough are left for serving. */
#define SHARE_OF_DESCRIPTORS 4

void wait_queue_setup(struct wait_queue *queue, uint64_t n_descriptors)
{
	uint64_t n = n_descriptors / SHARE_OF_DESCRIPTORS;
	queue->limit = n < WAIT_QUEUE_MAX ? (size_t)n : WAIT_QUEUE_MAX;
}

void wait_queue_insert(struct wait_queue *queue, size_t i, struct waiting_client waiting)
{
	assert(queue->n < ARRAY_LEN(queue->list));
	if (waiting.start_ns == 0) {
		waiting.start_ns = clock_now_ns();
		waiting.poll_events = POLLRDHUP;
	}
	memmove(&queue->list[i + 1], &queue->list[i], (queue->n - i) * sizeof(queue->list[0]));
	queue->list[i] = waiting;
	queue->n++;
}

struct waiting_client wait_queue_remove(struct wait_queue *queue, size_t i)
{
	const struct waiting_client waiting = queue->list[i];
	queue->n--;
	memmove(&queue->list[i], &queue->list[i + 1], (queue->n - i) * sizeof(queue->list[0]));
	return waiting;
}

size_t wait_queue_find_excess(const struct wait_queue *queue, const struct peer *peer)
{
	struct u64_map_entry entries[2 * WAIT_QUEUE_MAX]; /* a power of two */
	struct u64_map counts = { entries, ARRAY_LEN(entries) };
	uint64_t source, most = 0;
	size_t latest = 0;
	memset(entries, 0, sizeof(entries));
	for (size_t i = 0; i < queue->n; i++) {
		if (!peer_source(&queue->list[i].peer, &source))
			continue;
		uint64_t count = u64_map_get(&counts, source) + 1;
		u64_map_set(&counts, source, count);
		if (count >= most) {
			most = count;
			latest = i;
		}
	}
	if (!peer_source(peer, &source) || most <= u64_map_get(&counts, source) + 1)
		return queue->n;
	return latest;
}

size_t wait_queue_poll(const struct wait_queue *queue, struct pollfd *ret_polls)
{
	for (size_t i = 0; i < queue->n; i++)
		ret_polls[i] = (struct pollfd){
			.fd = queue->list[i].fd,
			.events = queue->list[i].poll_events,
		};
	return queue->n;
}

bool wait_queue_has_ended(struct waiting_client *waiting, int *ret_code)
{
	char byte;
	ssize_t n = io_pending_error(waiting->fd);
	if (n == 0)
		n = io_peek(waiting->fd, &byte, sizeof(byte));
	if (n > 0)
		waiting->poll_events = 0; /* from now on only errors matter */
	*ret_code = n < 0 ? (int)n : 0;
	return n <= 0 && n != -EAGAIN;
}
