/* SPDX-License-Identifier: MIT */
/*
 * What the engines that serve many clients from one loop have in common: the client of such a loop,
 * how its conversation ends, and when it is looked at though nothing has happened.
 *
 *   serving --idle----------------> stopped: FIN, then lingering --patience--> closed
 *      |    `-called off (at once)--^
 *      `-the client's FIN, all echoed--> leaving, until all is acknowledged --> closed
 *
 * The loop does the receiving and sending, by readiness (server/events/epoll_loop.c) or by
 * completion (engines/uring.c); the echo (echo/echo.h) says what comes next.
 */
#ifndef SERVER_EVENTS_CONN_H
#define SERVER_EVENTS_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "echo/echo.h"
#include "server/client_table.h"
#include "server/events/timer_queue.h"
#include "server/close_reason.h"
#include "server/workers/worker.h"

/*
 * Bytes received at a time, and all of a client's that we ever keep. Large, so that bulk moves in
 * few calls, and in the cache of a core.
 */
#define CONN_BUFFER_SIZE ((size_t)64 * 1024)

/* A client of such a loop: what each costs us while nothing of its bytes is kept. */
struct conn {
	struct client client;
	struct echo echo;
	struct queue_timer timer;
	uint32_t piece;      /* where its bytes lie that could not be sent, number + 1; 0: none */
	uint32_t stashed;    /* bytes there that the echo has not received yet (conn_io.h) */
	uint32_t on_its_way; /* bytes that the client had not acknowledged at the last look */
	uint32_t looks;      /* how often it was looked at while leaving */
	bool is_leaving;     /* its FIN has come, ours has gone, not all is acknowledged yet */
};

/* Where a client waits for time to pass. */
enum conn_queue {
	CONN_IDLE,            /* for a byte to move, where --idle-timeout is on */
	CONN_LINGER,          /* for its end, after ours: we ended it for being idle */
	CONN_LINGER_ABORTING, /* the same, but the server is in a hurry */
	CONN_LEAVE_SOON,      /* to be looked at again whether it has all */
	CONN_LEAVE,           /* the same, after a while */
	CONN_SHORTAGE,        /* for memory that the kernel did not have */
	CONN_QUEUES
};

struct conn_set {
	struct server *server;
	uint64_t now_ns;        /* time of the last conn_update_now(): deadlines are judged by it */
	uint64_t busy_until_ns; /* until then it looks and does not sleep (--busy-poll); 0: not */
	struct timer_queues timers;
	struct timer_queue queues[CONN_QUEUES];
	bool is_aborting;
};

void conn_set_open(struct conn_set *conns, struct server *server);

/* Reads the clock for conn_next_expired(). Called after every wait: was there an event? */
void conn_update_now(struct conn_set *conns, bool any_event);

/* Time until which to wait: for conn_next_expired(), 0: do not sleep, or CLOCK_NEVER. */
uint64_t conn_deadline_ns(const struct conn_set *conns);

/*
 * The next client whose time has come, and the queue in which it waited; NULL: there is none. It is
 * in no queue then.
 */
struct conn *conn_next_expired(struct conn_set *conns, enum conn_queue *ret_queue);

/* A byte has moved, or the conversation begins: it is not idle. */
void conn_restart_idle(struct conn_set *conns, struct conn *conn);

/*
 * Was the connection idle, whose time in CONN_IDLE is over? No, if its socket is ready (bytes that
 * arrived while the server was stopped count), or if the kernel has moved bytes of it. Then its
 * time begins again.
 */
MUST_USE bool conn_check_idle(struct conn_set *conns, struct conn *conn);

/* The reason of its end, if it has none yet. code: the negative code behind CLOSE_ERROR, or 0. */
void conn_set_reason(struct conn *conn, enum close_reason reason, int code);

/* The connection is broken. */
void conn_fail(struct conn *conn, int code);

/* We end it: for the reason, with a lingering close. */
void conn_stop(struct conn_set *conns, struct conn *conn, enum close_reason reason);

/* One that was ended already and lingers, for the server is called off. */
void conn_shorten_linger(struct conn_set *conns, struct conn *conn);

/* What the echo has counted, for whoever looks from outside. */
void conn_publish_stats(struct conn *conn);

/*
 * Sends our FIN, as the echo wants, and tells it if that is all there is to wait for. If not, it is
 * leaving: to be looked at again by conn_poll_acks().
 */
void conn_finish(struct conn_set *conns, struct conn *conn);

/* Looks whether one that is leaving has all; if so, the echo knows. */
void conn_poll_acks(struct conn_set *conns, struct conn *conn);

/*
 * A call for this connection failed because the kernel is short of something: its next turn comes a
 * little later, whatever events there are. Says so, once a second.
 */
void conn_wait_out_shortage(struct conn_set *conns, struct conn *conn, int code);

/* Does it wait for that? Then nothing else is asked of the kernel for it. */
bool conn_is_short(const struct conn *conn);

/* It has nothing to wait for any more, but for its socket to be closed. */
void conn_stop_timer(struct conn_set *conns, struct conn *conn);

/* The conversation is over, its socket closed: counts it out. */
void conn_count_out(struct conn_set *conns, struct conn *conn);

/* Walks over all who are there: the next after one, the first after NULL. */
struct conn *conn_next(const struct conn_set *conns, const struct conn *after);

#endif
