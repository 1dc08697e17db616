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
 * A limit per source cannot be kept by not accepting, for only accept tells who it is. So clients
 * over that limit are accepted and wait, CLIENTS_WAITING_MOST of them in the whole server, until
 * one of their source ends; and only one more of such a source is turned away, with a FIN. They are
 * served in the order in which they came, whichever worker has accepted them.
 */
#ifndef SERVER_ADMISSION_H
#define SERVER_ADMISSION_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "net/accept.h"
#include "net/peer.h"
#include "server/linger.h"
#include "server/listen_drain.h"
#include "server/server.h"

/* How long to leave the queue alone: short enough that relief is felt within a second. */
#define ADMISSION_PAUSE_NS (200 * CLOCK_NS_PER_MS)

/* Clients who can wait after they were accepted. Each costs a descriptor. */
#define ADMISSION_ROOM CLIENTS_WAITING_MOST

/*
 * Another worker's client who makes room for one who waits is told of (clients_limit_sources());
 * should that worker have died before it could tell, it is looked so often.
 */
#define ADMISSION_LOOK_NS CLOCK_NS_PER_S

/* Clients accepted from one socket before we look at everything else again. */
#define ADMISSION_BUDGET 64

/* An accepted client: its connected socket, and who it is. */
struct arrival {
	int fd;
	struct peer peer;
	uint64_t ticket; /* of one who waits for his source, else 0 */
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
	struct arrival room[ADMISSION_ROOM + 1]; /* in order of arrival */
	size_t n_waiting, n_places;
	struct linger_list linger;        /* those that were turned away */
	struct listen_drain listen_drain; /* of the process that decides on the end */
	_Atomic int *listen_state;        /* enum listen_drain_state */
	_Atomic int own_listen_state;
	uint64_t found_empty; /* as listen_drain_is_empty() wants it */
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

/* Turns away the connections that are in the accept queues, and closes the listening sockets. */
void admission_close(struct admission *admission);

/*
 * The server drains and nothing is left: no client, no connection that waits or lingers, and no
 * listening socket.
 */
bool admission_is_over(const struct admission *admission);

#endif
