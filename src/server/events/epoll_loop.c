/* SPDX-License-Identifier: MIT */
/*
 * The happy path: a client is ready, what it sent is received into the one buffer that all clients
 * have in common, and sent back at once (server/events/conn_io.h); then the next who is ready.
 *
 * What else can happen: a client does not take all (the rest is kept, and it is not received from
 * until that is gone); a client sends without end (its turn ends with a full buffer, and
 * the next begins behind everybody else's); nothing moves, or the server is called off
 * (server/events/conn.h).
 *
 * Each client is waited for at its edges (EPOLLET), and at all of them from its first moment to its
 * last: no system call but receive, send and wait. The price is that an event comes once. So:
 *   - who received less than was asked for has emptied the queue, and what comes later is an event
 *     (epoll(7), question 9). But for two cases that are seen in the event: the end of the stream
 *     is behind the last byte, or urgent data, before which a receive stops (tcp(7), SO_OOBINLINE).
 *     Then it is received from until there is nothing;
 *   - who could not send all is told when there is room;
 *   - who was stopped in the middle by his budget is made an event again (poller_change()).
 */
#include "server/events/epoll_loop.h"

#include "base/clock.h"
#include "net/io.h"
#include "net/poller.h"
#include "server/events/conn_io.h"

#define EDGES (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)

/* After these a receive of less than was asked for does not mean that there is nothing more. */
#define MORE_BEHIND (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)

struct epoll_loop {
	struct worker *worker;
	struct conn_io io;
};

/* ---- one client ---- */

/* Its number, and which client with that number it is: an event of the one before is none. */
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
	switch (conn_io_step(&loop->io, conn, empties)) {
	case CONN_WAITS:
		break;
	case CONN_AGAIN:
		rc = poller_change(&loop->worker->poller, conn->client.fd, EDGES,
				   epoll_tag(loop, conn));
		if (rc < 0)
			conn_wait_out_shortage(&loop->io.conns, conn, rc);
		break;
	case CONN_OVER:
		io_close(&conn->client.fd);
		conn_count_out(&loop->io.conns, conn);
		admission_client_ended(&loop->worker->admission);
		break;
	}
}

static int epoll_serve_client(void *context, struct client *client)
{
	struct epoll_loop *loop = context;
	struct conn *conn = (struct conn *)client;
	int rc = poller_add(&loop->worker->poller, client->fd, EDGES, epoll_tag(loop, conn));
	if (rc == 0)
		conn_restart_idle(&loop->io.conns, conn);
	return rc;
}

/* ---- all of them ---- */

static void handle_events(struct epoll_loop *loop)
{
	const struct poller_events *events = &loop->worker->events;
	for (int i = 0; i < events->n; i++) {
		struct conn *conn = conn_of(loop, events->list[i].data.u64);
		uint32_t what = events->list[i].events;
		/* Room to send there is always, unless something is kept. */
		if (conn == NULL ||
		    ((what | EPOLLOUT) == EPOLLOUT && echo_wants(&conn->echo) != ECHO_WRITE))
			continue;
		take_turn_of(loop, conn, (what & MORE_BEHIND) != 0);
	}
}

static void epoll_handle_timers(struct epoll_loop *loop)
{
	struct conn *conn;
	while ((conn = conn_next_due(&loop->io)) != NULL)
		take_turn_of(loop, conn, true);
}

static void epoll_abort(struct epoll_loop *loop)
{
	struct conn_set *conns = &loop->io.conns;
	conns->is_aborting = true;
	for (struct conn *conn = NULL; (conn = conn_next(conns, conn)) != NULL;) {
		conn_abort(&loop->io, conn);
		take_turn_of(loop, conn, true);
	}
}

MUST_USE static int epoll_take_turn(struct epoll_loop *loop)
{
	struct worker *worker = loop->worker;
	int rc = worker_wait(worker, conn_deadline_ns(&loop->io.conns));
	if (rc < 0)
		return rc;
	conn_update_now(&loop->io.conns, worker->events.n > 0);
	handle_events(loop);
	epoll_handle_timers(loop);
	rc = worker_admit(worker);
	if (rc == 0 && worker_is_aborting(worker) && !loop->io.conns.is_aborting)
		epoll_abort(loop);
	return rc;
}

int epoll_loop_run(struct worker *worker)
{
	static struct epoll_loop
		loop; /* a worker has one, and its buffer is too large for a stack */
	loop.worker = worker;
	int rc = conn_io_open(&loop.io, worker->server, CONN_BUFFER_SIZE);
	if (rc < 0)
		return rc;
	rc = worker_open(worker, epoll_serve_client, &loop);
	if (rc == 0)
		worker_note_serving(worker);
	while (rc == 0 && !worker_is_done(worker))
		rc = epoll_take_turn(&loop);
	worker_close(worker);
	conn_io_close(&loop.io);
	return rc;
}
