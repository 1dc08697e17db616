/* SPDX-License-Identifier: MIT */
#include "server/doorway.h"

#include <poll.h>

#include "base/err.h"

/* The request about the poller, behind those about listening sockets. */
#define POLLER LISTENERS_MOST

void doorway_done(struct doorway *doorway, uint32_t which, int result)
{
	doorway->requests[which].is_there = doorway->requests[which].is_cancelled = false;
	if (err_is_shortage(result))
		admission_pause(&doorway->worker->admission, "cannot wait for connections", result);
	if (which == POLLER)
		doorway->poller_is_ready = true;
	else
		doorway->worker->is_ready[which] |= result > 0;
}

static void want(struct doorway *doorway, uint32_t which, int fd, uint32_t events, bool wanted)
{
	uint64_t tag = doorway->tag + which;
	if (wanted && !doorway->requests[which].is_there) {
		uring_poll(doorway->ring, fd, events, tag);
		doorway->requests[which].is_there = true;
	} else if (!wanted && doorway->requests[which].is_there &&
		   !doorway->requests[which].is_cancelled) {
		uring_cancel(doorway->ring, tag);
		doorway->requests[which].is_cancelled = true;
	}
}

int doorway_admit(struct doorway *doorway)
{
	struct worker *worker = doorway->worker;
	const struct listeners *listeners = &worker->server->listeners;
	worker->events.n = 0;
	int rc = doorway->poller_is_ready ? worker_wait(worker, 0) : 0;
	doorway->poller_is_ready = false;
	if (rc == 0)
		rc = worker_admit(worker);
	if (rc < 0)
		return rc;
	bool has_request = false;
	for (uint32_t i = 0; i < listeners->n; i++) {
		want(doorway, i, listeners->list[i].fd, POLLIN | URING_EXCLUSIVE,
		     worker->is_armed && listeners->list[i].fd >= 0);
		has_request |= doorway->requests[i].is_there;
	}
	/* A request holds the socket, though its descriptor is closed. */
	if (!has_request && !listeners_any_open(listeners))
		worker_note_closed(worker);
	/* While the kernel is short of memory it is asked again when the pause is over. */
	if (!admission_is_paused(&worker->admission))
		want(doorway, POLLER, worker->poller.fd, POLLIN, true);
	return 0;
}

bool doorway_close(struct doorway *doorway)
{
	bool is_closed = true;
	for (uint32_t i = 0; i <= POLLER; i++) {
		want(doorway, i, -1, 0, false);
		is_closed = is_closed && !doorway->requests[i].is_there;
	}
	return is_closed;
}
