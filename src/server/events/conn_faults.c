/* SPDX-License-Identifier: MIT */
#include "server/events/conn_faults.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "fault/fault_stream.h"
#include "net/io.h"
#include "server/config.h"
#include "server/faults.h"

/* Maximum sends and receives in a turn. Then other connections get their turn. */
#define CALLS_MAX 16

/* A connection with faults. Zeroed: it has none. */
struct conn_fault {
	struct fault_stream *stream;
	short event; /* that it waits for */
};

struct conn_faults {
	const struct faults *faults;
	size_t stream_size;
	char *streams;            /* memory for the stream of each entry of the client table */
	struct conn_fault list[]; /* by index in the client table */
};

static struct conn_fault *fault_of(const struct conn_set *conns, const struct conn *conn)
{
	uint32_t index = client_table_index(&conns->server->clients, &conn->client);
	return &conns->faults->list[index];
}

int conn_faults_open(struct conn_set *conns)
{
	const struct faults *faults = conns->server->config->faults;
	size_t n = conns->server->clients.limit;
	if (faults == NULL)
		return 0;
	struct conn_faults *open = calloc(1, sizeof(*open) + n * sizeof(open->list[0]));
	if (open == NULL)
		return -ENOMEM;
	open->faults = faults;
	open->stream_size = faults_stream_size(faults);
	open->streams = aligned_alloc(FAULT_STREAM_ALIGNMENT, n * open->stream_size);
	conns->faults = open;
	return open->streams != NULL ? 0 : -ENOMEM;
}

void conn_faults_close(struct conn_set *conns)
{
	if (conns->faults != NULL)
		free(conns->faults->streams);
	free(conns->faults);
	conns->faults = NULL;
}

void conn_faults_begin(struct conn_set *conns, struct conn *conn)
{
	struct conn_faults *faults = conns->faults;
	struct fault_conn begins;
	if (faults == NULL)
		return;
	uint32_t index = client_table_index(&conns->server->clients, &conn->client);
	faults_client_begins(faults->faults, &conn->client, &begins);
	faults->list[index] = (struct conn_fault){
		.stream =
			fault_stream_begin(faults->streams + index * faults->stream_size, &begins),
		.event = POLLOUT, /* so that its first turn comes at once */
	};
}

bool conn_has_faults(const struct conn_set *conns, const struct conn *conn)
{
	return conns->faults != NULL && fault_of(conns, conn)->stream != NULL &&
	       !conn->echo.stopped;
}

short conn_awaited_event(const struct conn_set *conns, const struct conn *conn)
{
	if (conn_has_faults(conns, conn))
		return fault_of(conns, conn)->event;
	return echo_wants(&conn->echo) == ECHO_WRITE ? POLLOUT : POLLIN;
}

void conn_faults_publish(const struct conn_set *conns, struct conn *conn)
{
	if (conns->faults == NULL || fault_of(conns, conn)->stream == NULL)
		return;
	uint32_t fired = fault_fired(fault_of(conns, conn)->stream);
	_Atomic int *reason = &conn->client.stats.reason;
	int before = atomic_load_explicit(reason, memory_order_relaxed);
	atomic_store_explicit(reason, before | (int)(fired << FAULTS_REASON_BITS),
			      memory_order_relaxed);
	fault_of(conns, conn)->stream = NULL;
}

/* ---- a turn ---- */

/*
 * The connection waits for an event or a time. The shared buffer is needed by others meanwhile, so
 * unsent bytes are saved.
 */
static enum conn_turn wait_in_fault(struct conn_set *conns, struct conn *conn, short event,
				    uint64_t until_ns)
{
	struct conn_fault *fault = fault_of(conns, conn);
	uint64_t idle_ns = conns->server->config->idle_timeout_ns;
	fault->event = event;
	if (idle_ns != 0) {
		idle_ns = clock_after_ns(fault_moved_ns(fault->stream), idle_ns);
		if (idle_ns <= conns->now_ns) {
			conn_stop(conns, conn, CLOSE_IDLE);
			return CONN_AGAIN;
		}
		until_ns = clock_earlier_ns(until_ns, idle_ns);
	}
	if (echo_wants(&conn->echo) == ECHO_WRITE && conn->kept_buffer == 0)
		conn_save_unsent(conns, conn, conns->buffer);
	if (conn_is_short(conn))
		return CONN_WAITS; /* the timer of the shortage runs */
	if (until_ns != CLOCK_NEVER)
		conn_start_fault_timer(conns, conn, until_ns);
	else
		conn_stop_timer(conns, conn);
	return CONN_WAITS;
}

/* Handles a failed call. Returns true if the connection waits. */
static bool handle_failure(struct conn_set *conns, struct conn *conn, int code)
{
	if (code == -EAGAIN)
		return true;
	if (!err_is_shortage(code)) {
		conn_fail(conn, code);
		return false;
	}
	conn_wait_out_shortage(conns, conn, code);
	return true;
}

/* Returns true if nothing was received. */
static bool receive_in_fault(struct conn_set *conns, struct conn *conn,
			     const struct fault_step *step)
{
	size_t size = step->size < CLIENT_BUFFER_SIZE ? step->size : CLIENT_BUFFER_SIZE;
	conn_drop_buffer(conns, conn);
	ssize_t n = io_recv(conn->client.fd, conns->buffer, size);
	if (n < 0)
		return handle_failure(conns, conn, (int)n);
	if (n == 0) {
		echo_ended(&conn->echo);
	} else {
		echo_got(&conn->echo, (size_t)n);
		fault_received(fault_of(conns, conn)->stream, (size_t)n, conns->now_ns);
	}
	return false;
}

/* Returns true if nothing was sent. */
static bool send_in_fault(struct conn_set *conns, struct conn *conn, const struct fault_step *step)
{
	ssize_t n = io_send(conn->client.fd, step->bytes, step->size);
	if (n <= 0)
		return handle_failure(conns, conn, (int)n);
	fault_sent(fault_of(conns, conn)->stream, &conn->echo, (size_t)n, conns->now_ns);
	return false;
}

static void send_fin_in_fault(struct conn_set *conns, struct conn *conn)
{
	int rc = io_send_end(conn->client.fd);
	if (rc < 0)
		conn_fail(conn, rc);
	else
		fault_fin_sent(fault_of(conns, conn)->stream);
}

static void reset_in_fault(struct conn *conn)
{
	io_reset_on_close(conn->client.fd);
	conn_set_reason(conn, CLOSE_FAULT, 0);
	echo_failed(&conn->echo);
}

static struct fault_step next_step(struct conn_set *conns, struct conn *conn)
{
	struct fault_stream *stream = fault_of(conns, conn)->stream;
	if (fault_watches_peer(stream) && io_is_ready(conn->client.fd, POLLRDHUP))
		fault_peer_closed(stream);
	return fault_stream_next(stream, &conn->echo, conn_unsent_bytes(conns, conn),
				 conns->now_ns);
}

enum conn_turn conn_faults_step(struct conn_set *conns, struct conn *conn, bool *ret_follows)
{
	int code = io_pending_error(conn->client.fd);
	if (code < 0)
		conn_fail(conn, code);
	*ret_follows = false;
	conns->now_ns = clock_now_ns();
	for (int calls = 0; calls < CALLS_MAX; calls++) {
		struct fault_step step = next_step(conns, conn);
		switch (step.action) {
		case FAULT_RECEIVE:
			if (receive_in_fault(conns, conn, &step))
				return wait_in_fault(conns, conn, POLLIN, step.until_ns);
			break;
		case FAULT_SEND:
			if (send_in_fault(conns, conn, &step))
				return wait_in_fault(conns, conn, POLLOUT, step.until_ns);
			break;
		case FAULT_SLEEP:
			return wait_in_fault(conns, conn, 0, step.until_ns);
		case FAULT_FOLLOW:
			*ret_follows = true;
			return CONN_AGAIN;
		case FAULT_SEND_FIN:
			send_fin_in_fault(conns, conn);
			break;
		case FAULT_STOP:
			conn_stop(conns, conn, CLOSE_FAULT);
			*ret_follows = true;
			return CONN_AGAIN;
		case FAULT_RESET:
			if (conns->now_ns < step.until_ns && io_unacknowledged(conn->client.fd) > 0)
				return wait_in_fault(conns, conn, 0, conns->now_ns); /* 1 ms */
			reset_in_fault(conn);
			*ret_follows = true;
			return CONN_AGAIN;
		}
	}
	return wait_in_fault(conns, conn, POLLOUT, conns->now_ns);
}
