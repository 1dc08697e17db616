/* SPDX-License-Identifier: MIT */
/*
 * Accepts connections. This is the only place that knows what each error of accept(2) means.
 *
 * On Linux, accept(2) also returns errors that are pending on the new connection, so most errors
 * say nothing about the listening socket. If a server ends or spins because of one, any client can
 * stop it. Here each errno becomes one of five verdicts; callers never read errno.
 */
#ifndef NET_ACCEPT_H
#define NET_ACCEPT_H

#include "base/compiler.h"
#include "net/addr.h"

enum accept_verdict {
	ACCEPT_GOT,   /* a connection was accepted */
	ACCEPT_NONE,  /* the accept queue is empty: poll again */
	ACCEPT_NEXT,  /* this connection is lost, the listening socket is good: accept the next */
	ACCEPT_PAUSE, /* a resource of the machine is exhausted: pause before the next accept */
	ACCEPT_LOST,  /* the listening socket is unusable: only a bug causes this */
};

/* Returns the verdict on a code of accept(2). Pure function. Unknown codes are ACCEPT_PAUSE. */
enum accept_verdict accept_judge(int code);

/* Returns the name of a verdict, for logs and tests. Static storage. */
const char *accept_verdict_name(enum accept_verdict verdict);

/*
 * Accepts one connection from a non-blocking listening socket. With ACCEPT_GOT, *ret_fd is the
 * connected socket (close-on-exec, the caller closes it) and *ret_peer its address, with an
 * IPv4-mapped address as IPv4. The address comes from accept4(), because getpeername(2) fails with
 * ENOTCONN if the client reset the connection while it was queued. With any other verdict except
 * ACCEPT_NONE, *reterr_code is the negative code.
 */
MUST_USE enum accept_verdict accept_client(int listen_fd, int *ret_fd, struct addr *ret_peer,
					   int *reterr_code);

#endif
