/* SPDX-License-Identifier: MIT */
/*
 * The address of the server, for all threads of a load. A thread that cannot connect asks for it to
 * be looked for again; the thread that watches them does so (client/redial.h).
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
	struct addr list[LOAD_ADDRESSES_MAX]; /* entries do not change once they are there */
	uint32_t n;
	_Atomic uint32_t current; /* index of the one to connect to */
	atomic_bool is_wanted;    /* another address, because a connection failed */
	atomic_bool is_silent; /* or because the current one does not answer, and may still do so */
	/* Of the watching thread alone. */
	struct redial redial;
	uint64_t next_silent_ns; /* not asked for another address before */
	uint64_t n_opened;       /* connections that it opened, and closed again */
};

/* The server was found by a request. `request` is kept, with what it points at. */
void load_server_open(struct load_server *ret_server, const struct dial_request *request,
		      const struct addr *addr);

/* Where to connect to. The address does not change, but the next call may return another. */
const struct addr *load_server_addr(const struct load_server *server);

/* A connection failed: the server may have another address by now. */
void load_server_want(struct load_server *server);

/* The address has not answered for DIAL_ATTEMPT_DELAY_NS: another one is to be tried beside it. */
void load_server_want_other(struct load_server *server);

/* For the watching thread, several times a second: looks for the server, if that is wanted. */
void load_server_look(struct load_server *server);

#endif
