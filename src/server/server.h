/* SPDX-License-Identifier: MIT */
/*
 * A running server: what its engine works with.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/activation.h"
#include "net/writer.h"
#include "server/client_table.h"
#include "server/drain.h"
#include "server/close_reason.h"
#include "server/shutdown_pipe.h"
#include "server/listeners.h"
#include "server/sandbox.h"

struct engine;
struct dispatch_message;
struct event_ring;
struct wakeup;

/* What all clients since the start amount to, but for those who are still there. */
struct totals {
	uint64_t accepted, ended, killed, turned_away;
	uint64_t in, out; /* bytes, of those who have ended */
	uint64_t cut_off; /* clients that could not finish, once the server was asked to end */
};

/* Where a worker's view of the server sends what the supervisor has to count and to log. */
struct supervisor_link {
	_Atomic uint64_t *accepted;
	const struct event_ring *event_ring;
	const struct wakeup *wakeup;
	_Atomic uint64_t *last_said_ns;   /* that clients wait, which one of them says for all */
	_Atomic int *listen_state;        /* enum listen_drain_state (server/listen_drain.h) */
	int presence_fd;                  /* hung up: nobody will ever read a report */
	struct dispatch_message *message; /* of a worker to which the supervisor passes clients */
};

/* The addresses, one a line, that --ready-fd is still to be given. */
struct ready_lines {
	struct writer writer; /* its fd is -1 if there is none, or it has all of them */
	bool is_file;         /* a file or a device, not a pipe or a socket */
	size_t from, size;
	char text[LISTENERS_MAX * ADDR_TEXT_SIZE];
};

struct server {
	const struct engine *engine;
	struct listeners listeners;
	struct sandbox sandbox;
	struct activation_notify manager; /* who wants to know how far we are */
	int signals_fd;
	struct shutdown_pipe
		shutdown_pipe; /* of the children that the server itself starts (engine fork) */
	struct ready_lines ready;
	struct client_table clients;
	struct drain drain;
	struct totals totals;
	uint64_t max_per_source; /* 0: no limit */
	uint64_t idle_timeout_ns;
	uint64_t drain_timeout_ns;
	uint64_t busy_poll_ns; /* engines that wait for many: look so long before sleeping */
	uint32_t max_clients;
	uint32_t n_workers;           /* of the engines that have them */
	uint32_t per_worker;          /* clients at once that one of them serves at most */
	bool quiet;                   /* no line for a client who ends */
	struct supervisor_link *link; /* of a worker's view; NULL: it counts and logs itself */
};

/* What signals have asked for. */
struct server_asked {
	bool child_ended; /* one SIGCHLD stands for any number of children */
	bool totals;      /* USR1 */
	bool new_phase;   /* TERM, INT: the drain is in another phase now */
};

/*
 * What could not be written because the other side did not read: the lines of --ready-fd, a state
 * for the service manager, the log. server_write_ready() returns 0 when all lines are written,
 * -EAGAIN if some are left, or -errno; the descriptor is then closed. server_read_signals() tries
 * all of them again.
 */
MUST_USE int server_write_ready(struct server *server);

/* When signals are to be looked at the next time: for the drain, or to try again. */
uint64_t server_deadline_ns(const struct server *server);

/* Closes the descriptor for readiness, unless it is a standard one. */
void server_close_ready(struct server *server);

/* Reads the signals that have come in, up to one that brings a new phase of the drain. */
struct server_asked server_read_signals(struct server *server);

/* The drain may come to its next phase by time alone: returns whether it did. */
MUST_USE bool server_pass_time(struct server *server);

/* Says in the log, and to the service manager, what the drain's phase means for n_clients. */
void server_log_phase(struct server *server, uint32_t n_clients);

/* Says what a shortage does not allow, and why, once a second. */
void server_log_shortage(const struct server *server, const char *what, int code);

/*
 * io_wait() for the process that signals go to. A shortage of memory is waited out, with a warning:
 * then no descriptor is ready. Returns how many are, 0 at the deadline, or -errno.
 */
MUST_USE int server_wait(struct pollfd *fds, size_t n, uint64_t deadline_ns);

/* A client was accepted, whatever becomes of it. */
void server_client_accepted(struct server *server);

/*
 * A client has ended: counts it, logs its line and gives its entry back. A worker tells its
 * supervisor, who does the first two.
 * signal: what killed the process that served it, or 0. status: how that ended, where it is gone.
 */
void server_client_ended(struct server *server, struct client *client, int signal, int status);

/*
 * A client is closed without having been served, for this reason. code: the negative code behind
 * CLOSE_ERROR, or 0. ticket: as in struct client.
 */
void server_client_turned_away(struct server *server, const struct peer *peer,
			       enum close_reason reason, int code, uint64_t ticket);

/*
 * A client that waited since start_ns has ended the connection itself, after it had sent nothing,
 * or by the error `code`.
 */
void server_client_left(struct server *server, const struct peer *peer, uint64_t start_ns,
			int code);

/* Counts and logs what a worker has told. */
void server_count(struct server *server, const struct conn_record *facts);

/* Adds the bytes that a client has moved so far. */
void server_add_moving(struct totals *totals, const struct client *client);

/* `totals clients=3 accepted=120 ended=117 ...` */
void server_log_totals_now(const struct totals *totals, uint64_t n_clients);

/* The same of this server, with the bytes of those who are still there. */
void server_log_totals(const struct server *server);

#endif
