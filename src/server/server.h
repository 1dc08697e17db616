/* SPDX-License-Identifier: MIT */
/*
 * A running server: the data that its engine works with.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/activation.h"
#include "net/writer.h"
#include "server/client_table.h"
#include "server/close_reason.h"
#include "server/drain.h"
#include "server/listeners.h"
#include "server/sandbox.h"
#include "server/shutdown_pipe.h"

struct engine;
struct dispatch_message;
struct event_ring;
struct wakeup;

/* Totals of all clients since the start, except clients that are still connected. */
struct totals {
	uint64_t accepted, ended, killed, turned_away;
	uint64_t in, out; /* bytes, of clients that have ended */
	uint64_t cut_off; /* clients that could not finish after the shutdown request */
};

/* Where a worker's view of the server sends what the supervisor counts and logs. */
struct supervisor_link {
	_Atomic uint64_t *accepted;
	const struct event_ring *event_ring;
	const struct wakeup *wakeup;
	_Atomic uint64_t *last_said_ns;   /* when any worker last logged that clients wait */
	_Atomic int *listen_state;        /* enum listen_drain_state (server/listen_drain.h) */
	int presence_fd;                  /* hung up: no process will ever read the event ring */
	struct dispatch_message *message; /* of a worker served by the supervisor */
};

/* The addresses, one per line, that are not yet written to --ready-fd. */
struct ready_lines {
	struct writer writer; /* fd is -1 if there is no --ready-fd, or all is written */
	bool is_file;         /* a file or a device, not a pipe or a socket */
	size_t from, size;
	char text[LISTENERS_MAX * ADDR_TEXT_SIZE];
};

struct server {
	const struct engine *engine;
	struct listeners listeners;
	struct sandbox sandbox;
	struct activation_notify manager; /* the service manager (systemd) to notify */
	int signals_fd;
	struct shutdown_pipe shutdown_pipe; /* for the children of the fork engine */
	struct ready_lines ready;
	struct client_table clients;
	struct drain drain;
	struct totals totals;
	uint64_t max_per_source; /* 0: no limit */
	uint64_t idle_timeout_ns;
	uint64_t drain_timeout_ns;
	uint64_t busy_poll_ns; /* event loops: time to poll before sleeping */
	uint32_t max_clients;
	uint32_t n_workers;           /* in engines that have workers */
	uint32_t per_worker;          /* maximum clients at once per worker */
	bool quiet;                   /* no access log */
	struct supervisor_link *link; /* in a worker; NULL: this process counts and logs */
};

/* What the signals requested. */
struct server_asked {
	bool child_ended; /* SIGCHLD; one stands for any number of children */
	bool totals;      /* USR1 */
	bool new_phase;   /* TERM, INT: the drain has a new phase */
};

/*
 * Writes what could not be written before because the reader did not read: the lines of --ready-fd,
 * a state for the service manager, the log. server_write_ready() returns 0 when all lines are
 * written, -EAGAIN if some are left, or -errno; the descriptor is then closed.
 * server_read_signals() tries all of them again.
 */
MUST_USE int server_write_ready(struct server *server);

/* Returns when server_read_signals() is due next: for the drain, or to write again. */
uint64_t server_deadline_ns(const struct server *server);

/* Closes --ready-fd, unless it is a standard descriptor. */
void server_close_ready(struct server *server);

/* Reads pending signals, up to a signal that starts a new phase of the drain. */
struct server_asked server_read_signals(struct server *server);

/* Moves the drain to the next phase if the time has come. Returns whether it did. */
MUST_USE bool server_pass_time(struct server *server);

/* Logs the drain phase and what it means for n_clients, and notifies the service manager. */
void server_log_phase(struct server *server, uint32_t n_clients);

/* Logs what failed because of a shortage and why, at most once a second. */
void server_log_shortage(const struct server *server, const char *what, int code);

/*
 * io_wait() for the process that reads the signals. It waits out a shortage of memory, with a
 * warning: then no descriptor is ready. Returns the number of ready descriptors, 0 at the deadline,
 * or -errno.
 */
MUST_USE int server_wait(struct pollfd *fds, size_t n, uint64_t deadline_ns);

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

/* Counts and logs a record that a worker posted. */
void server_count(struct server *server, const struct conn_record *facts);

/* Adds the bytes that a client has sent and received so far. */
void server_add_moving(struct totals *totals, const struct client *client);

/* Logs `totals clients=3 accepted=120 ended=117 ...` */
void server_log_totals_now(const struct totals *totals, uint64_t n_clients);

/* The same for this server, with the bytes of clients that are still connected. */
void server_log_totals(const struct server *server);

#endif
