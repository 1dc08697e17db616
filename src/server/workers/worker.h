/* SPDX-License-Identifier: MIT */
/*
 * A worker: a process that serves clients of its own, beside others that do the same, below one
 * supervisor (server/workers/supervisor.h).
 *
 * It accepts by itself, from listening sockets that all of them share, and has room for its share
 * of --max-clients: a worker that is full stops accepting, and whoever waits is taken by one that
 * is not. So the limit of the whole is kept without a count that all of them would have to write.
 *
 * A new client wakes one worker, the one that has waited longest: each goes to the end of the line
 * when it has accepted (EPOLLEXCLUSIVE wakes the first in the line, and would wake it for ever). A
 * worker that was woken and cannot accept wakes another, by a wake-up descriptor (eventfd(2)) for
 * which those with room wait as well. Where it was stopped or killed before it could, the
 * supervisor wakes another (server/workers/accept_watch.h).
 *
 * Two lifelines (server/shutdown_pipe.h), which only the supervisor holds, tell them of the end.
 * When the first is cut, the server drains and the accept queues are empty for good: until then
 * workers accept as always. When the second is cut, the conversations that are left are ended. A
 * supervisor that is killed cuts both.
 *
 * What it does with a client is its engine's: engines/prefork.c, thread.c, epoll.c and uring.c. An
 * engine's turn is: worker_wait(), its own events, worker_admit().
 */
#ifndef SERVER_WORKERS_WORKER_H
#define SERVER_WORKERS_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/poller.h"
#include "server/admission.h"
#include "server/client_table.h"
#include "server/workers/dispatch.h"
#include "server/workers/event_ring.h"
#include "server/server.h"

/* What the supervisor sees of a worker, in shared memory. The worker alone writes here. */
struct worker_slot {
	_Alignas(64) _Atomic uint64_t accepted; /* clients since it was started */
	_Atomic int is_full;                    /* it has no room for another */
	_Atomic int is_paused;                  /* it is short of something (server/admission.h) */
	_Atomic int has_closed;                 /* it has closed its listening sockets */
	_Atomic uint64_t found_empty;           /* a bit for each socket whose queue was empty */
	_Atomic int is_serving;                 /* it is set up, and waits for clients */
	_Atomic int code;                       /* why it ends: a negative code, or 0 */
	struct dispatch_message message;        /* the last one from the supervisor */
};

/* Tags of the poller below this are the engine's. */
#define WORKER_TAGS (UINT64_C(1) << 63)

struct worker {
	unsigned int number; /* from 0 */
	unsigned int n_workers;
	bool is_spare;   /* one that was started in a crowd, and may go when there is none */
	bool has_filter; /* worker_open() puts on its own list of calls (server/sandbox.h) */
	struct worker_slot *slot;
	struct server *server; /* its own view: its table, its copies of the listening sockets */
	int closing_fd;        /* hung up: the server drains, and all accept queues are empty */
	int shutdown_fd;       /* hung up: the drain timeout has come, or the supervisor is dead */
	int wakeup_fd;         /* readable: a connection waits, and a worker with room is to look */
	/* Set up by worker_open(): */
	struct poller poller;
	struct poller_events events;
	struct admission admission;
	bool polls_listeners;  /* set by an engine that waits for the listening sockets itself */
	bool is_armed;         /* they are waited for, in the poller unless that does it */
	bool waits_for_wakeup; /* the wake-up descriptor is in the poller */
	bool is_ready[LISTENERS_MAX];
};

/*
 * Opens what waiting and accepting take, and then gives up the calls that only opening takes
 * (server/sandbox.h): an engine opens its own things before. Returns 0 or -errno.
 */
MUST_USE int worker_open(struct worker *worker, admission_serve_fn *serve, void *engine);
void worker_close(struct worker *worker);

/*
 * Tells the supervisor that everything is set up: to be called by an engine before it waits for the
 * first time. The server is ready when the first of its workers has called this.
 */
void worker_note_serving(struct worker *worker);

/*
 * Waits for events, no longer than to the deadline. worker->events has those whose tags are the
 * engine's; the others were noted for worker_admit(). Returns 0 or -errno.
 */
MUST_USE int worker_wait(struct worker *worker, uint64_t deadline_ns);

/* When worker_wait() would have to be called though nothing happens, 0: at once. */
uint64_t worker_deadline_ns(const struct worker *worker);

/*
 * Lets in who may come: to be called in every turn, after the engine's own events, so that what
 * belongs to one client is never taken for another's who has got its place. Returns 0, or a
 * negative code when a listening socket is lost.
 */
MUST_USE int worker_admit(struct worker *worker);

/*
 * Tells the supervisor whether there is room, if that has changed. Done in worker_admit(); for an
 * engine that does not come back to that while it serves.
 */
void worker_note_fullness(struct worker *worker);

/*
 * Wakes another worker if this one was woken by a listening socket from which it has not accepted.
 * Done in worker_admit(); for an engine that does not come back to that while it serves.
 */
void worker_pass_wakeup_on(struct worker *worker);

/*
 * Closes the listening sockets, as the server ends: the supervisor has found the accept queues
 * empty, or turns away the connections in them. If it is dead, the worker does that itself.
 */
void worker_close_listeners(struct worker *worker);

/*
 * Tells the supervisor that this worker has no listening socket any more. For an engine that waits
 * for the listening sockets itself, and whose requests hold them.
 */
void worker_note_closed(struct worker *worker);

/* Is the server called off? Then the engine ends every conversation. */
bool worker_is_aborting(const struct worker *worker);

/* Is there nothing left to do, ever? */
bool worker_is_done(const struct worker *worker);

#endif
