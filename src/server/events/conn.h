/* SPDX-License-Identifier: MIT */
/*
 * A connection in a loop that serves many clients: the readiness driver of the echo (echo/echo.h).
 * It does what the echo wants, until that would block. Also how a connection ends, and its timers.
 *
 *   serving --idle----------------> stopped: FIN, then lingering --timeout--> closed
 *      |    `-aborted (at once)-----^
 *      `-the client's FIN, all echoed--> waiting for the last acknowledgement --> closed
 *
 * All connections share one buffer, which so stays in the cache. Bytes are in it only from a
 * receive to the send after it. Bytes that the client does not take then are saved in a buffer of
 * the pool (server/events/buffer_pool.h). Nothing is received from the client until they are sent.
 *
 * A loop waits for events and calls conn_step(): server/events/epoll_loop.c. The uring engine
 * (engines/uring.c) lets the ring receive and send in the common case, and calls conn_step() in all
 * others.
 */
#ifndef SERVER_EVENTS_CONN_H
#define SERVER_EVENTS_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "echo/echo.h"
#include "net/io.h"
#include "server/client_table.h"
#include "server/close_reason.h"
#include "server/events/buffer_pool.h"
#include "server/events/timer_queue.h"
#include "server/workers/worker.h"

/* Maximum receives in a turn; a full buffer ends it too. Then other connections get their turn. */
#define CONN_RECEIVES_MAX 4

/*
 * Maximum turns for bytes that arrived before the deadline of a connection: more than a receive
 * buffer holds.
 */
#define CONN_LAST_TURNS_MAX 64

/* A connection in such a loop: its whole memory while no bytes are kept. */
struct conn {
	struct client client;
	struct echo echo;
	struct queue_timer timer;
	uint32_t kept_buffer; /* pool buffer with its unsent bytes, number + 1; 0: none */
	uint32_t n_queued;    /* bytes of conn_queue_rx() that the echo has not received */
	uint32_t n_unacked;   /* bytes that the client had not acknowledged at the last check */
	uint32_t n_ack_polls; /* number of checks while it awaits acknowledgements */
	bool awaits_acks;     /* both FINs are sent, and not everything is acknowledged yet */
};

/* What a connection waits for, in a timer queue. */
enum conn_queue {
	CONN_IDLE,            /* for a byte to move, with --idle-timeout */
	CONN_LINGER,          /* for the client's FIN after ours: the idle timeout has expired */
	CONN_LINGER_ABORTING, /* the same, while the server aborts */
	CONN_ACKS_SOON,       /* for the next check of acknowledgements */
	CONN_ACKS_LATER,      /* the same, after a longer time */
	CONN_SHORTAGE,        /* for memory that the kernel lacks */
	CONN_FAULT_SOON,      /* for the time of a fault: the next millisecond */
	CONN_FAULT_LATER,     /* the same, if that is more than a moment away */
	CONN_FAULT_LATE,      /* the same, if it is seconds away */
	CONN_QUEUES
};

/* The connections of a loop. Zeroed before conn_set_open(). */
struct conn_set {
	struct server *server;
	uint64_t now_ns; /* time of the last conn_update_now(); deadlines are compared with it */
	uint64_t busy_until_ns; /* until then it polls without sleeping (--busy-poll); 0: not */
	struct timer_queues timers;
	struct timer_queue queues[CONN_QUEUES];
	bool is_aborting;
	struct conn_faults *faults; /* NULL: no faults on request (server/events/conn_faults.h) */
	struct buffer_pool pool;
	IO_ALIGNED unsigned char buffer[CLIENT_BUFFER_SIZE];
};

/* Result of a turn. */
enum conn_turn {
	CONN_WAITS, /* waits for an event: bytes, or room to send if bytes are unsent */
	CONN_AGAIN, /* its turn is over, more bytes may be available */
	CONN_OVER,  /* the connection is over: close the socket, then conn_count_out() */
};

/*
 * Opens a set for the clients of a worker, with pool buffers of kept_size bytes, at least
 * CLIENT_BUFFER_SIZE. Returns 0 or -errno.
 */
MUST_USE int conn_set_open(struct conn_set *conns, struct server *server, size_t kept_size);
void conn_set_close(struct conn_set *conns);

/* Iterates over all connections: returns the one after `after`; the first if `after` is NULL. */
struct conn *conn_next(const struct conn_set *conns, const struct conn *after);

/* ---- a turn ---- */

/*
 * Does one turn. empties: receive until nothing is available; if not, a receive shorter than
 * requested is taken as the last one.
 */
enum conn_turn conn_step(struct conn_set *conns, struct conn *conn, bool empties);

/*
 * Saves the unsent bytes of the echo from `bytes`, a buffer that the caller owns, in a pool buffer.
 */
void conn_save_unsent(struct conn_set *conns, struct conn *conn, const unsigned char *bytes);

/*
 * Appends bytes that the caller has received to the unsent bytes in the pool buffer; they are
 * echoed in order. Returns false if the buffer has no room for them.
 */
MUST_USE bool conn_queue_rx(struct conn_set *conns, struct conn *conn, const void *bytes, size_t n);

/* Returns the buffer that has the unsent bytes of the echo. */
const unsigned char *conn_unsent_bytes(const struct conn_set *conns, const struct conn *conn);

/* Drops all bytes in the pool buffer and returns the buffer. */
void conn_drop_buffer(struct conn_set *conns, struct conn *conn);

/* Writes the counters of the echo into the statistics, for other processes. */
void conn_publish_stats(struct conn *conn);

/*
 * A call for this connection failed because the kernel lacks memory or another resource. Its next
 * turn comes a little later, whatever events arrive. Logs the shortage at most once a second.
 */
void conn_wait_out_shortage(struct conn_set *conns, struct conn *conn, int code);

/* Returns whether the connection waits out a shortage. Then no other call is made for it. */
bool conn_is_short(const struct conn *conn);

/* ---- timers ---- */

/*
 * Reads the clock for conn_next_expired(). Called after every wait. any_event: the wait returned an
 * event.
 */
void conn_update_now(struct conn_set *conns, bool any_event);

/* Returns until when to wait: the next deadline, 0: do not sleep, or CLOCK_NEVER. */
uint64_t conn_deadline_ns(const struct conn_set *conns);

/*
 * Returns the next connection whose deadline has passed, for a turn, or NULL. A deadline counts
 * only after the bytes that have arrived: the server may have been stopped (SIGSTOP) until the
 * deadline had passed.
 */
struct conn *conn_next_due(struct conn_set *conns);

/* Starts the idle timeout anew: the connection begins, or a byte has moved. */
void conn_restart_idle(struct conn_set *conns, struct conn *conn);

/* Starts a timer for about until_ns: at most a millisecond, or a few percent, late. */
void conn_start_fault_timer(struct conn_set *conns, struct conn *conn, uint64_t until_ns);

/* Stops the timer, because the only next step is to close the socket. */
void conn_stop_timer(struct conn_set *conns, struct conn *conn);

/* ---- the end of a connection ---- */

/* The connection failed with this code. */
void conn_fail(struct conn *conn, int code);

/*
 * Aborts a connection because the server ends: serves the bytes that have arrived, then stops it
 * unless they ended the connection. A turn must follow.
 */
void conn_abort(struct conn_set *conns, struct conn *conn);

/* Counts the connection out. The connection is over, and its socket is closed. */
void conn_count_out(struct conn_set *conns, struct conn *conn);

/* ---- the steps of these functions, here for their tests ---- */

/*
 * Returns the next connection whose deadline has passed, and the queue in which it waited, or NULL.
 * Takes it out of that queue.
 */
struct conn *conn_next_expired(struct conn_set *conns, enum conn_queue *ret_queue);

/*
 * Returns whether a connection is idle after its time in CONN_IDLE. It is not idle if its socket is
 * ready: bytes that arrived while the server was stopped count. Nor is it idle if the kernel has
 * moved bytes meanwhile. Then the idle timeout starts anew.
 */
MUST_USE bool conn_check_idle(struct conn_set *conns, struct conn *conn);

/* Sets the close reason, unless one is set. code: the negative code behind CLOSE_ERROR, or 0. */
void conn_set_reason(struct conn *conn, enum close_reason reason, int code);

/* Ends the connection from our side, for the reason, with a lingering close. */
void conn_stop(struct conn_set *conns, struct conn *conn, enum close_reason reason);

/* Shortens the linger timeout of a connection that lingers already, because the server aborts. */
void conn_shorten_linger(struct conn_set *conns, struct conn *conn);

/*
 * Sends our FIN, as the echo wants, or leaves that to close(2). If the client has all bytes,
 * reports that to the echo. If not, the connection awaits acknowledgements: conn_poll_acks() checks
 * them later.
 */
void conn_finish(struct conn_set *conns, struct conn *conn);

/*
 * Checks whether a connection that awaits acknowledgements has all of them; if so, reports that to
 * the echo.
 */
void conn_poll_acks(struct conn_set *conns, struct conn *conn);

#endif
