/* SPDX-License-Identifier: MIT */
/*
 * The happy path: a client is ready; its bytes are received into the buffer that all clients share,
 * and sent back at once (server/events/conn.h); then the next ready client.
 *
 * What else can happen: a client does not take all bytes (the rest is kept, and nothing is received
 * from it until the rest is sent); a client sends without end (its turn ends with a full buffer,
 * and its next turn comes after all other clients); the idle timeout expires, or the server aborts.
 *
 * Each client is registered once, for all events and edge-triggered (EPOLLET). So the only system
 * calls are receive, send and wait. The price is that an event comes only once:
 *
 *   - A receive of less than requested has emptied the queue, and later bytes cause a new event
 *     (epoll(7), question 9). There are two exceptions, which the event shows: the end of stream
 *     follows the last byte, or urgent data, at which a receive stops (tcp(7), SO_OOBINLINE). Then
 *     the driver receives until nothing is left.
 *   - After a short count from send, an event reports room.
 *   - A client whose turn ended early is armed again for an event (poller_change()).
 */
#include "server/events/epoll_loop.h"

#include <poll.h>

#include "base/clock.h"
#include "net/io.h"
#include "net/poller.h"
#include "server/events/conn.h"
#include "server/events/conn_faults.h"

#define EDGES (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)

/* With these events, a receive of less than requested does not mean that nothing more is queued. */
#define MORE_BEHIND (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)

struct epoll_loop {
	struct worker *worker;
	struct conn_set conns;
};

/* ---- one connection ---- */

/*
 * Returns table index and serial. The serial identifies events for an earlier client of the entry.
 */
static uint64_t epoll_tag(const struct epoll_loop *loop, const struct conn *conn)
{
	uint32_t index = client_table_index(&loop->worker->server->clients, &conn->client);
	uint64_t serial = atomic_load_explicit(&conn->client.serial, memory_order_relaxed);
	return ((serial << 32) | index) & (WORKER_TAGS - 1);
}

static struct conn *conn_of(const struct epoll_loop *loop, uint64_t tag)
{
	struct client_table *clients = &loop->worker->server->clients;
	struct conn *conn = (struct conn *)client_table_at(clients, (uint32_t)tag);
	return epoll_tag(loop, conn) == tag ? conn : NULL;
}

static void take_turn_of(struct epoll_loop *loop, struct conn *conn, bool empties)
{
	int rc = 0;
	switch (conn_step(&loop->conns, conn, empties)) {
	case CONN_WAITS:
		break;
	case CONN_AGAIN:
		rc = poller_change(&loop->worker->poller, conn->client.fd, EDGES,
				   epoll_tag(loop, conn));
		if (rc < 0)
			conn_wait_out_shortage(&loop->conns, conn, rc);
		break;
	case CONN_OVER:
		io_close(&conn->client.fd);
		conn_count_out(&loop->conns, conn);
		admission_client_ended(&loop->worker->admission);
		break;
	}
}

static void epoll_start_client(struct epoll_loop *loop, struct client *client)
{
	struct conn *conn = (struct conn *)client;
	int rc = poller_add(&loop->worker->poller, client->fd, EDGES, epoll_tag(loop, conn));
	if (rc < 0) {
		admission_put_back(&loop->worker->admission, client, rc);
		return;
	}
	conn_faults_begin(&loop->conns, conn);
	conn_restart_idle(&loop->conns, conn);
}

/* ---- all connections ---- */

static void handle_events(struct epoll_loop *loop)
{
	const struct poller_events *events = &loop->worker->events;
	for (int i = 0; i < events->n; i++) {
		struct conn *conn = conn_of(loop, events->list[i].data.u64);
		uint32_t what = events->list[i].events;
		/* Ignore EPOLLOUT unless bytes are unsent. */
		if (conn == NULL || ((what | EPOLLOUT) == EPOLLOUT &&
				     conn_awaited_event(&loop->conns, conn) != POLLOUT))
			continue;
		take_turn_of(loop, conn, (what & MORE_BEHIND) != 0);
	}
}

static void epoll_handle_timers(struct epoll_loop *loop)
{
	struct conn *conn;
	while ((conn = conn_next_due(&loop->conns)) != NULL)
		take_turn_of(loop, conn, true);
}

static void epoll_abort(struct epoll_loop *loop)
{
	struct conn_set *conns = &loop->conns;
	conns->is_aborting = true;
	for (struct conn *conn = NULL; (conn = conn_next(conns, conn)) != NULL;) {
		conn_abort(&loop->conns, conn);
		take_turn_of(loop, conn, true);
	}
}

MUST_USE static int epoll_take_turn(struct epoll_loop *loop)
{
	struct worker *worker = loop->worker;
	struct client *client;
	int rc = worker_wait(worker, conn_deadline_ns(&loop->conns));
	if (rc < 0)
		return rc;
	conn_update_now(&loop->conns, worker->events.n > 0);
	handle_events(loop);
	epoll_handle_timers(loop);
	while ((rc = worker_next_client(worker, &client)) > 0)
		epoll_start_client(loop, client);
	if (rc == 0 && worker_is_aborting(worker) && !loop->conns.is_aborting)
		epoll_abort(loop);
	return rc;
}

int epoll_loop_run(struct worker *worker)
{
	static struct epoll_loop loop; /* one per worker; its buffer is too large for a stack */
	loop.worker = worker;
	int rc = conn_set_open(&loop.conns, worker->server, CLIENT_BUFFER_SIZE);
	if (rc < 0)
		return rc;
	rc = worker_open(worker);
	if (rc == 0)
		worker_report_serving(worker);
	while (rc == 0 && !worker_is_done(worker))
		rc = epoll_take_turn(&loop);
	worker_close(worker);
	conn_set_close(&loop.conns);
	return rc;
}
