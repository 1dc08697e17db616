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
#include "echo/echo.h"
#include "server/client_table.h"
#include "server/close_reason.h"
#include "server/config.h"

struct session {
	int fd;                      /* the connected socket; the session does not close it */
	bool is_unix;                /* not TCP: no byte is ever in transit */
	int shutdown_fd;             /* readable or hung up: the server aborts the connection */
	uint64_t recv_timeout_ns;    /* receive timeout of the socket (SO_RCVTIMEO), 0: none */
	uint64_t idle_timeout_ns;    /* idle timeout, 0: none */
	struct conn_stats *stats;    /* updated at every step */
	struct fault_stream *faults; /* faults on request; NULL: none */
	unsigned char *buffer; /* IO_ALIGNED, CLIENT_BUFFER_SIZE bytes; only the session uses it */

	/*
	 * For a process with other work besides its client: session_run() returns when
	 * interrupt_fd becomes readable or hangs up (once), at interrupt_ns, and when the
	 * connection is aborted (once).
	 */
	bool is_interruptible;
	int interrupt_fd;
	uint64_t interrupt_ns; /* CLOCK_NEVER: at no time */

	/* The state. Zeroed at first. */
	bool is_interrupted;
	bool fd_interrupted; /* interrupt_fd was ready; not polled again */
	bool is_aborting;    /* the shutdown pipe is closed; not polled again */
	struct echo echo;
	enum close_reason reason;
	uint64_t linger_deadline_ns;
	unsigned int rounds;      /* receives since the last poll of the shutdown pipe */
	uint64_t polled_ns;       /* time of that poll, 0: not yet known */
	bool is_quiet;            /* the last receive found no bytes */
	uint64_t waited_ns;       /* and waited this long for them */
	unsigned int n_last;      /* while aborting: receives left for bytes that have arrived */
	uint64_t ack_pause_ns;    /* pause before the next check of acknowledgements, 0: none yet */
	uint64_t ack_deadline_ns; /* end of these checks */
};

/*
 * Echoes until the connection ends: the client sent its FIN and has all its bytes and our FIN; or
 * the connection was reset; or a timeout or the shutdown pipe ended it, and the lingering close is
 * finished. Returns the reason, and stores it in the statistics. Returns CLOSE_NONE if it was
 * interrupted: then it must be called again.
 */
enum close_reason session_run(struct session *session);

#endif
