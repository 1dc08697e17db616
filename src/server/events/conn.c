/* SPDX-License-Identifier: MIT */
#include "server/events/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "net/io.h"
#include "server/events/conn_faults.h"
#include "server/linger.h"

/*
 * Checks of acknowledgements while the last bytes are in transit: ACK_POLLS_SOON short pauses, then
 * longer ones.
 */
#define ACK_POLLS_SOON    8
#define ACK_POLL_SOON_NS  (4 * CLOCK_NS_PER_MS)
#define ACK_POLL_LATER_NS (250 * CLOCK_NS_PER_MS)

static struct queue_timer *conn_timer_of(const void *owner, uint32_t index)
{
	const struct client_table *clients = owner;
	return &((struct conn *)client_table_at(clients, index))->timer;
}

static uint32_t conn_index(const struct conn_set *conns, const struct conn *conn)
{
	return client_table_index(&conns->server->clients, &conn->client);
}

int conn_set_open(struct conn_set *conns, struct server *server, size_t kept_size)
{
	const struct timer_queue queues[CONN_QUEUES] = {
		[CONN_IDLE].span_ns = server->config->idle_timeout_ns,
		[CONN_LINGER].span_ns = LINGER_IDLE_NS,
		[CONN_LINGER_ABORTING].span_ns = LINGER_ABORTING_NS,
		[CONN_ACKS_SOON].span_ns = ACK_POLL_SOON_NS,
		[CONN_ACKS_LATER].span_ns = ACK_POLL_LATER_NS,
		[CONN_SHORTAGE].span_ns = IO_SHORTAGE_PAUSE_NS,
		[CONN_FAULT_SOON].span_ns = CLOCK_NS_PER_MS,
		[CONN_FAULT_LATER].span_ns = 20 * CLOCK_NS_PER_MS,
		[CONN_FAULT_LATE].span_ns = CLOCK_NS_PER_S,
	};
	memcpy(conns->queues, queues, sizeof(queues));
	conns->timers = (struct timer_queues){
		.owner = &server->clients,
		.of = conn_timer_of,
		.queues = conns->queues,
		.n_queues = CONN_QUEUES,
	};
	conns->server = server;
	conns->now_ns = clock_now_ns();
	conns->busy_until_ns = 0;
	conns->is_aborting = false;
	int rc = conn_faults_open(conns);
	return rc < 0 ? rc : buffer_pool_open(&conns->pool, server->clients.limit, kept_size);
}

void conn_set_close(struct conn_set *conns)
{
	buffer_pool_close(&conns->pool);
	conn_faults_close(conns);
}

struct conn *conn_next(const struct conn_set *conns, const struct conn *after)
{
	const struct client *client = after != NULL ? &after->client : NULL;
	return (struct conn *)client_table_next(&conns->server->clients, client);
}

/* ---- timers ---- */

void conn_update_now(struct conn_set *conns, bool any_event)
{
	uint64_t busy_poll_ns = conns->server->config->busy_poll_ns;
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
static void conn_start_timer(struct conn_set *conns, struct conn *conn, enum conn_queue queue)
{
	timer_queue_enter(&conns->timers, queue, conn_index(conns, conn), clock_now_ns());
}

void conn_start_fault_timer(struct conn_set *conns, struct conn *conn, uint64_t until_ns)
{
	uint64_t now_ns = clock_now_ns(), left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
	enum conn_queue queue = CONN_FAULT_SOON;
	if (left_ns > conns->queues[CONN_FAULT_LATE].span_ns)
		queue = CONN_FAULT_LATE;
	else if (left_ns > conns->queues[CONN_FAULT_LATER].span_ns)
		queue = CONN_FAULT_LATER;
	conn_start_timer(conns, conn, queue);
}

void conn_restart_idle(struct conn_set *conns, struct conn *conn)
{
	if (conns->server->config->idle_timeout_ns != 0 && !conn->echo.stopped)
		conn_start_timer(conns, conn, CONN_IDLE);
}

bool conn_check_idle(struct conn_set *conns, struct conn *conn)
{
	uint32_t before = conn->n_unacked;
	conn->n_unacked = (uint32_t)io_unacknowledged(conn->client.fd);
	bool moved = conn->n_unacked < before || (before == 0 && conn->n_unacked > 0) ||
		     io_is_ready(conn->client.fd,
				 echo_wants(&conn->echo) == ECHO_WRITE ? POLLOUT : POLLIN);
	if (moved)
		conn_start_timer(conns, conn, CONN_IDLE);
	return !moved;
}

void conn_stop_timer(struct conn_set *conns, struct conn *conn)
{
	timer_queue_leave(&conns->timers, conn_index(conns, conn));
}

void conn_wait_out_shortage(struct conn_set *conns, struct conn *conn, int code)
{
	server_log_shortage(conns->server, "cannot continue with a connection", code);
	if (!conn->echo.stopped) /* a linger timer must continue */
		conn_start_timer(conns, conn, CONN_SHORTAGE);
}

bool conn_is_short(const struct conn *conn)
{
	return conn->timer.queue == CONN_SHORTAGE + 1;
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
	conn->awaits_acks = false;
	echo_failed(&conn->echo);
}

void conn_stop(struct conn_set *conns, struct conn *conn, enum close_reason reason)
{
	conn_set_reason(conn, reason, 0);
	conn->awaits_acks = false;
	echo_stop(&conn->echo);
	conn_start_timer(conns, conn, conns->is_aborting ? CONN_LINGER_ABORTING : CONN_LINGER);
}

void conn_shorten_linger(struct conn_set *conns, struct conn *conn)
{
	conn_start_timer(conns, conn, CONN_LINGER_ABORTING);
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
		conn->awaits_acks = true;
		conn->n_unacked = (uint32_t)left;
		conn_start_timer(conns, conn, CONN_ACKS_SOON);
	}
}

/*
 * Returns whether nothing moved for the idle timeout, or since the server aborts, by the number of
 * checks.
 */
static bool waited_too_long(const struct conn_set *conns, const struct conn *conn)
{
	uint64_t max_ns = conns->server->config->idle_timeout_ns;
	if (conns->is_aborting) /* this check comes ACK_POLL_LATER_NS after the last one */
		max_ns = LINGER_ABORTING_NS - ACK_POLL_LATER_NS;
	return max_ns != 0 && conn->n_ack_polls >= ACK_POLLS_SOON &&
	       (uint64_t)(conn->n_ack_polls - ACK_POLLS_SOON) * ACK_POLL_LATER_NS >= max_ns;
}

/* The client has sent its FIN and acknowledged every byte, or the wait for that is over. */
static void finish_acked(struct conn *conn)
{
	conn->awaits_acks = false;
	echo_finished(&conn->echo);
}

void conn_poll_acks(struct conn_set *conns, struct conn *conn)
{
	int code = io_pending_error(conn->client.fd);
	uint32_t left = (uint32_t)io_unacknowledged(conn->client.fd);
	if (code < 0) {
		conn_fail(conn, code);
	} else if (left <= IO_FIN_SIZE) {
		finish_acked(conn);
	} else if (waited_too_long(conns, conn) && conns->is_aborting) {
		conn_set_reason(conn, CLOSE_DRAIN, 0);
		finish_acked(conn);
	} else if (waited_too_long(conns, conn)) {
		conn_stop(conns, conn, CLOSE_IDLE);
	} else {
		bool moved = left < conn->n_unacked && !conns->is_aborting;
		if (moved && conn->n_ack_polls > ACK_POLLS_SOON)
			conn->n_ack_polls = ACK_POLLS_SOON;
		else if (conn->n_ack_polls < UINT32_MAX)
			conn->n_ack_polls++;
		conn->n_unacked = left;
		conn_start_timer(conns, conn,
				 conn->n_ack_polls < ACK_POLLS_SOON ? CONN_ACKS_SOON
								    : CONN_ACKS_LATER);
	}
}

void conn_count_out(struct conn_set *conns, struct conn *conn)
{
	conn_stop_timer(conns, conn);
	conn_faults_publish(conns, conn);
	server_client_ended(conns->server, &conn->client, 0, 0);
}

/* ---- bytes that are kept ---- */

static unsigned char *kept_bytes(const struct conn_set *conns, const struct conn *conn)
{
	return buffer_pool_at(&conns->pool, conn->kept_buffer - 1);
}

/* In a pool buffer, the queued bytes follow after the first CLIENT_BUFFER_SIZE bytes. */
static unsigned char *queued_bytes(const struct conn_set *conns, const struct conn *conn)
{
	return kept_bytes(conns, conn) + CLIENT_BUFFER_SIZE;
}

static void ensure_kept_buffer(struct conn_set *conns, struct conn *conn)
{
	if (conn->kept_buffer == 0)
		conn->kept_buffer = buffer_pool_take(&conns->pool) + 1;
}

const unsigned char *conn_unsent_bytes(const struct conn_set *conns, const struct conn *conn)
{
	return conn->kept_buffer != 0 ? kept_bytes(conns, conn) : conns->buffer;
}

void conn_drop_buffer(struct conn_set *conns, struct conn *conn)
{
	if (conn->kept_buffer != 0)
		buffer_pool_give_back(&conns->pool, conn->kept_buffer - 1);
	conn->kept_buffer = 0;
	conn->n_queued = 0;
}

void conn_save_unsent(struct conn_set *conns, struct conn *conn, const unsigned char *bytes)
{
	size_t at;
	size_t kept = echo_kept(&conn->echo, &at);
	ensure_kept_buffer(conns, conn);
	memcpy(kept_bytes(conns, conn) + at, bytes + at, kept);
	conn->n_unacked = (uint32_t)io_unacknowledged(conn->client.fd);
}

bool conn_queue_rx(struct conn_set *conns, struct conn *conn, const void *bytes, size_t n)
{
	if (CLIENT_BUFFER_SIZE + conn->n_queued + n > conns->pool.size)
		return false;
	ensure_kept_buffer(conns, conn);
	memcpy(queued_bytes(conns, conn) + conn->n_queued, bytes, n);
	conn->n_queued += (uint32_t)n;
	return true;
}

/* Moves the next queued bytes to the front, where the echo expects received bytes. */
static void take_queued(struct conn_set *conns, struct conn *conn)
{
	unsigned char *queued = queued_bytes(conns, conn);
	uint32_t n = conn->n_queued;
	if (n > CLIENT_BUFFER_SIZE)
		n = CLIENT_BUFFER_SIZE;
	memcpy(kept_bytes(conns, conn), queued, n);
	conn->n_queued -= n;
	memmove(queued, queued + n, conn->n_queued);
	echo_got(&conn->echo, n);
}

void conn_publish_stats(struct conn *conn)
{
	struct conn_stats *stats = &conn->client.stats;
	atomic_store_explicit(&stats->in, conn->echo.in, memory_order_relaxed);
	atomic_store_explicit(&stats->out, conn->echo.out, memory_order_relaxed);
}

/* ---- a turn: the actions of the echo ---- */

/* Returns the result of io_recv(); -EAGAIN also during a shortage of memory. */
static ssize_t conn_receive(struct conn_set *conns, struct conn *conn)
{
	ssize_t n = io_recv(conn->client.fd, conns->buffer, CLIENT_BUFFER_SIZE);
	if (n > 0) {
		echo_got(&conn->echo, (size_t)n);
		conn_restart_idle(conns, conn);
	} else if (n == 0) {
		echo_ended(&conn->echo);
	} else if (err_is_shortage((int)n)) {
		conn_wait_out_shortage(conns, conn, (int)n);
		return -EAGAIN;
	} else if (n != -EAGAIN) {
		conn_fail(conn, (int)n);
	}
	return n;
}

/* Returns true if all is sent or the connection failed. If false, an event will follow. */
static bool conn_send_kept(struct conn_set *conns, struct conn *conn)
{
	const unsigned char *bytes = conn_unsent_bytes(conns, conn);
	size_t at;
	size_t kept = echo_kept(&conn->echo, &at);
	ssize_t n = io_send(conn->client.fd, bytes + at, kept);
	if (n > 0) {
		echo_sent(&conn->echo, (size_t)n);
		conn_restart_idle(conns, conn);
	} else if (err_is_shortage((int)n)) {
		conn_wait_out_shortage(conns, conn, (int)n);
	} else if (n != -EAGAIN) {
		conn_fail(conn, (int)n);
	}
	if (echo_wants(&conn->echo) == ECHO_WRITE) {
		if (conn->kept_buffer == 0)
			conn_save_unsent(conns, conn, conns->buffer);
		return false;
	}
	if (conn->n_queued == 0)
		conn_drop_buffer(conns, conn);
	return true;
}

static enum conn_turn conn_follow_echo(struct conn_set *conns, struct conn *conn, bool empties)
{
	ssize_t n = 0;
	for (int receives = 0;;) {
		switch (echo_wants(&conn->echo)) {
		case ECHO_READ:
			if (conn->n_queued > 0) {
				take_queued(conns, conn);
				break;
			}
			__attribute__((fallthrough));
		case ECHO_DISCARD:
			if (conn->n_queued > 0) {
				echo_got(&conn->echo, conn->n_queued);
				conn_drop_buffer(conns, conn);
				break;
			}
			if (n > 0 && n < (ssize_t)CLIENT_BUFFER_SIZE && !empties)
				return CONN_WAITS; /* the previous receive emptied the socket */
			if (n == (ssize_t)CLIENT_BUFFER_SIZE || receives++ == CONN_RECEIVES_MAX)
				return CONN_AGAIN;
			n = conn_receive(conns, conn);
			if (n == -EAGAIN)
				return CONN_WAITS;
			break;
		case ECHO_WRITE:
			/*
			 * Nothing was received while bytes were unsent, so events may have been
			 * missed.
			 */
			empties |= conn->kept_buffer != 0;
			if (!conn_send_kept(conns, conn))
				return CONN_WAITS;
			break;
		case ECHO_FINISH:
			if (conn->awaits_acks)
				return CONN_WAITS;
			conn_finish(conns, conn);
			break;
		case ECHO_CLOSE:
			conn_set_reason(conn, CLOSE_EOF, 0);
			conn_drop_buffer(conns, conn);
			return CONN_OVER;
		}
	}
}

enum conn_turn conn_step(struct conn_set *conns, struct conn *conn, bool empties)
{
	enum conn_turn turn = CONN_AGAIN;
	bool follows = true;
	if (conn->awaits_acks)
		conn_poll_acks(conns, conn);
	else if (conn_has_faults(conns, conn))
		turn = conn_faults_step(conns, conn, &follows);
	if (follows)
		turn = conn_follow_echo(conns, conn, empties);
	conn_publish_stats(conn);
	return turn;
}

/* ---- deadlines, and the end of the server ---- */

/* Serves the bytes that have arrived, or discards them while lingering. */
static void serve_arrived(struct conn_set *conns, struct conn *conn)
{
	enum conn_turn turn = CONN_AGAIN;
	for (int i = 0; i < CONN_LAST_TURNS_MAX && turn == CONN_AGAIN; i++)
		turn = conn_step(conns, conn, true);
}

/* The linger timeout has expired. Unread bytes would turn the close into a reset. */
static void stop_lingering(struct conn_set *conns, struct conn *conn)
{
	serve_arrived(conns, conn);
	if (echo_wants(&conn->echo) != ECHO_CLOSE)
		echo_stop(&conn->echo);
}

struct conn *conn_next_due(struct conn_set *conns)
{
	struct conn *conn;
	enum conn_queue queue;
	while ((conn = conn_next_expired(conns, &queue)) != NULL) {
		if (queue == CONN_IDLE && !conn_check_idle(conns, conn))
			continue;
		if (queue == CONN_IDLE)
			conn_stop(conns, conn, CLOSE_IDLE);
		else if (queue == CONN_SHORTAGE)
			conn_restart_idle(conns, conn); /* it was not idle */
		else if (queue == CONN_LINGER || queue == CONN_LINGER_ABORTING)
			stop_lingering(conns, conn);
		return conn;
	}
	return NULL;
}

void conn_abort(struct conn_set *conns, struct conn *conn)
{
	if (echo_wants(&conn->echo) == ECHO_DISCARD) {
		conn_shorten_linger(conns, conn);
		return;
	}
	serve_arrived(conns, conn);
	if (conn->awaits_acks)
		conn->n_ack_polls = 0; /* the shorter timeout of an aborting server starts */
	else if (echo_wants(&conn->echo) != ECHO_CLOSE)
		conn_stop(conns, conn, CLOSE_DRAIN);
}
