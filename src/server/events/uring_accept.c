/* SPDX-License-Identifier: MIT */
#include "server/events/uring_accept.h"

#include <poll.h>

#include "base/err.h"

/* Index of the request on the epoll set, after the listening sockets. */
#define POLLER LISTENERS_MAX

void uring_accept_completed(struct uring_accept *accept, uint32_t which, int result)
{
	accept->requests[which].is_there = accept->requests[which].is_cancelled = false;
	if (err_is_shortage(result))
		admission_pause(&accept->worker->admission, "cannot wait for connections", result);
	if (which == POLLER)
		accept->poller_is_ready = true;
	else
		accept->worker->admission.is_ready[which] |= result > 0;
}

static void want(struct uring_accept *accept, uint32_t which, int fd, uint32_t events, bool wanted)
{
	uint64_t tag = accept->tag + which;
	if (wanted && !accept->requests[which].is_there) {
		uring_poll(accept->ring, fd, events, tag);
		accept->requests[which].is_there = true;
	} else if (!wanted && accept->requests[which].is_there &&
		   !accept->requests[which].is_cancelled) {
		uring_cancel(accept->ring, tag);
		accept->requests[which].is_cancelled = true;
	}
}

int uring_accept_read_events(struct uring_accept *accept)
{
	accept->worker->events.n = 0;
	int rc = accept->poller_is_ready ? worker_wait(accept->worker, 0) : 0;
	accept->poller_is_ready = false;
	return rc;
}

void uring_accept_watch(struct uring_accept *accept)
{
	struct worker *worker = accept->worker;
	const struct listeners *listeners = &worker->server->listeners;
	bool has_request = false;
	for (uint32_t i = 0; i < listeners->n; i++) {
		want(accept, i, listeners->list[i].fd, POLLIN | URING_EXCLUSIVE,
		     worker->is_armed && listeners->list[i].fd >= 0);
		has_request |= accept->requests[i].is_there;
	}
	/* A pending request holds the socket even after its descriptor is closed. */
	if (!has_request && !listeners_any_open(listeners))
		worker_report_closed(worker);
	/* During a shortage, a new request is made only after the pause. */
	if (!admission_is_paused(&worker->admission))
		want(accept, POLLER, worker->poller.fd, POLLIN, true);
}

bool uring_accept_close(struct uring_accept *accept)
{
	bool is_closed = true;
	for (uint32_t i = 0; i <= POLLER; i++) {
		want(accept, i, -1, 0, false);
		is_closed = is_closed && !accept->requests[i].is_there;
	}
	return is_closed;
}
