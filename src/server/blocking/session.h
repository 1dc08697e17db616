/* SPDX-License-Identifier: MIT */
/*
 * One client's conversation from accept to close, by a process or thread that has nothing else to
 * do: the blocking driver of the echo (echo/echo.h).
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
 * Bytes read at a time, and all that a client who never reads can make us keep. Large, so that bulk
 * moves in few calls; small echoes touch only the first page of it.
 */
#define SESSION_BUFFER_SIZE ((size_t)64 * 1024)

/*
 * How long the lingering close waits for the client to end as well: when we end it because nothing
 * moved, and when the server itself is on its way out and waits for us.
 */
#define SESSION_LINGER_IDLE_NS     (5 * CLOCK_NS_PER_S)
#define SESSION_LINGER_ABORTING_NS CLOCK_NS_PER_S

struct session {
	int fd;                   /* the connected socket; the session does not close it */
	bool is_unix;             /* not TCP: nothing is ever on its way */
	int shutdown_fd;          /* readable or hung up: the server calls us off */
	uint64_t recv_timeout_ns; /* of the socket (SO_RCVTIMEO), 0: none */
	uint64_t idle_timeout_ns; /* end when nothing moved for so long; 0: never */
	struct conn_stats *stats; /* kept up to date with every step */
	unsigned char *buffer;    /* IO_ALIGNED, SESSION_BUFFER_SIZE bytes; its own while it runs */

	/*
	 * For a process that has more to hear of than its client: called once when notice_fd is
	 * readable or hung up (-1: never), and once when it is called off. NULL: there is nothing.
	 */
	void (*notice)(void *context, bool aborting);
	void *context;
	int notice_fd;

	/*
	 * Other work of the process, done before each wait: returns when it must be done again, or
	 * CLOCK_NEVER. NULL: there is none.
	 */
	uint64_t (*do_beside)(void *context);
};

/*
 * Echoes until the conversation is over: the client ended it and has all its bytes and our FIN; or
 * it was reset; or a limit of time, or the lifeline, ended it, and then the lingering close was
 * kept. Returns why, and leaves the same in the score.
 */
enum close_reason session_run(const struct session *session);

#endif
