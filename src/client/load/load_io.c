/* SPDX-License-Identifier: MIT */
#include "client/load/load_io.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "client/load/accounting.h"
#include "client/mismatch.h"
#include "net/connect.h"
#include "net/io.h"

/* A connection that failed is opened again after this time. */
#define PAUSE_NS (100 * CLOCK_NS_PER_MS)

/* Maximum receives of one connection before the others are handled. */
#define RECEIVES_MAX 4

/* Maximum sends of one connection before the others are handled: 1 MiB. */
#define SENDS_MAX 16

#define EDGES (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

bool load_io_counts(const struct load_io *io, uint64_t due_ns)
{
	return io->end_ns != 0 && due_ns >= io->begin_ns && due_ns < io->end_ns;
}

/* Returns the connection's index over all threads, from 0. */
static uint64_t run_wide_index(const struct load_io *io, const struct load_conn *conn)
{
	return load_io_index(io, conn) * io->plan->n_threads + io->load->number;
}

uint64_t load_io_due_ns(const struct load_io *io, const struct load_conn *conn, uint64_t k)
{
	return schedule_due_ns(&io->plan->schedule, run_wide_index(io, conn), k);
}

uint64_t load_io_due_before(const struct load_io *io, const struct load_conn *conn,
			    uint64_t time_ns)
{
	const struct schedule *schedule = &io->plan->schedule;
	return schedule_due_before(schedule, run_wide_index(io, conn), time_ns);
}

/* ---- the end of a connection ---- */

/* Closes the connection. No message may be in flight on it. */
static void leave(struct load_io *io, struct load_conn *conn, enum load_conn_state next)
{
	kernel_view_note(&io->load->kernel, conn->fd);
	io->n_connecting -= conn->state == LOAD_CONN_CONNECTING;
	io->n_queueing -= load_conn_is_queueing(conn);
	io->n_finishing -= conn->state == LOAD_CONN_FINISHING;
	io->n_gone += next == LOAD_CONN_GONE;
	conn->state = next;
	io_close(&conn->fd);
}

void load_io_fail(struct load_io *io, struct load_conn *conn, const char *name)
{
	if (accounting_settle(io, conn, name) == 0)
		result_connection_error(&io->load->result, name, 1);
	if (conn->state == LOAD_CONN_CONNECTING)
		load_server_want(&io->load->plan->server);
	leave(io, conn, io->plan->reconnects ? LOAD_CONN_CLOSED : LOAD_CONN_GONE);
	conn->since_ns = io->now_ns + PAUSE_NS;
	accounting_wake_by(io, conn, conn->since_ns);
}

void load_io_end(struct load_io *io, struct load_conn *conn)
{
	if (conn->state == LOAD_CONN_FINISHING && io->now_ns > accounting_deadline_ns(io, conn))
		result_connection_error(&io->load->result, "no_fin", 1);
	if (conn->state == LOAD_CONN_CONNECTING && conn->fd >= 0 && io_is_ready(conn->fd, POLLOUT))
		io->load->result.n_connections += connect_outcome(conn->fd) == 0;
	accounting_settle(io, conn, NULL);
	leave(io, conn, LOAD_CONN_GONE);
}

/* ---- sending ---- */

/* Makes the poller report the connection once more, after all others, if it is still ready. */
static void take_turn_again(struct load_io *io, struct load_conn *conn)
{
	int rc = poller_change(&io->poller, conn->fd, EDGES, load_io_index(io, conn));
	if (rc < 0)
		load_io_fail(io, conn, err_name(rc));
}

/* Sends what is left of begun messages. The poller reports when there is room again. */
static void load_send_unsent(struct load_io *io, struct load_conn *conn)
{
	for (int i = 0; conn->state == LOAD_CONN_OPEN && stream_unsent(&conn->stream) > 0; i++) {
		if (i == SENDS_MAX) {
			take_turn_again(io, conn);
			return;
		}
		if (i > 0) /* sending takes time, which must not look like a gap */
			io->now_ns = clock_now_ns();
		size_t size = stream_fill(&conn->stream, io->buffer, LOAD_IO_SEND_MAX);
		ssize_t n = stream_send(&conn->stream, conn->fd, io->buffer, size);
		if (n < 0)
			load_io_fail(io, conn, err_name((int)n));
		if (n <= 0)
			return;
	}
}

static void begin_message(struct load_io *io, struct load_conn *conn, uint64_t due_ns)
{
	const struct request request = { .due_ns = due_ns, .begun_ns = io->now_ns };
	load_conn_begin_message(&io->conns, conn, request);
	io->n_in_flight++;
	if (load_io_counts(io, due_ns))
		io->load->last_begun_ns = io->now_ns;
	accounting_wake_by(io, conn, clock_after_ns(io->now_ns, io->wait_ns));
	load_send_unsent(io, conn);
}

/* ---- connecting ---- */

static void connected(struct load_io *io, struct load_conn *conn)
{
	int rc = connect_outcome(conn->fd);
	io->now_ns = clock_now_ns();
	if (rc < 0) {
		load_io_fail(io, conn, err_name(rc));
		return;
	}
	io->n_connecting--;
	conn->state = LOAD_CONN_OPEN;
	io->connected_ns = io->now_ns;
	io->load->result.n_connections++;
	atomic_fetch_add_explicit(&io->load->n_opened, 1, memory_order_relaxed);
	if (conn->counts_connect)
		histogram_record(&io->load->result.connect, io->now_ns - conn->since_ns);
	if (io->plan->churns)
		load_conn_send_first(&io->conns, conn, io->now_ns);
	load_send_unsent(io, conn);
	load_io_begin(io, conn);
}

/* Returns the next connection number. Numbers differ between threads. */
static uint64_t next_number(struct load_io *io)
{
	return io->n_numbers++ * io->plan->n_threads + io->load->number;
}

/*
 * Begins to connect. The first slot takes the connection by which the server was found, because a
 * server may serve only one. Returns a socket or a negative code.
 */
MUST_USE static int begin_to_connect(struct load_io *io, struct load_conn *conn)
{
	struct load *load = io->load;
	int fd = load->first_fd;
	if (fd < 0) {
		uint64_t before_ns = clock_now_ns();
		conn->to = load_server_addr(&io->plan->server);
		fd = connect_begin(conn->to, load_source(io->plan, conn->stream.number));
		own_use_connect(&load->use, clock_now_ns() - before_ns);
		return fd;
	}
	load->first_fd = -1;
	conn->to = load_server_addr(&io->plan->server);
	conn->since_ns = io->now_ns - load->first_took_ns;
	return fd;
}

/* Tries to give a slot a socket. It stays without one if the queue of the unix socket is full. */
static void try_to_connect(struct load_io *io, struct load_conn *conn)
{
	int rc = begin_to_connect(io, conn);
	if (rc == -EAGAIN)
		return;
	if (rc >= 0) {
		io->n_queueing--;
		conn->fd = rc;
		rc = poller_add(&io->poller, conn->fd, EDGES, load_io_index(io, conn));
	}
	if (rc < 0)
		load_io_fail(io, conn, err_name(rc));
}

static void prepare_connection(struct load_io *io, struct load_conn *conn)
{
	io->now_ns = clock_now_ns();
	load_conn_begin_connection(conn, -1, io->plan->seed, next_number(io));
	conn->since_ns = io->now_ns;
	conn->counts_connect = !io->plan->churns || load_io_counts(io, io->now_ns);
	conn->state = LOAD_CONN_CONNECTING;
	io->n_connecting++;
	io->n_queueing++;
	accounting_wake_by(io, conn,
			   clock_earlier_ns(accounting_deadline_ns(io, conn),
					    io->now_ns + DIAL_ATTEMPT_DELAY_NS));
}

void load_io_connect(struct load_io *io, struct load_conn *conn)
{
	prepare_connection(io, conn);
	try_to_connect(io, conn);
}

/* Opens a connection for one message. The message has begun even if connecting fails. */
static void connect_for_message(struct load_io *io, struct load_conn *conn, uint64_t due_ns)
{
	prepare_connection(io, conn);
	begin_message(io, conn, due_ns);
	try_to_connect(io, conn);
}

void load_io_try_other(struct load_io *io, struct load_conn *conn)
{
	struct load_server *server = &io->load->plan->server;
	if (conn->to != load_server_addr(server)) {
		io_close(&conn->fd);
		io->n_queueing++;
		try_to_connect(io, conn);
	} else if (io->connected_ns < conn->since_ns) { /* no other connection opened since */
		load_server_want_other(server);
	}
}

void load_io_retry(struct load_io *io)
{
	for (uint32_t i = 0; i < io->conns.n && io->n_queueing > 0; i++) {
		if (load_conn_is_queueing(&io->conns.list[i]))
			try_to_connect(io, &io->conns.list[i]);
	}
}

/* ---- the next message ---- */

/* Returns true if the slot can begin its next message. */
static bool can_begin(const struct load_io *io, const struct load_conn *conn)
{
	if (io->plan->churns)
		return conn->state == LOAD_CONN_CLOSED && io->now_ns >= conn->since_ns;
	return conn->state == LOAD_CONN_OPEN && load_conn_in_flight(conn) < io->conns.depth;
}

/*
 * Takes the next message. Closed loop: it is due now. Open loop: it is due by the schedule. Returns
 * false if no message is due.
 */
static bool take_due(struct load_io *io, struct load_conn *conn, uint64_t *ret_due_ns)
{
	if (!io->plan->is_open) {
		*ret_due_ns = io->now_ns;
		return io->end_ns != 0 && io->now_ns < io->end_ns;
	}
	if (conn->n_backlog == 0 || load_io_past_grace(io))
		return false;
	conn->n_backlog--;
	io->n_backlog--;
	*ret_due_ns = load_io_due_ns(io, conn, conn->n_taken++);
	return true;
}

void load_io_begin(struct load_io *io, struct load_conn *conn)
{
	uint64_t due_ns;
	while (can_begin(io, conn) && take_due(io, conn, &due_ns)) {
		if (io->plan->churns)
			connect_for_message(io, conn, due_ns);
		else
			begin_message(io, conn, due_ns);
		if (io->conns.depth > 1)
			io->now_ns = clock_now_ns(); /* the next message is sent later */
	}
}

/* ---- receiving ---- */

/* For the main thread. Only this thread writes it, so no atomic increment is needed. */
static void count_echo(struct load *load)
{
	uint64_t n = atomic_load_explicit(&load->n_echoes, memory_order_relaxed);
	atomic_store_explicit(&load->n_echoes, n + 1, memory_order_relaxed);
}

static void message_back(struct load_io *io, struct load_conn *conn)
{
	struct result *result = &io->load->result;
	const struct request *request = load_conn_oldest(&io->conns, conn);
	if (load_io_counts(io, request->due_ns)) {
		result->n_sent++;
		result->n_echoes++;
		result->bytes_sent += io->conns.size;
		result->bytes_verified += io->conns.size;
		histogram_record(&result->response, io->now_ns - request->due_ns);
		if (load_tells_apart(io->plan))
			histogram_record(&result->service, io->now_ns - request->begun_ns);
		io->load->last_back_ns = io->now_ns;
		count_echo(io->load);
	}
	if (!io->has_echoed)
		atomic_store(&io->load->has_echoed, true);
	io->has_echoed = true;
	conn->n_back++;
	io->n_in_flight--;
}

/* Churn: after the only message, sends our FIN and waits for the server's. */
static void finish_connection(struct load_io *io, struct load_conn *conn)
{
	if (io->plan->resets) {
		io_reset_on_close(conn->fd);
		leave(io, conn, LOAD_CONN_CLOSED);
		return;
	}
	int rc = io_send_end(conn->fd);
	if (rc < 0) {
		load_io_fail(io, conn, err_name(rc));
		return;
	}
	conn->state = LOAD_CONN_FINISHING;
	conn->since_ns = io->now_ns;
	io->n_finishing++;
	accounting_wake_by(io, conn, accounting_deadline_ns(io, conn));
}

/*
 * Keeps the evidence of the first wrong byte together with its connection. The diagnosis comes
 * later.
 */
static void keep_wrong(struct load_io *io, struct load_conn *conn, const void *from, size_t n)
{
	uint64_t n_connections = (io->n_numbers + 1) * io->plan->n_threads;
	const struct diagnosis_case wrong = stream_case(&conn->stream, n_connections, from, n);
	ignore_result(poller_remove(&io->poller, conn->fd)); /* its events must not find the slot */
	mismatch_keep(&io->load->wrong, &wrong, conn->fd, io->has_echoed);
	kernel_view_note(&io->load->kernel, conn->fd);
	conn->fd = -1;
}

/* Fails the connection. from: n bytes, of which the first is wrong. */
static void handle_mismatch(struct load_io *io, struct load_conn *conn, const void *from, size_t n)
{
	struct result *result = &io->load->result;
	result->n_mismatches++;
	result->wrong_bytes += stream_count_wrong(&conn->stream, from, n);
	if (!io->load->wrong.is_there)
		keep_wrong(io, conn, from, n);
	load_io_fail(io, conn, "mismatch");
}

static void load_verify(struct load_io *io, struct load_conn *conn, size_t n)
{
	size_t n_right = stream_verify(&conn->stream, io->buffer, n);
	while (load_conn_has_back(&io->conns, conn)) {
		if (accounting_is_late(io, conn)) {
			load_io_fail(io, conn, "no_reply");
			return;
		}
		message_back(io, conn);
	}
	if (n_right < n)
		handle_mismatch(io, conn, io->buffer + n_right, n - n_right);
	else if (io->plan->churns && conn->n_back == 1 && conn->state == LOAD_CONN_OPEN)
		finish_connection(io, conn);
}

static void server_ended(struct load_io *io, struct load_conn *conn)
{
	if (conn->state == LOAD_CONN_FINISHING)
		leave(io, conn, LOAD_CONN_CLOSED);
	else
		load_io_fail(io, conn, "ended");
}

/*
 * Receives until the socket is empty, because the poller is edge-triggered. If there is much, the
 * poller reports the connection again.
 */
static void load_receive(struct load_io *io, struct load_conn *conn, bool empties)
{
	for (int i = 0; conn->fd >= 0; i++) {
		if (i == RECEIVES_MAX) {
			take_turn_again(io, conn);
			return;
		}
		ssize_t n = io_recv(conn->fd, io->buffer, LOAD_IO_RECV_MAX);
		if (n == -EAGAIN)
			return;
		io->now_ns = clock_now_ns();
		if (n > 0)
			load_verify(io, conn, (size_t)n);
		else if (n == 0)
			server_ended(io, conn);
		else
			load_io_fail(io, conn, err_name((int)n));
		load_io_begin(io, conn);
		if (n <= 0 || conn->state == LOAD_CONN_CONNECTING ||
		    ((size_t)n < LOAD_IO_RECV_MAX && !empties))
			return;
	}
}

void load_io_event(struct load_io *io, struct load_conn *conn, uint32_t events)
{
	if (conn->state == LOAD_CONN_CONNECTING)
		connected(io, conn);
	if (conn->state == LOAD_CONN_OPEN || conn->state == LOAD_CONN_FINISHING) {
		if (events & EPOLLOUT)
			load_send_unsent(io, conn);
		if (conn->fd >= 0)
			load_receive(io, conn, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
	}
}
