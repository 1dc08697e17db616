/* SPDX-License-Identifier: MIT */
/*
 * The first bytes of a server's reply. `talk` keeps them to identify a server that is no echo
 * server.
 */
#ifndef CLIENT_FIRST_REPLY_H
#define CLIENT_FIRST_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "client/peer_fingerprint.h"
#include "client/window.h"

#define FIRST_REPLY_SIZE ((size_t)1024)

/* Zeroed: empty. */
struct first_reply {
	unsigned char bytes[FIRST_REPLY_SIZE];
	size_t n;
};

/* Keeps as many of n bytes as there is room for. */
void first_reply_add(struct first_reply *reply, const unsigned char *bytes, size_t n);

/* Waits up to 100 ms for the bytes that follow a wrong byte. */
void first_reply_await(struct first_reply *reply, int fd);

/*
 * Returns true and *ret_endpoint if the reply identifies another protocol, or an echo changed by a
 * rule. window: of the same connection. ended: the server has closed it.
 */
bool first_reply_identify(const struct first_reply *reply, const struct window *window, bool ended,
			  struct peer_fingerprint *ret_endpoint);

#endif
