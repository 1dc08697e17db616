/* SPDX-License-Identifier: MIT */
/*
 * Opens held connections: in the order of the queue, CONNECTING_MAX at a time, to the address of
 * the server that answered last. If that fails, or gets no answer within DIAL_ATTEMPT_DELAY_NS, the
 * server is looked up again (client/redial.h), once for all connections.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/err.h"
#include "client/hold/hold_internal.h"
#include "net/connect.h"

/*
 * Maximum connections that connect at a time. More would overflow short accept queues, which drop
 * SYNs.
 */
#define CONNECTING_MAX 128

/* Looks up the server again: its address failed, or does not answer soon. */
static void redial_server(struct hold_set *set, bool is_slow)
{
	int fd = redial_begin(&set->redial, is_slow, set->now_ns);
	if (fd < 0)
		return;
	int rc = poller_add(&set->poller, fd, EPOLLIN, HOLD_TAG_DIALED);
	if (rc < 0)
		redial_cancel(&set->redial);
}

/* Handles a failure to open. Only the first of several failures with the same cause is printed. */
static void fail_to_open(struct hold_set *set, struct hold_conn *conn, int code)
{
	enum disconnect_cause cause = disconnect_of_code(code);
	set->disconnects->n_not_opened[cause]++;
	hold_conn_count_local_failure(set, code);
	set->n_connecting -= conn->state == HOLD_CONNECTING;
	if (conn->reported_cause != (uint8_t)cause + 1)
		output_line(set->output, "connection %" PRIu32 " cannot be opened%s (%s): %s",
			    hold_conn_index(set, conn) + 1,
			    conn->disconnected_ns != 0 ? " again" : "", disconnect_name(cause),
			    err_text(code).text);
	conn->reported_cause = (uint8_t)(cause + 1);
	hold_conn_close(set, conn);
	redial_server(set, false);
}

void hold_conn_enter_queue(struct hold_set *set, struct hold_conn *conn)
{
	conn->state = HOLD_QUEUED;
	conn->since_ns = set->now_ns;
	uint32_t place = (set->queue_first + set->n_queued++) % set->n;
	set->queue[place] = hold_conn_index(set, conn);
	hold_conn_set_timer(set, conn, CLOCK_NEVER);
}

static void begin_hold_conn(struct hold_set *set, struct hold_conn *conn, int fd)
{
	conn->fd = fd;
	conn->generation = set->redial.generation;
	stream_begin(&conn->stream, set->config->seed, set->n_numbers++);
	conn->n_heartbeats = 0;
}

/* Retries while the queue of a unix socket is full, until the timeout. */
static void retry_connect(struct hold_set *set, struct hold_conn *conn)
{
	uint64_t wait_ns = set->config->wait_ns;
	if (wait_ns != 0 && set->now_ns - conn->since_ns > wait_ns) {
		fail_to_open(set, conn, ERR_QUEUE_FULL);
		return;
	}
	conn->n_attempts--;
	conn->state = HOLD_CONNECTING;
	set->n_connecting++;
	hold_conn_set_timer(set, conn, set->now_ns + CONNECT_RETRY_NS);
}

/* Waits for the outcome. After DIAL_ATTEMPT_DELAY_NS other addresses are tried in parallel. */
static void wait_for_outcome(struct hold_set *set, struct hold_conn *conn)
{
	conn->state = HOLD_CONNECTING;
	conn->begun_ns = set->now_ns;
	set->n_connecting++;
	hold_conn_set_timer(set, conn,
			    clock_earlier_ns(hold_conn_new_deadline_ns(set),
					     set->now_ns + DIAL_ATTEMPT_DELAY_NS));
}

void hold_conn_open_one(struct hold_set *set, struct hold_conn *conn)
{
	uint64_t begin_ns = clock_now_ns();
	int fd = connect_begin(&set->redial.addr, NULL);
	bottleneck_note_connect(set->use, clock_now_ns() - begin_ns);
	conn->n_attempts++;
	if (fd == -EAGAIN) {
		retry_connect(set, conn);
		return;
	}
	if (fd < 0) {
		fail_to_open(set, conn, fd);
		return;
	}
	begin_hold_conn(set, conn, fd);
	wait_for_outcome(set, conn);
	int rc = poller_add(&set->poller, fd, HOLD_EDGES, hold_conn_index(set, conn));
	if (rc < 0)
		fail_to_open(set, conn, rc);
}

void hold_conn_open_queued(struct hold_set *set)
{
	while (set->n_queued > 0 && set->n_connecting < CONNECTING_MAX) {
		uint32_t index = set->queue[set->queue_first];
		set->queue_first = (set->queue_first + 1) % set->n;
		set->n_queued--;
		hold_conn_open_one(set, &set->list[index]);
	}
}

void hold_conn_handle_connect(struct hold_set *set, struct hold_conn *conn)
{
	int rc = connect_outcome(conn->fd);
	if (rc < 0) {
		fail_to_open(set, conn, rc);
		return;
	}
	set->n_connecting--;
	hold_conn_opened(set, conn);
}

/* Gives an established connection to a held connection that is not open. Takes fd. */
static void adopt(struct hold_set *set, struct hold_conn *conn, int fd)
{
	set->n_connecting -= conn->state == HOLD_CONNECTING;
	conn->state = HOLD_CLOSED;
	io_close(&conn->fd);
	conn->n_attempts++;
	begin_hold_conn(set, conn, fd);
	int rc = poller_add(&set->poller, fd, HOLD_EDGES, hold_conn_index(set, conn));
	if (rc < 0)
		fail_to_open(set, conn, rc);
	else
		hold_conn_opened(set, conn);
}

/* Returns true if its address has not answered within DIAL_ATTEMPT_DELAY_NS. */
static bool is_slow(const struct hold_set *set, const struct hold_conn *conn)
{
	return conn->state == HOLD_CONNECTING && conn->fd >= 0 &&
	       set->now_ns - conn->begun_ns >= DIAL_ATTEMPT_DELAY_NS;
}

/* Connects again, to the current address of the server. */
static void reconnect_now(struct hold_set *set, struct hold_conn *conn)
{
	set->n_connecting--;
	io_close(&conn->fd);
	hold_conn_enter_queue(set, conn);
}

void hold_conn_handle_redial(struct hold_set *set)
{
	int fd = redial_end(&set->redial, set->now_ns);
	if (fd < 0)
		return;
	for (uint32_t i = 0; i < set->n; i++) {
		struct hold_conn *conn = &set->list[i];
		bool is_waiting = conn->state == HOLD_CLOSED || conn->state == HOLD_CONNECTING;
		if (fd >= 0 && is_waiting) {
			adopt(set, conn, fd);
			fd = -1;
		} else if (is_slow(set, conn) && conn->generation != set->redial.generation) {
			reconnect_now(set, conn);
		}
	}
	io_close(&fd);
}

void hold_conn_handle_slow_connect(struct hold_set *set, struct hold_conn *conn)
{
	uint64_t late_ns = hold_conn_deadline_ns(set, conn);
	if (set->now_ns >= late_ns) {
		fail_to_open(set, conn, -ETIMEDOUT);
		return;
	}
	if (conn->generation != set->redial.generation) {
		reconnect_now(set, conn);
		return;
	}
	redial_server(set, true);
	uint64_t again_ns = set->now_ns + DIAL_ATTEMPT_DELAY_NS;
	hold_conn_set_timer(set, conn, clock_earlier_ns(again_ns, late_ns));
}

void hold_conn_adopt(struct hold_set *set, int fd)
{
	struct hold_conn *conn = &set->list[set->queue[set->queue_first]];
	set->queue_first = (set->queue_first + 1) % set->n;
	set->n_queued--;
	adopt(set, conn, fd);
}
