/* SPDX-License-Identifier: MIT */
/*
 * Serves a metrics page over HTTP: GET /metrics, which Prometheus requests every few seconds. Why
 * it is written by hand: docs/decisions/0016-metrics-http-server.md.
 *
 * It runs in the loop of the held connections and costs it little, whatever the HTTP clients do.
 * There are at most METRICS_CLIENTS_MAX clients, each with one request and one response of bounded
 * size. If all slots are taken, a new client replaces the oldest.
 */
#ifndef CLIENT_HOLD_METRICS_SERVER_H
#define CLIENT_HOLD_METRICS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "client/hold/http.h"
#include "net/addr.h"
#include "net/listen.h"
#include "net/poller.h"
#include "stats/disconnects.h"

#define METRICS_CLIENTS_MAX   16
#define METRICS_RESPONSE_SIZE ((size_t)16 * 1024)

struct metrics_client {
	int fd;          /* -1: free slot */
	uint64_t serial; /* order of arrival: the lowest is the oldest */
	bool is_sent;    /* the whole response and our FIN are sent */
	size_t request_size, response_size, n_sent;
	char request[HTTP_HEAD_MAX];
	char response[METRICS_RESPONSE_SIZE];
};

struct metrics_server {
	int listen_fds[ADDR_MAX_RESOLVED];
	struct addr addrs[ADDR_MAX_RESOLVED]; /* addresses of listen_fds */
	int n_listeners;                      /* 0: the server is closed */
	struct listen_path path;              /* of a unix socket */
	struct poller *poller;
	uint64_t first_tag;  /* in the poller: listening sockets first, then clients */
	uint64_t resumes_ns; /* after a resource shortage: accept nothing before this; 0: accept */
	uint64_t n_clients;  /* clients accepted so far */
	struct metrics_client clients[METRICS_CLIENTS_MAX];
};

/* Number of tags, from first_tag, that the server uses. */
#define METRICS_TAGS (ADDR_MAX_RESOLVED + METRICS_CLIENTS_MAX)

/*
 * Listens on all addresses of a name and adds itself to the poller, which must outlive it. Returns
 * 0, or a negative code with nothing open. A zeroed server is closed.
 */
MUST_USE int metrics_server_open(struct metrics_server *server, const struct addr_spec *spec,
				 struct poller *poller, uint64_t first_tag);
void metrics_server_close(struct metrics_server *server);

/*
 * Handles an event that poller_wait() returned for a tag of the server. disconnects: figures to
 * render.
 */
void metrics_server_event(struct metrics_server *server, uint64_t tag,
			  const struct disconnects *disconnects);

/* Accepts again. Call it when resumes_ns is not 0 and has passed. */
void metrics_server_resume(struct metrics_server *server);

#endif
