/* SPDX-License-Identifier: MIT */
/*
 * A running server: the data that its engine works with, and where the end of a connection is
 * counted. What only the process with the signals has is in server/control.h.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdint.h>

#include "net/peer.h"
#include "server/client_table.h"
#include "server/close_reason.h"
#include "server/config.h"
#include "server/drain.h"
#include "server/listeners.h"
#include "server/sandbox.h"

struct control;
struct dispatch_message;
struct event_ring;
struct wakeup;

/* How a worker reports what the supervisor counts and logs. */
struct supervisor_link {
	_Atomic uint64_t *accepted;
	const struct event_ring *event_ring;
	const struct wakeup *wakeup;
	_Atomic uint64_t *last_logged_ns; /* when any worker last logged that clients wait */
	_Atomic int *listen_state;        /* enum listen_drain_state (server/listen_drain.h) */
	int presence_fd;                  /* hung up: no process will ever read the event ring */
	struct dispatch_message *message; /* of a worker served by the supervisor */
};

/* The part of the server in one process. In a worker it is the worker's own since fork(2). */
struct server {
	const struct server_config *config;
	struct control *control;      /* NULL in a worker */
	struct supervisor_link *link; /* in a worker: to the supervisor; NULL otherwise */
	struct client_table clients;  /* the clients that it serves */
	struct drain drain;           /* in a worker only the phase is used */
	struct sandbox sandbox;
	struct listeners listeners; /* its copies of the listening sockets */
};

/* Logs what failed because of a shortage and why, at most once a second. */
void server_log_shortage(const struct server *server, const char *what, int code);

/* Counts an accepted client, whether it is served or not. */
void server_client_accepted(struct server *server);

/*
 * A client has ended: counts it, logs its line and frees its entry. A worker posts the record to
 * its supervisor, which counts and logs. signal: the signal that killed the serving process, or 0.
 * status: the process's exit status, if it has ended.
 */
void server_client_ended(struct server *server, struct client *client, int signal, int status);

/*
 * A client is closed without having been served, for this reason. code: the negative code behind
 * CLOSE_ERROR, or 0. ticket: as in struct client.
 */
void server_client_turned_away(struct server *server, const struct peer *peer,
			       enum close_reason reason, int code, uint64_t ticket);

/*
 * A client that waited since start_ns has ended the connection itself: it sent nothing before, or
 * failed with the error `code`.
 */
void server_client_left(struct server *server, const struct peer *peer, uint64_t start_ns,
			int code);

#endif
