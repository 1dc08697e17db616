/* SPDX-License-Identifier: MIT */
/*
 * A running server: what its engine works with.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "net/activation.h"
#include "server/clients.h"
#include "server/drain.h"
#include "server/ending.h"
#include "server/listeners.h"
#include "server/sandbox.h"

/* What all clients since the start amount to. */
struct totals {
	uint64_t accepted, ended, killed, turned_away;
	uint64_t in, out; /* bytes, of those who have ended */
	uint64_t cut_off; /* who could not finish because the server ended */
};

struct server {
	struct listeners listeners;
	struct sandbox sandbox;
	struct activation_notify manager; /* who wants to know how far we are */
	int signals_fd;
	struct clients clients;
	struct drain drain;
	struct totals totals;
	uint64_t max_per_source; /* 0: no limit */
	uint64_t idle_timeout_ns;
	uint64_t drain_timeout_ns;
	bool quiet; /* no line for a client who ends */
};

/*
 * Reads every signal that has come in: TERM and INT move the drain, USR1 prints the totals. Returns
 * whether there was a SIGCHLD, and one stands for any number of children.
 */
bool server_hear_signals(struct server *server);

/* The drain may have come to its next phase by time alone. Says so in the log. */
void server_pass_time(struct server *server);

/*
 * A client's child has ended: counts it, logs its line and gives its entry back.
 * signal: what killed it, or 0. status: its exit status.
 */
void server_client_ended(struct server *server, struct client *client, int signal, int status);

/* A client is closed without having been served, for this reason. */
void server_client_turned_away(struct server *server, const char *peer, enum ending reason);

/* `totals clients=3 accepted=120 ended=117 ...`, with the bytes of those who are still there. */
void server_log_totals(const struct server *server);

#endif
