/* SPDX-License-Identifier: MIT */
/*
 * A worker: a process that serves its own clients, beside other workers, under one supervisor
 * (server/workers/supervisor.h).
 *
 * It accepts by itself from the shared listening sockets, up to its share of --max-clients. A full
 * worker stops accepting, and a worker that is not full accepts the waiting clients. So the limit
 * of the server is kept without a count that all workers would have to write.
 *
 * A new client wakes one worker, the one that has waited longest. EPOLLEXCLUSIVE always wakes the
 * first worker in the queue of waiters, so each worker moves to its end when it has accepted. A
 * worker that was woken and cannot accept wakes another worker by a wake-up descriptor
 * (eventfd(2)), for which workers with room wait too. If it was stopped or killed before that, the
 * supervisor wakes another worker (server/workers/accept_watch.h).
 *
 * Two shutdown pipes (server/shutdown_pipe.h), held only by the supervisor, announce the end. The
 * first is closed when the server drains and the accept queues are empty and stay empty: until then
 * workers accept as usual. The second is closed to abort the remaining connections. If the
 * supervisor is killed, both are closed.
 *
 * The engine decides what a worker does with a client: engines/prefork.c, thread.c, epoll.c and
 * uring.c. A turn of an engine is: worker_wait(), its own events, worker_next_client().
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
#include "server/server.h"
#include "server/workers/dispatch.h"
#include "server/workers/event_ring.h"

/*
 * Shared memory in which a worker shows its state to the supervisor. Only the worker writes here.
 */
struct worker_slot {
	_Alignas(64) _Atomic uint64_t accepted; /* clients since it was started */
	_Atomic int is_full;                    /* it has no room for another client */
	_Atomic int is_paused;                  /* it lacks a resource (server/admission.h) */
	_Atomic int has_closed;                 /* it has closed its listening sockets */
	_Atomic uint64_t found_empty;    /* one bit for each socket whose accept queue was empty */
	_Atomic int is_serving;          /* setup is complete, and it waits for clients */
	_Atomic int code;                /* why it ends: a negative code, or 0 */
	struct dispatch_message message; /* last message from the supervisor */
};

/* Tags of the epoll set below this value belong to the engine. */
#define WORKER_TAGS (UINT64_C(1) << 63)

struct worker {
	unsigned int number; /* from 0 */
	unsigned int n_workers;
	bool is_spare;   /* started for a temporary load, and may end after it */
	bool has_filter; /* worker_open() installs the worker's own filter (server/sandbox.h) */
	struct worker_slot *slot;
	struct server *server; /* its own view: its table, its copies of the listening sockets */
	int closing_fd;        /* hung up: the server drains, and all accept queues are empty */
	int shutdown_fd; /* hung up: the drain timeout has expired, or the supervisor is dead */
	int wakeup_fd;   /* readable: a connection waits, and a worker with room must accept it */
	/* Set up by worker_open(): */
	struct poller poller;
	struct poller_events events;
	struct admission admission;
	bool polls_listeners; /* set by an engine that waits for the listening sockets itself */
	bool is_armed; /* it waits for the listening sockets, in the epoll set or in the engine */
	bool waits_for_wakeup; /* the wake-up descriptor is in the epoll set */
	bool is_in_turn;       /* worker_next_client() will be called again */
	bool was_woken;        /* in this turn, for connections that may wait */
	uint64_t closed_empty; /* one bit for each socket that it closed as empty */
};

/*
 * Opens what waiting and accepting need, then gives up the calls that only opening needs
 * (server/sandbox.h). So an engine must open its own resources before. Returns 0 or -errno.
 */
MUST_USE int worker_open(struct worker *worker);
void worker_close(struct worker *worker);

/*
 * Reports to the supervisor that setup is complete. An engine must call it before its first wait.
 * The server is ready when the first worker has called this.
 */
void worker_report_serving(struct worker *worker);

/*
 * Waits for events until the deadline. worker->events contains the events with the engine's tags;
 * worker_next_client() handles the others. Returns 0 or -errno.
 */
MUST_USE int worker_wait(struct worker *worker, uint64_t deadline_ns);

/* Returns when worker_wait() is due without an event, 0: at once. */
uint64_t worker_deadline_ns(const struct worker *worker);

/*
 * Hands out the next client to serve, as admission_next() does: the engine starts to serve it, or
 * gives it back with admission_put_back(&worker->admission, ...). Must be called in every turn,
 * after the engine's own events, until it returns 0: otherwise an event of an old client could be
 * taken for a new client in the same table entry. When it returns 0, the worker waits for more
 * clients if it has room. Returns 1 and *ret_client, 0, or a negative code if a listening socket
 * fails.
 */
MUST_USE int worker_next_client(struct worker *worker, struct client **ret_client);

/*
 * Closes the listening sockets when the server ends. The supervisor has found the accept queues
 * empty, or turns away the connections in them. If the supervisor is dead, the worker turns them
 * away itself.
 */
void worker_close_listeners(struct worker *worker);

/*
 * Reports to the supervisor that this worker has no listening socket any more. For an engine that
 * waits for the listening sockets itself, and whose requests hold references to them.
 */
void worker_report_closed(struct worker *worker);

/* Returns whether the server aborts. Then the engine must end every connection. */
bool worker_is_aborting(const struct worker *worker);

/* Returns whether the worker has nothing left to do and must end. */
bool worker_is_done(const struct worker *worker);

#endif
