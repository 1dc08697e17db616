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
 * over their source's limit too and keeps them in the wait queue, at most ADMISSION_QUEUE_MAX. It
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
#include "server/workers/dispatch.h"

/* Length of a pause: short enough that the service continues within a second after a shortage. */
#define ADMISSION_PAUSE_NS (200 * CLOCK_NS_PER_MS)

/* Maximum connections in the wait queue. Each costs a descriptor. */
#define ADMISSION_QUEUE_MAX 256

/* Descriptors to poll for the wait queue: one more connection waits during a shortage. */
#define ADMISSION_POLLS (ADMISSION_QUEUE_MAX + 1)

/* Maximum clients accepted from one socket before other events are handled. */
#define ADMISSION_BUDGET 64

/* An accepted connection. */
struct waiting_client {
	int fd;
	struct peer peer;
	uint64_t ticket;   /* in a worker: its number in the supervisor's table, else 0 */
	uint64_t start_ns; /* while it waits: time at which the wait began */
	short poll_events; /* while it waits: the events to poll for, besides errors */
};

/*
 * Starts to serve a client on its connected socket client->fd. The client is already in the table.
 * On success the engine owns the socket, and the function returns 0. If the machine lacks a
 * resource, it leaves the socket open and returns a negative code.
 */
typedef int admission_serve_fn(void *engine, struct client *client);

struct admission {
	struct server *server;
	admission_serve_fn *serve;
	void *engine;
	uint64_t resume_ns;             /* end of the pause, 0: not paused */
	_Atomic uint64_t *last_said_ns; /* when any process last logged a shortage */
	_Atomic uint64_t own_last_said_ns;
	struct waiting_client wait_queue[ADMISSION_QUEUE_MAX + 1]; /* in order of arrival */
	size_t n_waiting, queue_limit;
	struct linger_list linger;        /* connections that were turned away */
	struct listen_drain listen_drain; /* used by the process that controls the drain */
	_Atomic int *listen_state;        /* enum listen_drain_state */
	_Atomic int own_listen_state;
	uint64_t found_empty;             /* one bit for each socket whose accept queue was empty */
	struct dispatch_message *message; /* last message received (server/workers/dispatch.h) */
	struct dispatch_message own_message;
};

/* Prepares a zeroed admission. */
void admission_setup(struct admission *admission, struct server *server, admission_serve_fn *serve,
		     void *engine);

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
void admission_pass_time(struct admission *admission);

/*
 * Starts a pause because the machine lacks a resource. Logs what failed and why, at most once a
 * second.
 */
void admission_pause(struct admission *admission, const char *what, int code);

/* A client has ended: ends a pause, because the resource may be available again. */
void admission_client_ended(struct admission *admission);

/*
 * Accepts from a listening socket that is ready. *is_ready becomes false as soon as a connection
 * was accepted, or the accept queue was empty. Returns why it stopped: never ACCEPT_NEXT.
 */
enum accept_verdict admission_accept(struct admission *admission, const struct listener *listener,
				     bool *is_ready);

/*
 * Accepts from every listening socket that is ready. is_ready[i] refers to socket i. It remains
 * true only if nothing was accepted there although connections may wait. Returns 0, or -EBADF if a
 * socket fails; while the server drains, such a socket is only closed.
 */
MUST_USE int admission_accept_ready(struct admission *admission, bool *is_ready);

/*
 * admission_poll_waiting() fills in descriptors to poll for the wait queue, at most
 * ADMISSION_POLLS, and returns their number. After poll(2), admission_drop_ended() drops
 * connections that the client has ended. Nothing may be served or accepted between the two calls.
 */
size_t admission_poll_waiting(const struct admission *admission, struct pollfd *ret_polls);
void admission_drop_ended(struct admission *admission, const struct pollfd *polls);

/*
 * Serves connections in the wait queue whose source is below its limit. Must be called in every
 * turn, before accepting.
 */
void admission_serve_waiting(struct admission *admission);

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
