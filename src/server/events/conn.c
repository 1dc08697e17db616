/* SPDX-License-Identifier: MIT */
#include "server/events/conn.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "net/io.h"
#include "server/blocking/session.h"

/* Our FIN counts as an unacknowledged byte (RFC 9293 3.4). The kernel alone handles that one. */
#define FIN_SIZE 1

/*
 * Checks of acknowledgements while the last bytes are in transit: LOOKS_SOON short pauses, then
 * longer ones.
 */
#define LOOKS_SOON    8
#define LOOK_SOON_NS  (4 * CLOCK_NS_PER_MS)
#define LOOK_LATER_NS (250 * CLOCK_NS_PER_MS)

static struct queue_timer *deadline_of(const void *owner, uint32_t index)
{
	const struct client_table *clients = owner;
	return &((struct conn *)client_table_at(clients, index))->timer;
}

static uint32_t conn_index(const struct conn_set *conns, const struct conn *conn)
{
	return client_table_index(&conns->server->clients, &conn->client);
}

void conn_set_open(struct conn_set *conns, struct server *server)
{
	*conns = (struct conn_set){
		.server = server,
		.now_ns = clock_now_ns(),
		.queues = {
			[CONN_IDLE].span_ns = server->idle_timeout_ns,
			[CONN_LINGER].span_ns = SESSION_LINGER_IDLE_NS,
			[CONN_LINGER_ABORTING].span_ns = SESSION_LINGER_ABORTING_NS,
			[CONN_LEAVE_SOON].span_ns = LOOK_SOON_NS,
			[CONN_LEAVE].span_ns = LOOK_LATER_NS,
			[CONN_SHORTAGE].span_ns = IO_SHORTAGE_PAUSE_NS,
		},
	};
	conns->timers = (struct timer_queues){
		.owner = &server->clients,
		.of = deadline_of,
		.queues = conns->queues,
		.n_queues = CONN_QUEUES,
	};
}

/* ---- time ---- */

void conn_update_now(struct conn_set *conns, bool any_event)
{
	uint64_t busy_poll_ns = conns->server->busy_poll_ns;
	conns->now_ns = clock_now_ns();
	if (any_event && busy_poll_ns != 0)
		conns->busy_until_ns = clock_after_ns(conns->now_ns, busy_poll_ns);
}

uint64_t conn_deadline_ns(const struct conn_set *conns)
{
	bool is_busy = conns->busy_until_ns != 0 && clock_now_ns() < conns->busy_until_ns;
	return is_busy ? 0 : timer_queue_next_ns(&conns->timers);
}

struct conn *conn_next_expired(struct conn_set *conns, enum conn_queue *ret_queue)
{
	for (unsigned int queue = 0; queue < CONN_QUEUES; queue++) {
		uint32_t index;
		if (!timer_queue_due(&conns->timers, queue, conns->now_ns, &index))
			continue;
		timer_queue_leave(&conns->timers, index);
		*ret_queue = (enum conn_queue)queue;
		return (struct conn *)client_table_at(&conns->server->clients, index);
	}
	return NULL;
}

/* Uses the current time, because the server may have been stopped since the turn began. */
static void wait_in(struct conn_set *conns, struct conn *conn, enum conn_queue queue)
{
	timer_queue_enter(&conns->timers, queue, conn_index(conns, conn), clock_now_ns());
}

void conn_restart_idle(struct conn_set *conns, struct conn *conn)
{
	if (conns->server->idle_timeout_ns != 0 && !conn->echo.stopped)
		wait_in(conns, conn, CONN_IDLE);
}

bool conn_check_idle(struct conn_set *conns, struct conn *conn)
{
	uint32_t before = conn->on_its_way;
	conn->on_its_way = (uint32_t)io_unacknowledged(conn->client.fd);
	bool moved = conn->on_its_way < before || (before == 0 && conn->on_its_way > 0) ||
		     io_is_ready(conn->client.fd,
				 echo_wants(&conn->echo) == ECHO_WRITE ? POLLOUT : POLLIN);
	if (moved)
		wait_in(conns, conn, CONN_IDLE);
	return !moved;
}

/* ---- the end of a connection ---- */

void conn_set_reason(struct conn *conn, enum close_reason reason, int code)
{
	struct conn_stats *stats = &conn->client.stats;
	if (atomic_load_explicit(&stats->reason, memory_order_relaxed) != CLOSE_NONE)
		return; /* what happens while lingering is not the reason */
	atomic_store_explicit(&stats->code, code, memory_order_relaxed);
	atomic_store_explicit(&stats->reason, (int)reason, memory_order_relaxed);
}

void conn_fail(struct conn *conn, int code)
{
	conn_set_reason(conn, close_reason_of_code(code), code);
	conn->is_leaving = false;
	echo_failed(&conn->echo);
}

void conn_stop(struct conn_set *conns, struct conn *conn, enum close_reason reason)
{
	conn_set_reason(conn, reason, 0);
	conn->is_leaving = false;
	echo_stop(&conn->echo);
	wait_in(conns, conn, conns->is_aborting ? CONN_LINGER_ABORTING : CONN_LINGER);
}

void conn_shorten_linger(struct conn_set *conns, struct conn *conn)
{
	wait_in(conns, conn, CONN_LINGER_ABORTING);
}

void conn_publish_stats(struct conn *conn)
{
	struct conn_stats *stats = &conn->client.stats;
	atomic_store_explicit(&stats->in, conn->echo.in, memory_order_relaxed);
	atomic_store_explicit(&stats->out, conn->echo.out, memory_order_relaxed);
}

void conn_finish(struct conn_set *conns, struct conn *conn)
{
	int fd = conn->client.fd;
	size_t left = conn->echo.stopped || conn->client.peer.family == AF_UNIX
			      ? 0
			      : io_unacknowledged(fd);
	/* If all is acknowledged and the client has sent its FIN, close(2) sends our FIN. */
	if (!conn->echo.stopped && left == 0) {
		echo_finished(&conn->echo);
		return;
	}
	int rc = io_send_end(fd);
	if (rc < 0) {
		conn_fail(conn, rc);
	} else if (conn->echo.stopped) {
		echo_finished(&conn->echo);
	} else {
		conn->is_leaving = true;
		conn->on_its_way = (uint32_t)left;
		wait_in(conns, conn, CONN_LEAVE_SOON);
	}
}

/*
 * Returns whether nothing moved for the idle timeout, or since the server aborts, by the number of
 * checks.
 */
static bool waited_too_long(const struct conn_set *conns, const struct conn *conn)
{
	uint64_t most_ns = conns->server->idle_timeout_ns;
	if (conns->is_aborting) /* this check comes LOOK_LATER_NS after the last one */
		most_ns = SESSION_LINGER_ABORTING_NS - LOOK_LATER_NS;
	return most_ns != 0 && conn->looks >= LOOKS_SOON &&
	       (uint64_t)(conn->looks - LOOKS_SOON) * LOOK_LATER_NS >= most_ns;
}

/* The client has sent its FIN and acknowledged every byte, or the wait for that is over. */
static void stop_leaving(struct conn *conn)
{
	conn->is_leaving = false;
	echo_finished(&conn->echo);
}

void conn_poll_acks(struct conn_set *conns, struct conn *conn)
{
	int code = io_pending_error(conn->client.fd);
	uint32_t left = (uint32_t)io_unacknowledged(conn->client.fd);
	if (code < 0) {
		conn_fail(conn, code);
	} else if (left <= FIN_SIZE) {
		stop_leaving(conn);
	} else if (waited_too_long(conns, conn) && conns->is_aborting) {
		conn_set_reason(conn, CLOSE_DRAIN, 0);
		stop_leaving(conn);
	} else if (waited_too_long(conns, conn)) {
		conn_stop(conns, conn, CLOSE_IDLE);
	} else {
		bool moved = left < conn->on_its_way && !conns->is_aborting;
		if (moved && conn->looks > LOOKS_SOON)
			conn->looks = LOOKS_SOON;
		else if (conn->looks < UINT32_MAX)
			conn->looks++;
		conn->on_its_way = left;
		wait_in(conns, conn, conn->looks < LOOKS_SOON ? CONN_LEAVE_SOON : CONN_LEAVE);
	}
}

void conn_wait_out_shortage(struct conn_set *conns, struct conn *conn, int code)
{
	server_log_shortage(conns->server, "cannot go on with a connection", code);
	if (!conn->echo.stopped) /* a linger timer must continue */
		wait_in(conns, conn, CONN_SHORTAGE);
}

bool conn_is_short(const struct conn *conn)
{
	return conn->timer.queue == CONN_SHORTAGE + 1;
}

void conn_stop_timer(struct conn_set *conns, struct conn *conn)
{
	timer_queue_leave(&conns->timers, conn_index(conns, conn));
}

void conn_count_out(struct conn_set *conns, struct conn *conn)
{
	conn_stop_timer(conns, conn);
	server_client_ended(conns->server, &conn->client, 0, 0);
}

struct conn *conn_next(const struct conn_set *conns, const struct conn *after)
{
	const struct client *client = after != NULL ? &after->client : NULL;
	return (struct conn *)client_table_next(&conns->server->clients, client);
}
