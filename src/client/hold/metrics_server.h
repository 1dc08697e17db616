/* SPDX-License-Identifier: MIT */
/*
 * A page of figures for whoever asks by HTTP: GET /metrics, as Prometheus does it every few
 * seconds. Why by hand: docs/decisions/0016-a-page-by-hand.md.
 *
 * It shares the loop of who is asked and costs it little, whatever the visitors do: there are at
 * most METRICS_CLIENTS_MAX of them, each with a request and an answer of bounded size, and one
 * reply each. Who comes when all places are taken gets that of whoever has been there the longest.
 */
#ifndef CLIENT_HOLD_METRICS_SERVER_H
#define CLIENT_HOLD_METRICS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/disconnects.h"
#include "client/hold/http.h"
#include "net/addr.h"
#include "net/listen.h"
#include "net/poller.h"

#define METRICS_CLIENTS_MAX 16
#define METRICS_ANSWER_SIZE ((size_t)16 * 1024)

/* Writes the figures to `out`, a string of fewer than `size` bytes. Returns its length. */
typedef size_t metrics_render_fn(const struct disconnects *disconnects, char *out, size_t size);

struct metrics_client {
	int fd;             /* -1: nobody */
	uint64_t serial;    /* the lower, the longer is he here */
	bool has_been_told; /* all of the answer, and our FIN, are sent: until he is gone, too */
	size_t n_request, n_answer, n_sent;
	char request[HTTP_HEAD_MAX];
	char answer[METRICS_ANSWER_SIZE];
};

struct metrics_server {
	int listen_fds[ADDR_MAX_RESOLVED];
	struct addr addrs[ADDR_MAX_RESOLVED]; /* where they listen */
	int n_listeners;                      /* 0: the page is closed */
	struct listen_path path;              /* of a unix socket */
	struct poller *poller;
	uint64_t first_tag;  /* in the poller: of the listening sockets, then of the visitors */
	uint64_t resumes_ns; /* the machine was short of something: nobody is let in before; or 0 */
	uint64_t n_visitors; /* so far */
	metrics_render_fn *render;
	struct metrics_client visitors[METRICS_CLIENTS_MAX];
};

/* Tags from first_tag on that a page uses. */
#define METRICS_TAGS (ADDR_MAX_RESOLVED + METRICS_CLIENTS_MAX)

/*
 * Begins to listen, on all addresses of a name, and puts itself into the poller, which must outlive
 * it. Returns 0 or a negative code, with nothing open. A zeroed page is closed.
 */
MUST_USE int metrics_server_open(struct metrics_server *page, const struct addr_spec *spec,
				 metrics_render_fn *render, struct poller *poller,
				 uint64_t first_tag);
void metrics_server_close(struct metrics_server *page);

/* What poller_wait() told of one of its tags. What is rendered are these figures. */
void metrics_server_event(struct metrics_server *page, uint64_t tag,
			  const struct disconnects *disconnects);

/* To be called when resumes_ns, if it is not 0, has come. */
void metrics_server_resume(struct metrics_server *page);

#endif
