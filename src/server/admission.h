/* SPDX-License-Identifier: MIT */
/*
 * Admission: when to accept, and what to do with clients who cannot be served at once.
 *
 * The rule is that nobody is refused. While the table is full nothing is accepted: clients wait in
 * the kernel's queue, in order, and cost nothing. When the machine is short of something (no
 * descriptor, no memory, no process for the client just accepted) admission pauses, and goes on
 * when a client ends or after ADMISSION_PAUSE_NS. So a shortage never spins and never ends the
 * service.
 *
 * A limit per source cannot be kept by not accepting, because only accept(2) tells the source. So
 * one process alone accepts then, the parent of the fork engine or the supervisor. Connections over
 * their source's limit are accepted and wait in a queue until one of that source ends,
 * ADMISSION_QUEUE_MAX at most, and are served in the order in which they came. One that the client
 * ends meanwhile is dropped. If the queue is full, the source that has the most connections there
 * gives way to others: its latest is turned away, with a FIN. So no source waits for another one.
 */
#ifndef SERVER_ADMISSION_H
#define SERVER_ADMISSION_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "net/accept.h"
#include "net/peer.h"
#include "server/workers/dispatch.h"
#include "server/linger.h"
#include "server/listen_drain.h"
#include "server/server.h"

/* How long to leave the queue alone: short enough that relief is felt within a second. */
#define ADMISSION_PAUSE_NS (200 * CLOCK_NS_PER_MS)

/* Connections that can wait after they were accepted. Each costs a descriptor. */
#define ADMISSION_QUEUE_MAX 256

/* Descriptors to poll for those that wait: one more waits if the machine is short of something. */
#define ADMISSION_POLLS (ADMISSION_QUEUE_MAX + 1)

/* Clients accepted from one socket before we look at everything else again. */
#define ADMISSION_BUDGET 64

/* An accepted connection. */
struct waiting_client {
	int fd;
	struct peer peer;
	uint64_t ticket;   /* in a worker: its number in the supervisor's table, else 0 */
	uint64_t start_ns; /* while it waits: since when */
	short poll_events; /* and what it is polled for, besides errors */
};

/*
 * How an engine begins to serve a client who has just been entered, on its connected socket
 * client->fd. It takes the socket and returns 0; or it cannot, because the machine is short of
 * something: then it leaves the socket alone and returns the negative code.
 */
typedef int admission_serve_fn(void *engine, struct client *client);

struct admission {
	struct server *server;
	admission_serve_fn *serve;
	void *engine;
	uint64_t resume_ns;             /* nothing is accepted before, 0: not paused */
	_Atomic uint64_t *last_said_ns; /* when a shortage was last logged, by anybody */
	_Atomic uint64_t own_last_said_ns;
	struct waiting_client wait_queue[ADMISSION_QUEUE_MAX + 1]; /* in order of arrival */
	size_t n_waiting, queue_limit;
	struct linger_list linger;        /* those that were turned away */
	struct listen_drain listen_drain; /* of the process that decides on the end */
	_Atomic int *listen_state;        /* enum listen_drain_state */
	_Atomic int own_listen_state;
	uint64_t found_empty;             /* a bit for each socket whose queue was empty */
	struct dispatch_message *message; /* the last one taken (server/workers/dispatch.h) */
	struct dispatch_message own_message;
};

/* Prepares a zeroed admission. */
void admission_setup(struct admission *admission, struct server *server, admission_serve_fn *serve,
		     void *engine);

/* May clients be accepted now? If not, the listening sockets are not to be polled. */
bool admission_is_open(const struct admission *admission);

/* Has it paused? */
bool admission_is_paused(const struct admission *admission);

/*
 * Ends a pause whose time has come, looks at the connections that were turned away, and once the
 * drain timeout has come, turns those in the room away. To be called once in every round, before
 * all else here.
 */
void admission_pass_time(struct admission *admission);

/*
 * Nothing is accepted for a while, because the machine is short of something. Says what could not
 * be done, and why, once a second.
 */
void admission_pause(struct admission *admission, const char *what, int code);

/* A client has ended: what was short may be there again, and who waited may be next. */
void admission_client_ended(struct admission *admission);

/*
 * Accepts from a listening socket that is ready. *is_ready becomes false as soon as a connection
 * was taken, or none was there. Returns why it stopped: never ACCEPT_NEXT.
 */
enum accept_verdict admission_accept(struct admission *admission, const struct listener *listener,
				     bool *is_ready);

/*
 * Accepts from every listening socket that is ready: is_ready[i] is about the i-th, and is false
 * afterwards unless nothing was accepted there although something may be waiting. Returns 0, or
 * -EBADF when a socket is lost; while the server drains, such a socket is only closed.
 */
MUST_USE int admission_accept_ready(struct admission *admission, bool *is_ready);

/*
 * Sets up descriptors to poll for the connections that wait, ADMISSION_POLLS at most, and returns
 * their number; and drops connections that the client has ended, when they were polled. Between the
 * two calls nothing may be served or accepted.
 */
size_t admission_poll_waiting(const struct admission *admission, struct pollfd *ret_polls);
void admission_drop_ended(struct admission *admission, const struct pollfd *polls);

/* Serves those in the room who now can be. To be called in every round, before accepting. */
void admission_serve_waiting(struct admission *admission);

/* When to look again though nothing happens, or CLOCK_NEVER. */
uint64_t admission_deadline_ns(const struct admission *admission);

/* For the process that decides on the end: stops new connections, once the server drains. */
void admission_stop(struct admission *admission);

/*
 * For the same process, in every round from then on: once the drain timeout has come, turns away
 * the connections in the accept queues, as many at a time as the lingering close has room for.
 * found_empty: a bit for each listening socket, as in struct admission, of the processes that
 * accept. has_room: one of them has room for a client; if not, a queue that was empty before the
 * stop counts as empty. Returns true when the accept queues are empty and stay empty, or must be
 * closed as they are: then call admission_close().
 */
MUST_USE bool admission_drain(struct admission *admission, uint64_t found_empty, bool has_room);

/* The same for a queue that is not among the listening sockets (server/workers/dispatch.h). */
void admission_turn_away(struct admission *admission, const struct listener *listener);

/* Turns away the connections that are in the accept queues, and closes the listening sockets. */
void admission_close(struct admission *admission);

/*
 * The server drains and nothing is left: no client, no connection that waits or lingers, and no
 * listening socket.
 */
bool admission_is_over(const struct admission *admission);

#endif
