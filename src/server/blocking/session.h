/* SPDX-License-Identifier: MIT */
/*
 * One connection from accept to close, in a process or thread that serves only this client: the
 * blocking driver of the echo (echo/echo.h).
 */
#ifndef SERVER_BLOCKING_SESSION_H
#define SERVER_BLOCKING_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "server/client_table.h"
#include "server/close_reason.h"

/*
 * Maximum bytes per receive, and maximum bytes kept for a client that never reads. Large, so that
 * bulk data needs few calls; small echoes use only its first page.
 */
#define SESSION_BUFFER_SIZE ((size_t)64 * 1024)

/*
 * Linger timeout: after an idle timeout, and while the server itself ends and waits for this
 * process.
 */
#define SESSION_LINGER_IDLE_NS     (5 * CLOCK_NS_PER_S)
#define SESSION_LINGER_ABORTING_NS CLOCK_NS_PER_S

struct session {
	int fd;                   /* the connected socket; the session does not close it */
	bool is_unix;             /* not TCP: no byte is ever in transit */
	int shutdown_fd;          /* readable or hung up: the server aborts the connection */
	uint64_t recv_timeout_ns; /* receive timeout of the socket (SO_RCVTIMEO), 0: none */
	uint64_t idle_timeout_ns; /* idle timeout, 0: none */
	struct conn_stats *stats; /* updated at every step */
	unsigned char *buffer; /* IO_ALIGNED, SESSION_BUFFER_SIZE bytes; only the session uses it */

	/*
	 * For a process with other events besides its client. Called once when notice_fd is
	 * readable or hung up (-1: never), and once when the connection is aborted. NULL: not used.
	 */
	void (*notice)(void *context, bool aborting);
	void *context;
	int notice_fd;

	/*
	 * Other work of the process, done before each wait. Returns when it is due again, or
	 * CLOCK_NEVER. NULL: none.
	 */
	uint64_t (*do_beside)(void *context);
};

/*
 * Echoes until the connection ends: the client sent its FIN and has all its bytes and our FIN; or
 * the connection was reset; or a timeout or the shutdown pipe ended it, and the lingering close is
 * finished. Returns the reason, and stores it in the statistics.
 */
enum close_reason session_run(const struct session *session);

#endif
