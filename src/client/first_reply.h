/* SPDX-License-Identifier: MIT */
/*
 * The first bytes of a server's reply, kept by `talk` to name a server that is no echo.
 */
#ifndef CLIENT_FIRST_REPLY_H
#define CLIENT_FIRST_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "client/peer_fingerprint.h"
#include "client/window.h"

#define FIRST_REPLY_SIZE ((size_t)1024)

/* A zeroed one is empty. */
struct first_reply {
	unsigned char bytes[FIRST_REPLY_SIZE];
	size_t n;
};

/* Keeps as many of n bytes as there is room for. */
void first_reply_add(struct first_reply *reply, const unsigned char *bytes, size_t n);

/* After a wrong byte, waits 100 ms at most for the rest. */
void first_reply_await(struct first_reply *reply, int fd);

/*
 * Returns true and *ret_endpoint if the reply is that of another protocol, or an echo changed by a
 * rule. window: of the same connection; ended: the server has closed it.
 */
bool first_reply_name(const struct first_reply *reply, const struct window *window, bool ended,
		      struct peer_fingerprint *ret_endpoint);

#endif
