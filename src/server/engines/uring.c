/* SPDX-License-Identifier: MIT */
/*
 * The happy path: each connection has one multishot receive request. The kernel puts the bytes into
 * one of a few small buffers. They are sent from there, by a request that goes to the kernel with
 * the next wait. Then the buffer is free again.
 *
 *   kernel: received 64 bytes into buffer 7 --> echo, request: send buffer 7
 *   kernel: sent 64 bytes ---------------------> buffer 7 is free
 *
 * One system call serves all that is ready. A connection has one send at a time, to keep order.
 *
 * The readiness driver (events/conn.h) handles all other cases. If a client does not take all
 * bytes, sends a lot, or is ended by the server, the receive request is cancelled. Bytes that it
 * still brought are queued. Then the ring reports readiness and the driver does the rest, one
 * buffer at a time. So no connection holds a buffer for longer than a turn, and a large stream goes
 * through one buffer that stays in the cache. A connection with small messages only, for a while,
 * returns to the ring.
 *
 *            +------------ small messages for a while ---------------+
 *            v                                                       |
 *          RING --- many bytes, slow, idle, aborting ---> SWITCHING ---> READINESS
 *            +--- over ---> CLOSING --- last completion ---> closed <--- over ---+
 *
 * What else can happen, and where it is handled:
 *   - a receive request ends by itself (no buffer, -ENOBUFS): advance_in_ring() makes a new one;
 *   - close(2) sends no FIN while a request is pending: uring_end() cancels the request first;
 *   - clients are accepted by accept4(2) (docs/decisions/0012).
 */
#include "server/engine.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/io.h"
#include "net/sysinfo.h"
#include "net/uring.h"
#include "server/events/conn.h"
#include "server/events/conn_faults.h"
#include "server/events/epoll_loop.h"
#include "server/events/rx_queue.h"
#include "server/events/uring_accept.h"
#include "server/workers/supervisor.h"
#include "server/workers/worker.h"

/* Buffers for small messages, few enough for the cache of a core. Large messages: conn.h. */
#define BUFFERS     RX_BUFFERS_MAX
#define BUFFER_SIZE ((size_t)4096)

/* After this many driver turns with at most a small message each, the ring may take over. */
#define SMALL_TURNS 4

/* Maximum turns at the end, each at most a millisecond. */
#define CLOSING_TURNS 500

enum mode { RING, SWITCHING, READINESS, CLOSING };

/* Kind of request, in the top bits of a tag. */
enum request { REQUEST_WORKER, REQUEST_RECEIVE, REQUEST_SEND, REQUEST_POLL };

/* A connection, and its requests in the ring. */
struct uring_conn {
	struct conn conn;
	struct rx_queue rx;   /* received buffers that are not echoed yet */
	uint16_t in_flight;   /* the buffer that is being sent, number + 1; 0: none */
	uint16_t poll_events; /* events of the pending poll request, 0: none */
	uint8_t mode;         /* enum mode */
	uint8_t n_small_turns;
	bool is_receiving : 1; /* a receive request is pending */
	bool is_cancelled : 1; /* a request to cancel the pending request is made */
	bool has_ended : 1;    /* end of stream received, after the queued buffers */
	bool is_bulk : 1;      /* bytes arrive faster than they are echoed */
	bool is_aborting : 1;
	int code; /* error of the connection, after the queued buffers */
};

struct uring_engine {
	struct worker *worker;
	struct uring *ring;
	struct uring_accept accept;
	struct rx_buffers rx;
	struct conn_set conns;
};

/* ---- tags ---- */

#define TAG_REQUEST_SHIFT 60
#define TAG_SERIAL_SHIFT  32
#define TAG_SERIAL_MASK   UINT64_C(0x0fffffff)

static uint64_t uring_tag(const struct uring_engine *uring, const struct uring_conn *uring_conn,
			  enum request request)
{
	const struct client *client = &uring_conn->conn.client;
	uint64_t serial = atomic_load_explicit(&client->serial, memory_order_relaxed);
	return (uint64_t)request << TAG_REQUEST_SHIFT |
	       (serial & TAG_SERIAL_MASK) << TAG_SERIAL_SHIFT |
	       client_table_index(&uring->worker->server->clients, client);
}

static enum request request_of(uint64_t tag)
{
	return (enum request)(tag >> TAG_REQUEST_SHIFT);
}

/* An entry is reused only when no request for it is pending. So the serial must match. */
static struct uring_conn *uring_conn_at(const struct uring_engine *uring, uint64_t tag)
{
	struct client_table *clients = &uring->worker->server->clients;
	struct uring_conn *uring_conn =
		(struct uring_conn *)client_table_at(clients, (uint32_t)tag);
	assert(uring_tag(uring, uring_conn, request_of(tag)) == tag);
	return uring_conn;
}

/* ---- received buffers ---- */

/* Moves the queued buffers to the driver, after the bytes that it already has. */
static void queue_received(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	while (rx_queue_any(&uring_conn->rx)) {
		int size;
		int buffer = rx_queue_take(&uring->rx, &uring_conn->rx, &size);
		bool fits = conn_queue_rx(&uring->conns, &uring_conn->conn,
					  uring_buffer(uring->ring, buffer), (size_t)size);
		assert(fits); /* a pool buffer has room for all ring buffers */
		uring_give_back(uring->ring, buffer);
	}
}

static void drop_received(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	for (int size; rx_queue_any(&uring_conn->rx);)
		uring_give_back(uring->ring, rx_queue_take(&uring->rx, &uring_conn->rx, &size));
}

/* ---- the end of a connection ---- */

static void cancel_request(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	if (uring_conn->is_cancelled)
		return;
	uring_conn->is_cancelled = true;
	if (uring_conn->is_receiving)
		uring_cancel(uring->ring, uring_tag(uring, uring_conn, REQUEST_RECEIVE));
	if (uring_conn->poll_events != 0)
		uring_cancel(uring->ring, uring_tag(uring, uring_conn, REQUEST_POLL));
}

static void uring_end(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	uring_conn->mode = CLOSING;
	drop_received(uring, uring_conn);
	conn_stop_timer(&uring->conns, &uring_conn->conn);
	if (uring_conn->is_receiving || uring_conn->poll_events != 0) {
		cancel_request(uring, uring_conn);
		return; /* until the last completion */
	}
	conn_drop_buffer(&uring->conns, &uring_conn->conn);
	io_close(&uring_conn->conn.client.fd);
	conn_count_out(&uring->conns, &uring_conn->conn);
	admission_client_ended(&uring->worker->admission);
}

/* ---- READINESS: the ring reports readiness, the driver receives and sends ---- */

static void request_poll(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	struct conn *conn = &uring_conn->conn;
	/* Acknowledgements and free memory cause no event: a timer starts a later turn. */
	if (conn->awaits_acks || conn_is_short(conn))
		return;
	uint16_t events = (uint16_t)conn_awaited_event(&uring->conns, conn);
	if (events == 0)
		events = POLLERR; /* a reset is always reported */
	if (uring_conn->poll_events == 0) {
		uring_conn->poll_events = events;
		uring_conn->is_cancelled = false;
		uring_poll(uring->ring, conn->client.fd, events,
			   uring_tag(uring, uring_conn, REQUEST_POLL));
	} else if (uring_conn->poll_events != events) {
		cancel_request(uring, uring_conn); /* its completion starts the next turn */
	}
}

static void uring_rx_begin(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	uring_conn->is_receiving = true;
	uring_conn->is_cancelled = false;
	uring_receive(uring->ring, uring_conn->conn.client.fd,
		      uring_tag(uring, uring_conn, REQUEST_RECEIVE));
}

/* Returns whether the ring may take the connection back. `moved`: bytes in the last turn. */
static bool is_for_ring(const struct uring_engine *uring, struct uring_conn *uring_conn,
			uint64_t moved)
{
	const struct conn *conn = &uring_conn->conn;
	bool is_quiet = !conn_has_faults(&uring->conns, conn) && moved <= BUFFER_SIZE &&
			echo_wants(&conn->echo) == ECHO_READ && conn->kept_buffer == 0 &&
			uring_conn->poll_events == 0 && !conn->echo.stopped;
	uring_conn->n_small_turns = is_quiet ? (uint8_t)(uring_conn->n_small_turns + 1) : 0;
	return uring_conn->n_small_turns >= SMALL_TURNS;
}

static void step_by_readiness(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	struct conn *conn = &uring_conn->conn;
	uint64_t before = conn->echo.in;
	if (uring_conn->is_aborting)
		conn_abort(&uring->conns, conn);
	uring_conn->is_aborting = false;
	enum conn_turn turn = conn_step(&uring->conns, conn, false);
	if (turn == CONN_OVER) {
		uring_end(uring, uring_conn);
	} else if (turn == CONN_WAITS && is_for_ring(uring, uring_conn, conn->echo.in - before)) {
		uring_conn->mode = RING;
		uring_conn->is_bulk = false;
		uring_rx_begin(uring, uring_conn);
	} else {
		request_poll(uring, uring_conn);
	}
}

static void uring_start_client(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	conn_faults_begin(&uring->conns, &uring_conn->conn);
	conn_restart_idle(&uring->conns, &uring_conn->conn);
	if (conn_has_faults(&uring->conns, &uring_conn->conn)) {
		uring_conn->mode = READINESS;
		request_poll(uring, uring_conn);
	} else {
		uring_rx_begin(uring, uring_conn);
	}
}

/* Moves received bytes to the driver, and cancels the receive request. */
static void leave_ring(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	uring_conn->mode = SWITCHING;
	uring_conn->n_small_turns = 0;
	queue_received(uring, uring_conn);
	if (uring_conn->is_receiving) {
		cancel_request(uring, uring_conn);
		return; /* until the last completion */
	}
	uring_conn->mode = READINESS;
	if (uring_conn->code < 0 && uring_conn->conn.n_queued == 0)
		conn_fail(&uring_conn->conn, uring_conn->code);
	step_by_readiness(uring, uring_conn);
}

/* ---- RING: the ring receives and sends ---- */

static void send_buffer(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	struct conn *conn = &uring_conn->conn;
	int buffer = uring_conn->in_flight - 1;
	size_t at;
	size_t kept = echo_kept(&conn->echo, &at);
	uring_send(uring->ring, conn->client.fd, uring_buffer(uring->ring, buffer) + at, kept,
		   uring_tag(uring, uring_conn, REQUEST_SEND));
}

static void echo_next(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	int size;
	int buffer = rx_queue_take(&uring->rx, &uring_conn->rx, &size);
	uring_conn->in_flight = (uint16_t)(buffer + 1);
	echo_got(&uring_conn->conn.echo, (size_t)size);
	conn_restart_idle(&uring->conns, &uring_conn->conn);
	send_buffer(uring, uring_conn);
}

/* Does the next step of a connection in the ring, unless a send is pending. */
static void advance_in_ring(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	struct conn *conn = &uring_conn->conn;
	if (uring_conn->in_flight != 0)
		return;
	if (uring_conn->is_aborting || uring_conn->is_bulk)
		leave_ring(uring, uring_conn);
	else if (rx_queue_any(&uring_conn->rx))
		echo_next(uring, uring_conn);
	else if (uring_conn->code < 0 || uring_conn->has_ended)
		leave_ring(uring, uring_conn); /* the driver's receive returns it again */
	else if (!uring_conn->is_receiving)
		uring_rx_begin(uring, uring_conn);
	conn_publish_stats(conn);
}

static void uring_received(struct uring_engine *uring, struct uring_conn *uring_conn,
			   const struct uring_completion *done)
{
	uring_conn->is_receiving = done->more;
	if (done->buffer >= 0 && done->result > 0)
		rx_queue_put(&uring->rx, &uring_conn->rx, done->buffer, done->result);
	else if (done->buffer >= 0)
		uring_give_back(uring->ring, done->buffer);
	if (done->result == 0)
		uring_conn->has_ended = true;
	else if (done->result < 0 && !err_is_shortage(done->result) && done->result != -ECANCELED &&
		 done->result != -EAGAIN && done->result != -EINTR)
		uring_conn->code = done->result;
	uring_conn->is_bulk |= done->result == -ENOMEM; /* the driver waits out the shortage */
	/* A full buffer while the one before is still being sent: more than small messages. */
	if (done->result == (int)BUFFER_SIZE)
		uring_conn->is_bulk |=
			uring_conn->in_flight != 0 || rx_queue_several(&uring_conn->rx);
	assert(uring_conn->mode != READINESS); /* no receive request is pending then */
	if (uring_conn->mode == RING)
		advance_in_ring(uring, uring_conn);
	else if (uring_conn->mode == SWITCHING)
		leave_ring(uring, uring_conn);
	else
		uring_end(uring, uring_conn);
}

static void uring_sent(struct uring_engine *uring, struct uring_conn *uring_conn, int result)
{
	struct conn *conn = &uring_conn->conn;
	int buffer = uring_conn->in_flight - 1;
	uring_conn->in_flight = 0;
	if (result > 0) {
		echo_sent(&conn->echo, (size_t)result);
		conn_restart_idle(&uring->conns, conn);
	} else if (result != -EAGAIN && result != -EINTR && !err_is_shortage(result)) {
		conn_fail(conn, result);
	}
	bool takes_all = echo_wants(&conn->echo) == ECHO_READ;
	if (echo_wants(&conn->echo) == ECHO_WRITE)
		conn_save_unsent(&uring->conns, conn, uring_buffer(uring->ring, buffer));
	uring_give_back(uring->ring, buffer);
	conn_publish_stats(conn);
	if (takes_all)
		advance_in_ring(uring, uring_conn);
	else if (echo_wants(&conn->echo) == ECHO_CLOSE)
		uring_end(uring, uring_conn);
	else
		leave_ring(uring, uring_conn);
}

static void uring_polled(struct uring_engine *uring, struct uring_conn *uring_conn, int result)
{
	uring_conn->poll_events = 0;
	uring_conn->is_cancelled = false;
	if (uring_conn->mode == CLOSING)
		uring_end(uring, uring_conn);
	else if (err_is_shortage(result))
		conn_wait_out_shortage(&uring->conns, &uring_conn->conn, result);
	else
		step_by_readiness(uring, uring_conn);
}

/* ---- all connections ---- */

static void handle_completions(struct uring_engine *uring)
{
	struct uring_completion done;
	while (uring_next(uring->ring, &done)) {
		enum request request = request_of(done.tag);
		if (request == REQUEST_WORKER) {
			uring_accept_completed(&uring->accept, (uint32_t)done.tag, done.result);
			continue;
		}
		struct uring_conn *uring_conn = uring_conn_at(uring, done.tag);
		if (request == REQUEST_RECEIVE)
			uring_received(uring, uring_conn, &done);
		else if (request == REQUEST_SEND)
			uring_sent(uring, uring_conn, done.result);
		else
			uring_polled(uring, uring_conn, done.result);
	}
}

/* A timer has expired, or the server aborts: the driver first gets the received bytes. */
static void step_outside_ring(struct uring_engine *uring, struct uring_conn *uring_conn)
{
	if (uring_conn->mode == RING)
		leave_ring(uring, uring_conn);
	else if (uring_conn->mode == READINESS)
		step_by_readiness(uring, uring_conn);
}

static void uring_handle_timers(struct uring_engine *uring)
{
	for (struct conn *conn; (conn = conn_next_due(&uring->conns)) != NULL;)
		step_outside_ring(uring, (struct uring_conn *)conn);
}

static void uring_abort(struct uring_engine *uring)
{
	struct conn_set *conns = &uring->conns;
	conns->is_aborting = true;
	for (struct conn *conn = NULL; (conn = conn_next(conns, conn)) != NULL;) {
		struct uring_conn *uring_conn = (struct uring_conn *)conn;
		/* Bytes that are being sent, and received bytes, come first. */
		uring_conn->is_aborting = true;
		if (uring_conn->in_flight == 0)
			step_outside_ring(uring, uring_conn);
	}
}

MUST_USE static int uring_accept_clients(struct uring_engine *uring)
{
	struct client *client;
	int rc = uring_accept_read_events(&uring->accept);
	if (rc < 0)
		return rc;
	while ((rc = worker_next_client(uring->worker, &client)) > 0)
		uring_start_client(uring, (struct uring_conn *)client);
	if (rc < 0)
		return rc;
	uring_accept_watch(&uring->accept);
	if (worker_is_aborting(uring->worker) && !uring->conns.is_aborting)
		uring_abort(uring);
	return 0;
}

MUST_USE static int uring_take_turn(struct uring_engine *uring)
{
	struct conn_set *conns = &uring->conns;
	uint64_t deadline_ns = worker_deadline_ns(uring->worker);
	int rc = uring_wait(uring->ring, clock_earlier_ns(deadline_ns, conn_deadline_ns(conns)));
	if (uring_is_shortage(rc))
		server_log_shortage(uring->worker->server, "cannot wait for events", rc);
	else if (rc < 0)
		return rc;
	conn_update_now(conns, uring_has_done(uring->ring));
	handle_completions(uring);
	uring_handle_timers(uring);
	return uring_accept_clients(uring);
}

/* Releases the listening sockets from the ring, which takes a turn or two. */
static void close_accept_requests(struct uring_engine *uring)
{
	for (int i = 0; i < CLOSING_TURNS && !uring_accept_close(&uring->accept); i++) {
		ignore_result(uring_wait(uring->ring, clock_deadline_ns(CLOCK_NS_PER_MS)));
		handle_completions(uring);
	}
}

static int uring_work(struct worker *worker)
{
	static struct uring_engine uring; /* too large for a stack */
	uring.worker = worker;
	int rc = uring_open(&uring.ring, BUFFERS, BUFFER_SIZE);
	if (rc == -ENOMEM) { /* the limit on locked memory is shared by all rings of a user */
		log_warning("no memory for a ring (raise ulimit -l%s)",
			    sysinfo_space_limits().text);
		return epoll_loop_run(worker); /* use readiness instead */
	}
	if (rc < 0)
		return rc;
	rc = conn_set_open(&uring.conns, worker->server,
			   CLIENT_BUFFER_SIZE + BUFFERS * BUFFER_SIZE);
	if (rc < 0)
		goto close_ring;
	uring.accept = (struct uring_accept){
		.worker = worker,
		.ring = uring.ring,
		.tag = (uint64_t)REQUEST_WORKER << TAG_REQUEST_SHIFT,
	};
	worker->polls_listeners = true;
	rc = worker_open(worker);
	if (rc == 0)
		rc = uring_accept_clients(&uring);
	if (rc == 0)
		worker_report_serving(worker);
	while (rc == 0 && !worker_is_done(worker))
		rc = uring_take_turn(&uring);
	close_accept_requests(&uring);
	worker_close(worker);
	conn_set_close(&uring.conns);
close_ring:
	uring_close(uring.ring);
	return rc;
}

const struct engine engine_uring = {
	.name = "uring",
	.summary = "an event loop on each core, with io_uring(7)",
	.usable = uring_check,
	.work = uring_work,
	.entry_size = sizeof(struct uring_conn),
	.sandbox = { .has_workers = true, .has_rings = true },
	.need = { .many_workers = true,
		  .kib = 8,
		  .worker_kib = 1536,
		  .space_kib = 578,
		  .worker_space_kib = 4096 },
	.workers = sysinfo_cores,
	.polls = true,
};
