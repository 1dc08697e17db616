/* SPDX-License-Identifier: MIT */
#include "server/listen_drain.h"

#include <assert.h>
#include <stdatomic.h>

#include "net/io.h"

static_assert(LISTENERS_MAX <= 64, "found_empty has a bit for each");

bool listen_drain_needs_accept(const struct listener *listener)
{
	return listener->addr.any.sa_family == AF_UNIX && !listener->is_passed;
}

int listen_drain_poll_fd(const struct listen_drain *drain, const struct listeners *listeners,
			 size_t i)
{
	return (drain->needs_accept >> i & 1) != 0 ? -1 : listeners->list[i].fd;
}

static bool has_queue(const struct listener *listener)
{
	struct pollfd ready = { .fd = listener->fd, .events = POLLIN };
	return io_wait(&ready, 1, 0) != 0;
}

/* Stops new connections to one socket. Returns how long handshakes may take there. */
static uint64_t stop_listeners(struct listen_drain *drain, struct listener *listener, size_t i)
{
	uint64_t bit = UINT64_C(1) << i;
	if (listener->is_dispatch)
		return 0;
	if (listen_drain_needs_accept(listener) && !has_queue(listener))
		drain->was_empty |= bit;
	listener_remove_path(listener); /* while it listens, as in listener_close() */
	drain->was_overrun |= listen_was_overrun(listener->fd); /* before it drops more */
	if (listen_stop(listener->fd, listener->addr.any.sa_family, listener->is_passed))
		drain->needs_accept |= bit;
	if (listener->addr.any.sa_family == AF_UNIX)
		return 0;
	return addr_is_local(&listener->addr) ? LISTEN_DRAIN_SETTLE_LOCAL_NS
					      : LISTEN_DRAIN_SETTLE_NS;
}

void listen_drain_begin(struct listen_drain *drain, struct listeners *listeners, _Atomic int *state)
{
	if (drain->start_ns != 0)
		return;
	atomic_store(state, LISTEN_DRAIN_STOPPING);
	uint64_t settle_ns = 0;
	for (size_t i = 0; i < listeners->n; i++) {
		uint64_t needs_ns = listeners->list[i].fd >= 0
					    ? stop_listeners(drain, &listeners->list[i], i)
					    : 0;
		if (needs_ns > settle_ns)
			settle_ns = needs_ns;
	}
	atomic_store(state, LISTEN_DRAIN_STOPPED);
	drain->start_ns = clock_now_ns();
	drain->settled_ns = drain->start_ns + settle_ns;
}

static bool are_empty(const struct listen_drain *drain, const struct listeners *listeners,
		      uint64_t found_empty)
{
	for (size_t i = 0; i < listeners->n; i++) {
		const struct listener *listener = &listeners->list[i];
		if (listener->fd < 0)
			continue;
		bool is_empty = (drain->needs_accept >> i & 1) != 0 ? (found_empty >> i & 1) != 0
								    : !has_queue(listener);
		if (!is_empty)
			return false;
	}
	return true;
}

bool listen_drain_is_empty(struct listen_drain *drain, const struct listeners *listeners,
			   uint64_t found_empty)
{
	uint64_t now_ns = clock_now_ns();
	if (drain->is_empty || now_ns < drain->settled_ns)
		return drain->is_empty;
	if (!are_empty(drain, listeners, found_empty))
		return false;
	/*
	 * The time between two SYN-ACKs doubles. So the next SYN-ACK comes at the latest when the
	 * queue has had room for as long as it had none before, plus a second.
	 */
	if (drain->was_overrun) {
		drain->was_overrun = false;
		drain->settled_ns = now_ns + (now_ns - drain->start_ns) + LISTEN_DRAIN_OVERRUN_NS;
		return false;
	}
	drain->is_empty = true;
	return true;
}

uint64_t listen_drain_deadline_ns(const struct listen_drain *drain)
{
	if (drain->start_ns == 0 || drain->is_over)
		return CLOCK_NEVER;
	uint64_t now_ns = clock_now_ns();
	return now_ns < drain->settled_ns ? drain->settled_ns : now_ns + LISTEN_DRAIN_POLL_NS;
}
