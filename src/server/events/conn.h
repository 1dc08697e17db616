/* SPDX-License-Identifier: MIT */
/*
 * The common part of the engines that serve many clients from one loop: a connection, how it ends,
 * and its timers.
 *
 *   serving --idle----------------> stopped: FIN, then lingering --timeout--> closed
 *      |    `-aborted (at once)-----^
 *      `-the client's FIN, all echoed--> leaving, until all is acknowledged --> closed
 *
 * The loop receives and sends, by readiness (server/events/epoll_loop.c) or by completion
 * (engines/uring.c). The echo (echo/echo.h) states the next action.
 */
#ifndef SERVER_EVENTS_CONN_H
#define SERVER_EVENTS_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "echo/echo.h"
#include "server/client_table.h"
#include "server/close_reason.h"
#include "server/events/timer_queue.h"
#include "server/workers/worker.h"

/*
 * Maximum bytes per receive, and maximum bytes kept for a client. Large, so that bulk data needs
 * few calls, but small enough for the cache of a core.
 */
#define CONN_BUFFER_SIZE ((size_t)64 * 1024)

/* A connection in such a loop: its whole memory while no bytes are kept. */
struct conn {
	struct client client;
	struct echo echo;
	struct queue_timer timer;
	uint32_t piece;   /* buffer with its unsent bytes, number + 1; 0: none */
	uint32_t stashed; /* bytes in that buffer that the echo has not received yet (conn_io.h) */
	uint32_t on_its_way; /* bytes that the client had not acknowledged at the last check */
	uint32_t looks;      /* number of checks while leaving */
	bool is_leaving;     /* both FINs are sent, and not everything is acknowledged yet */
};

/* What a connection waits for, in a timer queue. */
enum conn_queue {
	CONN_IDLE,            /* for a byte to move, with --idle-timeout */
	CONN_LINGER,          /* for the client's FIN after ours: the idle timeout has expired */
	CONN_LINGER_ABORTING, /* the same, while the server aborts */
	CONN_LEAVE_SOON,      /* for the next check of acknowledgements */
	CONN_LEAVE,           /* the same, after a longer time */
	CONN_SHORTAGE,        /* for memory that the kernel lacks */
	CONN_QUEUES
};

struct conn_set {
	struct server *server;
	uint64_t now_ns; /* time of the last conn_update_now(); deadlines are compared with it */
	uint64_t busy_until_ns; /* until then it polls without sleeping (--busy-poll); 0: not */
	struct timer_queues timers;
	struct timer_queue queues[CONN_QUEUES];
	bool is_aborting;
};

void conn_set_open(struct conn_set *conns, struct server *server);

/*
 * Reads the clock for conn_next_expired(). Called after every wait. any_event: the wait returned an
 * event.
 */
void conn_update_now(struct conn_set *conns, bool any_event);

/* Returns until when to wait: the next deadline, 0: do not sleep, or CLOCK_NEVER. */
uint64_t conn_deadline_ns(const struct conn_set *conns);

/*
 * Returns the next connection whose deadline has passed, and the queue in which it waited, or NULL.
 * Takes it out of that queue.
 */
struct conn *conn_next_expired(struct conn_set *conns, enum conn_queue *ret_queue);

/* Starts the idle timeout anew: the connection begins, or a byte has moved. */
void conn_restart_idle(struct conn_set *conns, struct conn *conn);

/*
 * Returns whether a connection is idle after its time in CONN_IDLE. It is not idle if its socket is
 * ready: bytes that arrived while the server was stopped count. Nor is it idle if the kernel has
 * moved bytes meanwhile. Then the idle timeout starts anew.
 */
MUST_USE bool conn_check_idle(struct conn_set *conns, struct conn *conn);

/* Sets the close reason, unless one is set. code: the negative code behind CLOSE_ERROR, or 0. */
void conn_set_reason(struct conn *conn, enum close_reason reason, int code);

/* The connection failed with this code. */
void conn_fail(struct conn *conn, int code);

/* Ends the connection from our side, for the reason, with a lingering close. */
void conn_stop(struct conn_set *conns, struct conn *conn, enum close_reason reason);

/* Shortens the linger timeout of a connection that lingers already, because the server aborts. */
void conn_shorten_linger(struct conn_set *conns, struct conn *conn);

/* Writes the counters of the echo into the statistics, for other processes. */
void conn_publish_stats(struct conn *conn);

/*
 * Sends our FIN, as the echo wants, or leaves that to close(2). If the client has all bytes,
 * reports that to the echo. If not, the connection is leaving: conn_poll_acks() checks it later.
 */
void conn_finish(struct conn_set *conns, struct conn *conn);

/*
 * Checks whether a connection that is leaving has all bytes acknowledged; if so, reports that to
 * the echo.
 */
void conn_poll_acks(struct conn_set *conns, struct conn *conn);

/*
 * A call for this connection failed because the kernel lacks memory or another resource. Its next
 * turn comes a little later, whatever events arrive. Logs the shortage at most once a second.
 */
void conn_wait_out_shortage(struct conn_set *conns, struct conn *conn, int code);

/* Returns whether the connection waits out a shortage. Then no other call is made for it. */
bool conn_is_short(const struct conn *conn);

/* Stops the timer, because the only next step is to close the socket. */
void conn_stop_timer(struct conn_set *conns, struct conn *conn);

/* Counts the connection out. The connection is over, and its socket is closed. */
void conn_count_out(struct conn_set *conns, struct conn *conn);

/* Iterates over all connections: returns the one after `after`; the first if `after` is NULL. */
struct conn *conn_next(const struct conn_set *conns, const struct conn *after);

#endif
