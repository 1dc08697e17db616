/* SPDX-License-Identifier: MIT */
/*
 * Accepting, and the one place that knows what each error of accept(2) means.
 *
 * accept(2) on Linux passes on errors that wait on the new connection, so most of its errors say
 * nothing about the listening socket. A server that ends, or spins, on one of them can be switched
 * off by any client. Every errno becomes one of five verdicts here; callers never look at errno.
 */
#ifndef NET_ACCEPT_H
#define NET_ACCEPT_H

#include "base/compiler.h"
#include "net/addr.h"

enum accept_verdict {
	ACCEPT_GOT,   /* a client */
	ACCEPT_NONE,  /* nobody is waiting: poll again */
	ACCEPT_NEXT,  /* this client is lost, the listening socket is well: take the next */
	ACCEPT_PAUSE, /* the machine is short of something: leave the queue alone for a while */
	ACCEPT_LOST,  /* the listening socket itself is unusable: only a bug does that */
};

/* The verdict on a code of accept(2): pure. Codes it does not know are a reason to pause. */
enum accept_verdict accept_judge(int code);

/* The name of a verdict, for logs and tests. Static storage. */
const char *accept_verdict_name(enum accept_verdict verdict);

/*
 * Takes one client from a non-blocking listening socket. With ACCEPT_GOT *ret_fd is the connected
 * socket, close-on-exec, the caller's, and *ret_peer its address, IPv4 as IPv4. The address comes
 * from accept itself: a client that was reset while it waited has none any more (getpeername gives
 * ENOTCONN). With any other verdict but ACCEPT_NONE *reterr_code is the negative code behind it.
 */
MUST_USE enum accept_verdict accept_client(int listen_fd, int *ret_fd, struct addr *ret_peer,
					   int *reterr_code);

#endif
