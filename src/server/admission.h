/* SPDX-License-Identifier: MIT */
/*
 * Admission: when to accept, and what to do with a client that cannot be served at once.
 *
 * No client is refused. While the client table is full the server does not accept: clients wait in
 * the kernel's accept queue, in order, at no cost. If the machine lacks a resource (no descriptor,
 * no memory, no process for the client just accepted), admission pauses. It continues when a client
 * ends or after ADMISSION_PAUSE_NS. So a shortage never causes a busy loop and never ends the
 * service.
 *
 * A limit per source needs accept(2), because only accept(2) returns the source address. So only
 * one process accepts then: the parent of the fork engine or the supervisor. It accepts connections
 * over their source's limit too and keeps them in the wait queue (server/wait_queue.h). It
 * serves them in order of arrival, each when a connection of that source ends. A connection that
 * its client ends meanwhile is dropped. If the queue is full, the newest connection of the source
 * with the most entries is turned away, with a FIN. So no source waits for another source.
 */
#ifndef SERVER_ADMISSION_H
#define SERVER_ADMISSION_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "net/accept.h"
#include "net/peer.h"
#include "server/linger.h"
#include "server/listen_drain.h"
#include "server/server.h"
#include "server/wait_queue.h"
#include "server/workers/dispatch.h"

/* Length of a pause: short enough that the service continues within a second after a shortage. */
#define ADMISSION_PAUSE_NS (200 * CLOCK_NS_PER_MS)

/* Maximum clients accepted from one socket before other events are handled. */
#define ADMISSION_BUDGET 64

/* How far admission_next() has come in a turn. */
struct admission_turn {
	size_t waiting;       /* next entry of the wait queue */
	size_t listener;      /* next listening socket */
	unsigned int n_tries; /* calls of accept(2) on it */
	/* the connection that was handed out last, and its index in the wait queue */
	struct waiting_client client;
	size_t place;
};

struct admission {
	struct server *server;
	uint64_t resume_ns; /* end of the pause, 0: not paused */
	struct admission_turn turn;
	bool is_ready[LISTENERS_MAX]; /* by listening socket: connections may wait there */
	struct wait_queue wait_queue;
	_Atomic uint64_t *last_logged_ns; /* when any process last logged a shortage */
	_Atomic uint64_t own_last_logged_ns;
	struct linger_list linger;        /* connections that were turned away */
	struct listen_drain listen_drain; /* used by the process that controls the drain */
	_Atomic int *listen_state;        /* enum listen_drain_state */
	_Atomic int own_listen_state;
	uint64_t found_empty;             /* one bit for each socket whose accept queue was empty */
	struct dispatch_message *message; /* last message received (server/workers/dispatch.h) */
	struct dispatch_message own_message;
};

/* Prepares a zeroed admission. */
void admission_setup(struct admission *admission, struct server *server);

/*
 * Returns whether clients may be accepted now. If not, the caller must not poll the listening
 * sockets.
 */
bool admission_is_open(const struct admission *admission);

/* Returns whether admission is paused. */
bool admission_is_paused(const struct admission *admission);

/*
 * Ends a pause that is over, and reads from the connections that linger. After the drain timeout it
 * also turns away the wait queue. Must be the first call to admission in every turn of the loop.
 */
void admission_check_time(struct admission *admission);

/*
 * Starts a pause because the machine lacks a resource. Logs what failed and why, at most once a
 * second.
 */
void admission_pause(struct admission *admission, const char *what, int code);

/* A client has ended: ends a pause, because the resource may be available again. */
void admission_client_ended(struct admission *admission);

/*
 * Hands out the next client that can be served: first from the wait queue, if its source is below
 * its limit, then from the listening sockets whose is_ready is set, at most ADMISSION_BUDGET from
 * each. The client is in the table, and client->fd is its connected socket. The caller starts to
 * serve it, or gives it back with admission_put_back(). The caller must repeat the call until it
 * returns 0; the next call then begins a new turn.
 *
 * is_ready[i] becomes false when a connection was accepted from socket i, or its accept queue was
 * empty. It remains true if nothing was accepted although connections may wait.
 *
 * Returns 1 and *ret_client; 0 if no client is left, or none can be served now; -EBADF if a
 * listening socket fails. While the server drains, such a socket is only closed.
 */
MUST_USE int admission_next(struct admission *admission, struct client **ret_client);

/*
 * Takes back the client that was handed out last, because the machine lacks a resource to serve
 * it: it returns to its place in the wait queue, and admission pauses. code: what failed. The
 * caller must not have closed client->fd.
 */
void admission_put_back(struct admission *admission, struct client *client, int code);

/*
 * Drops connections of the wait queue that the client has ended. polls: the result of poll(2) for
 * wait_queue_poll(). admission_next() must not be called between the two.
 */
void admission_drop_ended(struct admission *admission, const struct pollfd *polls);

/* Returns when the next call is due without an event, or CLOCK_NEVER. */
uint64_t admission_deadline_ns(const struct admission *admission);

/* Stops new connections once the server drains. For the process that controls the drain. */
void admission_stop(struct admission *admission);

/*
 * Turns away the connections in the accept queues after the drain timeout, at most as many as the
 * lingering close has room for. For the process that controls the drain, in every turn.
 *
 * found_empty: one bit for each listening socket, as in struct admission, of the processes that
 * accept. has_room: at least one of them has room for a client; if not, a queue that was empty
 * before the stop counts as empty. Returns true if the accept queues are empty and stay empty, or
 * must be closed although they are not: then call admission_close().
 */
MUST_USE bool admission_drain(struct admission *admission, uint64_t found_empty, bool has_room);

/* The same for a queue that is not a listening socket (server/workers/dispatch.h). */
void admission_turn_away(struct admission *admission, const struct listener *listener);

/* Turns away the connections in the accept queues, and closes the listening sockets. */
void admission_close(struct admission *admission);

/*
 * Returns whether the server drains and nothing is left: no client, no waiting or lingering
 * connection, and no listening socket.
 */
bool admission_is_over(const struct admission *admission);

#endif
