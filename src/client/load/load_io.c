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

/* ---- the end of a connection ---- */

/* Closes the connection. No message may be in flight on it. */
static void close_load_conn(struct load_thread *thread, struct load_conn *conn,
			    enum load_conn_state next)
{
	kernel_view_note(&thread->load->kernel, conn->fd);
	thread->n_connecting -= conn->state == LOAD_CONN_CONNECTING;
	thread->n_queueing -= load_conn_is_queueing(conn);
	thread->n_finishing -= conn->state == LOAD_CONN_FINISHING;
	thread->n_gone += next == LOAD_CONN_GONE;
	conn->state = (uint8_t)next;
	io_close(&conn->fd);
}

void load_io_fail(struct load_thread *thread, struct load_conn *conn, const char *name)
{
	if (accounting_end_messages(thread, conn, name) == 0)
		result_connection_error(&thread->load->result, name, 1);
	if (conn->state == LOAD_CONN_CONNECTING)
		load_server_report_failed(&thread->load->plan->server);
	close_load_conn(thread, conn, thread->plan->reconnects ? LOAD_CONN_CLOSED : LOAD_CONN_GONE);
	conn->since_ns = thread->now_ns + PAUSE_NS;
	accounting_wake_by(thread, conn, conn->since_ns);
}

void load_io_end(struct load_thread *thread, struct load_conn *conn)
{
	if (conn->state == LOAD_CONN_FINISHING &&
	    thread->now_ns > accounting_deadline_ns(thread, conn))
		result_connection_error(&thread->load->result, "no_fin", 1);
	if (conn->state == LOAD_CONN_CONNECTING && conn->fd >= 0 && io_is_ready(conn->fd, POLLOUT))
		thread->load->result.n_connections += connect_outcome(conn->fd) == 0;
	accounting_end_messages(thread, conn, NULL);
	close_load_conn(thread, conn, LOAD_CONN_GONE);
}

/* ---- sending ---- */

/* Makes the poller report the connection once more, after all others, if it is still ready. */
static void poll_again(struct load_thread *thread, struct load_conn *conn)
{
	int rc = poller_change(&thread->poller, conn->fd, EDGES, load_conn_index(thread, conn));
	if (rc < 0)
		load_io_fail(thread, conn, err_name(rc));
}

/* Sends what is left of begun messages. The poller reports when there is room again. */
static void load_send_unsent(struct load_thread *thread, struct load_conn *conn)
{
	for (int i = 0; conn->state == LOAD_CONN_OPEN && stream_unsent(&conn->stream) > 0; i++) {
		if (i == SENDS_MAX) {
			poll_again(thread, conn);
			return;
		}
		if (i > 0) /* sending takes time, which must not look like a gap */
			thread->now_ns = clock_now_ns();
		size_t size = stream_fill(&conn->stream, thread->buffer, LOAD_SEND_MAX);
		ssize_t n = stream_send(&conn->stream, conn->fd, thread->buffer, size);
		if (n < 0)
			load_io_fail(thread, conn, err_name((int)n));
		if (n <= 0)
			return;
	}
}

static void begin_message(struct load_thread *thread, struct load_conn *conn, uint64_t due_ns)
{
	const struct request request = { .due_ns = due_ns, .begun_ns = thread->now_ns };
	load_conn_begin_message(&thread->conns, conn, request);
	thread->n_in_flight++;
	if (load_is_measured(thread, due_ns))
		thread->load->last_begun_ns = thread->now_ns;
	accounting_wake_by(thread, conn, clock_after_ns(thread->now_ns, thread->wait_ns));
	load_send_unsent(thread, conn);
}

/* ---- connecting ---- */

static void handle_connected(struct load_thread *thread, struct load_conn *conn)
{
	int rc = connect_outcome(conn->fd);
	thread->now_ns = clock_now_ns();
	if (rc < 0) {
		load_io_fail(thread, conn, err_name(rc));
		return;
	}
	thread->n_connecting--;
	conn->state = LOAD_CONN_OPEN;
	thread->connected_ns = thread->now_ns;
	thread->load->result.n_connections++;
	atomic_fetch_add_explicit(&thread->load->n_opened, 1, memory_order_relaxed);
	if (conn->counts_connect)
		histogram_record(&thread->load->result.connect, thread->now_ns - conn->since_ns);
	if (thread->plan->churns)
		load_conn_send_first(&thread->conns, conn, thread->now_ns);
	load_send_unsent(thread, conn);
	load_io_begin_messages(thread, conn);
}

/* Returns the next connection number. Numbers differ between threads. */
static uint64_t next_number(struct load_thread *thread)
{
	return thread->n_numbers++ * thread->plan->n_threads + thread->load->number;
}

/*
 * Begins to connect. The first slot takes the connection by which the server was found, because a
 * server may serve only one. Returns a socket or a negative code.
 */
MUST_USE static int start_connect(struct load_thread *thread, struct load_conn *conn)
{
	struct load *load = thread->load;
	int fd = load->first_fd;
	if (fd < 0) {
		uint64_t before_ns = clock_now_ns();
		conn->to = load_server_addr(&thread->plan->server);
		fd = connect_begin(conn->to, load_source(thread->plan, conn->stream.number));
		bottleneck_note_connect(&load->use, clock_now_ns() - before_ns);
		return fd;
	}
	load->first_fd = -1;
	conn->to = load_server_addr(&thread->plan->server);
	conn->since_ns = thread->now_ns - load->first_took_ns;
	return fd;
}

/* Tries to give a slot a socket. It stays without one if the queue of the unix socket is full. */
static void try_to_connect(struct load_thread *thread, struct load_conn *conn)
{
	int rc = start_connect(thread, conn);
	if (rc == -EAGAIN)
		return;
	if (rc >= 0) {
		thread->n_queueing--;
		conn->fd = rc;
		rc = poller_add(&thread->poller, conn->fd, EDGES, load_conn_index(thread, conn));
	}
	if (rc < 0)
		load_io_fail(thread, conn, err_name(rc));
}

static void begin_connection(struct load_thread *thread, struct load_conn *conn)
{
	thread->now_ns = clock_now_ns();
	load_conn_begin_connection(conn, -1, thread->plan->seed, next_number(thread));
	conn->since_ns = thread->now_ns;
	conn->counts_connect = !thread->plan->churns || load_is_measured(thread, thread->now_ns);
	conn->state = LOAD_CONN_CONNECTING;
	thread->n_connecting++;
	thread->n_queueing++;
	accounting_wake_by(thread, conn,
			   clock_earlier_ns(accounting_deadline_ns(thread, conn),
					    thread->now_ns + DIAL_ATTEMPT_DELAY_NS));
}

void load_io_connect(struct load_thread *thread, struct load_conn *conn)
{
	begin_connection(thread, conn);
	try_to_connect(thread, conn);
}

/* Opens a connection for one message. The message has begun even if connecting fails. */
static void connect_for_message(struct load_thread *thread, struct load_conn *conn, uint64_t due_ns)
{
	begin_connection(thread, conn);
	begin_message(thread, conn, due_ns);
	try_to_connect(thread, conn);
}

void load_io_try_other_addr(struct load_thread *thread, struct load_conn *conn)
{
	struct load_server *server = &thread->load->plan->server;
	if (conn->to != load_server_addr(server)) {
		io_close(&conn->fd);
		thread->n_queueing++;
		try_to_connect(thread, conn);
	} else if (thread->connected_ns < conn->since_ns) { /* no other connection opened since */
		load_server_report_slow(server);
	}
}

void load_io_retry_connects(struct load_thread *thread)
{
	for (uint32_t i = 0; i < thread->conns.n && thread->n_queueing > 0; i++) {
		if (load_conn_is_queueing(&thread->conns.list[i]))
			try_to_connect(thread, &thread->conns.list[i]);
	}
}

/* ---- the next message ---- */

/* Returns true if the slot can begin its next message. */
static bool can_begin(const struct load_thread *thread, const struct load_conn *conn)
{
	if (thread->plan->churns)
		return conn->state == LOAD_CONN_CLOSED && thread->now_ns >= conn->since_ns;
	return conn->state == LOAD_CONN_OPEN && load_conn_in_flight(conn) < thread->conns.depth;
}

/*
 * Takes the next message. Closed loop: it is due now. Open loop: it is due by the schedule. Returns
 * false if no message is due.
 */
static bool take_next_message(struct load_thread *thread, struct load_conn *conn,
			      uint64_t *ret_due_ns)
{
	if (!thread->plan->is_open) {
		*ret_due_ns = thread->now_ns;
		return thread->end_ns != 0 && thread->now_ns < thread->end_ns;
	}
	if (conn->n_backlog == 0 || load_is_past_grace(thread))
		return false;
	conn->n_backlog--;
	thread->n_backlog--;
	*ret_due_ns = load_due_ns(thread, conn, conn->n_taken++);
	return true;
}

void load_io_begin_messages(struct load_thread *thread, struct load_conn *conn)
{
	uint64_t due_ns;
	while (can_begin(thread, conn) && take_next_message(thread, conn, &due_ns)) {
		if (thread->plan->churns)
			connect_for_message(thread, conn, due_ns);
		else
			begin_message(thread, conn, due_ns);
		if (thread->conns.depth > 1)
			thread->now_ns = clock_now_ns(); /* the next message is sent later */
	}
}

/* ---- receiving ---- */

/* For the main thread. Only this thread writes it, so no atomic increment is needed. */
static void count_echo(struct load *load)
{
	uint64_t n = atomic_load_explicit(&load->n_echoes, memory_order_relaxed);
	atomic_store_explicit(&load->n_echoes, n + 1, memory_order_relaxed);
}

static void handle_echo(struct load_thread *thread, struct load_conn *conn)
{
	struct result *result = &thread->load->result;
	const struct request *request = load_conn_oldest(&thread->conns, conn);
	if (load_is_measured(thread, request->due_ns)) {
		result->n_sent++;
		result->n_echoes++;
		result->bytes_sent += thread->conns.size;
		result->bytes_verified += thread->conns.size;
		histogram_record(&result->response, thread->now_ns - request->due_ns);
		if (load_has_service_time(thread->plan))
			histogram_record(&result->service, thread->now_ns - request->begun_ns);
		thread->load->last_back_ns = thread->now_ns;
		count_echo(thread->load);
	}
	if (!thread->has_echoed)
		atomic_store(&thread->load->has_echoed, true);
	thread->has_echoed = true;
	conn->n_back++;
	thread->n_in_flight--;
}

/* Churn: after the only message, sends our FIN and waits for the server's. */
static void send_fin(struct load_thread *thread, struct load_conn *conn)
{
	if (thread->plan->resets) {
		io_reset_on_close(conn->fd);
		close_load_conn(thread, conn, LOAD_CONN_CLOSED);
		return;
	}
	int rc = io_send_end(conn->fd);
	if (rc < 0) {
		load_io_fail(thread, conn, err_name(rc));
		return;
	}
	conn->state = LOAD_CONN_FINISHING;
	conn->since_ns = thread->now_ns;
	thread->n_finishing++;
	accounting_wake_by(thread, conn, accounting_deadline_ns(thread, conn));
}

/*
 * Keeps the evidence of the first wrong byte together with its connection. The diagnosis comes
 * later.
 */
static void keep_evidence(struct load_thread *thread, struct load_conn *conn, const void *from,
			  size_t n)
{
	uint64_t n_connections = (thread->n_numbers + 1) * thread->plan->n_threads;
	const struct diagnosis_case wrong = stream_case(&conn->stream, n_connections, from, n);
	ignore_result(
		poller_remove(&thread->poller, conn->fd)); /* its events must not find the slot */
	mismatch_keep(&thread->load->wrong, &wrong, conn->fd, thread->has_echoed);
	kernel_view_note(&thread->load->kernel, conn->fd);
	conn->fd = -1;
}

/* Fails the connection. from: n bytes, of which the first is wrong. */
static void handle_mismatch(struct load_thread *thread, struct load_conn *conn, const void *from,
			    size_t n)
{
	struct result *result = &thread->load->result;
	result->n_mismatches++;
	result->wrong_bytes += stream_count_wrong(&conn->stream, from, n);
	if (!thread->load->wrong.is_there)
		keep_evidence(thread, conn, from, n);
	load_io_fail(thread, conn, "mismatch");
}

static void handle_received(struct load_thread *thread, struct load_conn *conn, size_t n)
{
	size_t n_right = stream_verify(&conn->stream, thread->buffer, n);
	while (load_conn_has_back(&thread->conns, conn)) {
		if (accounting_is_late(thread, conn)) {
			load_io_fail(thread, conn, "no_reply");
			return;
		}
		handle_echo(thread, conn);
	}
	if (n_right < n)
		handle_mismatch(thread, conn, thread->buffer + n_right, n - n_right);
	else if (thread->plan->churns && conn->n_back == 1 && conn->state == LOAD_CONN_OPEN)
		send_fin(thread, conn);
}

static void handle_fin(struct load_thread *thread, struct load_conn *conn)
{
	if (conn->state == LOAD_CONN_FINISHING)
		close_load_conn(thread, conn, LOAD_CONN_CLOSED);
	else
		load_io_fail(thread, conn, "ended");
}

/*
 * Receives until the socket is empty, because the poller is edge-triggered. If there is much, the
 * poller reports the connection again.
 */
static void load_receive(struct load_thread *thread, struct load_conn *conn, bool empties)
{
	for (int i = 0; conn->fd >= 0; i++) {
		if (i == RECEIVES_MAX) {
			poll_again(thread, conn);
			return;
		}
		ssize_t n = io_recv(conn->fd, thread->buffer, LOAD_RECV_MAX);
		if (n == -EAGAIN)
			return;
		thread->now_ns = clock_now_ns();
		if (n > 0)
			handle_received(thread, conn, (size_t)n);
		else if (n == 0)
			handle_fin(thread, conn);
		else
			load_io_fail(thread, conn, err_name((int)n));
		load_io_begin_messages(thread, conn);
		if (n <= 0 || conn->state == LOAD_CONN_CONNECTING ||
		    ((size_t)n < LOAD_RECV_MAX && !empties))
			return;
	}
}

void load_io_event(struct load_thread *thread, struct load_conn *conn, uint32_t events)
{
	if (conn->state == LOAD_CONN_CONNECTING)
		handle_connected(thread, conn);
	if (conn->state == LOAD_CONN_OPEN || conn->state == LOAD_CONN_FINISHING) {
		if (events & EPOLLOUT)
			load_send_unsent(thread, conn);
		if (conn->fd >= 0)
			load_receive(thread, conn,
				     (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
	}
}
