/* SPDX-License-Identifier: MIT */
/*
 * What only the controlling process of a server has and does: the parent of the fork engine, or the
 * supervisor. It reads the signals, moves the drain on, counts and logs all clients, and writes
 * what must be written again because its reader did not read. Workers do none of this.
 */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/systemd.h"
#include "server/client_table.h"
#include "server/close_reason.h"
#include "server/ready.h"
#include "server/server.h"

/* Totals of all clients since the start, except clients that are still connected. */
struct totals {
	uint64_t accepted, ended, killed, turned_away;
	uint64_t in, out; /* bytes, of clients that have ended */
	uint64_t cut_off; /* clients that could not finish after the shutdown request */
};

struct control {
	struct totals totals;
	int signals_fd;
	struct systemd_notify manager; /* the service manager (systemd) to notify */
	struct ready_lines ready;
};

/* What the signals requested. */
struct control_request {
	bool child_ended; /* SIGCHLD; one stands for any number of children */
	bool totals;      /* USR1 */
	bool new_phase;   /* TERM, INT: the drain has a new phase */
};

/*
 * Reads pending signals, up to a signal that starts a new phase of the drain. Also tries again to
 * write what could not be written: the lines of --ready-fd, a state for the service manager, the
 * log.
 */
struct control_request control_read_signals(struct server *server);

/* Returns when control_read_signals() is due next: for the drain, or to write again. */
uint64_t control_deadline_ns(const struct server *server);

/* Moves the drain to the next phase if the time has come. Returns whether it did. */
MUST_USE bool control_check_time(struct server *server);

/* Logs the drain phase and what it means for n_clients, and notifies the service manager. */
void control_log_phase(struct server *server, uint32_t n_clients);

/*
 * io_wait() for the controlling process. It waits out a shortage of memory, with a warning: then no
 * descriptor is ready. Returns the number of ready descriptors, 0 at the deadline, or -errno.
 */
MUST_USE int control_wait(struct pollfd *fds, size_t n, uint64_t deadline_ns);

/* Counts and logs a connection that has ended, here or in a worker. */
void control_count(struct server *server, const struct conn_record *record);

/* Adds the bytes that a connected client has sent and received so far. */
void totals_add_client(struct totals *totals, const struct client *client);

/* Logs `totals clients=3 accepted=120 ended=117 ...` */
void totals_log(const struct totals *totals, uint64_t n_clients);

/* The same for this server, with the bytes of clients that are still connected. */
void control_log_totals(const struct server *server);

/* Closes the descriptors. Also in a new worker, which must not have them. */
void control_close(struct control *control);

#endif
