/* SPDX-License-Identifier: MIT */
/*
 * The server's address, for all threads of a load. A thread that cannot connect requests a new
 * lookup; the main thread does it (client/redial.h).
 */
#ifndef CLIENT_LOAD_LOAD_SERVER_H
#define CLIENT_LOAD_LOAD_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/dial.h"
#include "client/redial.h"
#include "net/addr.h"

/* Maximum number of different addresses in a run. */
#define LOAD_ADDRESSES_MAX 64

struct load_server {
	struct addr list[LOAD_ADDRESSES_MAX]; /* an entry never changes once it is set */
	uint32_t n;
	_Atomic uint32_t current; /* index of the address to connect to */
	atomic_bool is_failed;    /* a connection failed: look for another address */
	atomic_bool is_slow;      /* the current address does not answer: look for another */
	/* For the main thread only. */
	struct redial redial;
	uint64_t next_slow_ns; /* earliest time of the next lookup for a silent address */
	uint64_t n_opened;     /* connections that it opened and closed again */
};

/*
 * Starts with the address that `request` found. `request` is copied; the objects that it points to
 * must outlive the server.
 */
void load_server_open(struct load_server *ret_server, const struct dial_request *request,
		      const struct addr *addr);

/*
 * Returns the address to connect to. The object does not change, but the next call may return
 * another.
 */
const struct addr *load_server_addr(const struct load_server *server);

/* Requests a lookup after a failed connection: the server may have another address now. */
void load_server_report_failed(struct load_server *server);

/*
 * Requests another address to try in parallel: the current one has not answered for
 * DIAL_ATTEMPT_DELAY_NS.
 */
void load_server_report_slow(struct load_server *server);

/* For the main thread, several times a second: looks for the server if a thread requested it. */
void load_server_update(struct load_server *server);

#endif
