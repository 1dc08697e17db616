/* SPDX-License-Identifier: MIT */
/*
 * The happy path, as in UNP 30.6, but with a number of workers that adapts to the load:
 *
 *   supervisor                    worker
 *   start a few ----------------> wait for a client
 *                                 accept, echo until the client ends (blocking/session.h), repeat
 *   start more, if fewer workers
 *   are idle than a burst needs
 *                                 idle for a while and not needed: end
 *
 * A worker has one client at a time and does nothing else meanwhile, like a child of the fork
 * engine. But it exists before the client connects. With --clients-per-worker it has several
 * clients, and runs the loop of the epoll engine with a small table.
 *
 * What else can happen: the maximum number of workers is busy (clients wait in the accept queue); a
 * worker is killed (server/workers/supervisor.h); the server ends (the session polls the shutdown
 * pipe).
 */
#include "server/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/io.h"
#include "net/listen.h"
#include "net/proctitle.h"
#include "server/blocking/session.h"
#include "server/faults.h"
#include "server/events/conn.h"
#include "server/events/epoll_loop.h"
#include "server/workers/supervisor.h"
#include "server/workers/worker.h"

/* A spare worker ends after this time without a client. */
#define SPARE_LIFE_NS (10 * CLOCK_NS_PER_S)

#define TITLE_WAITING "tcpecho: waiting"
#define TITLE_SERVING "tcpecho: serving "

struct prefork {
	struct worker *worker;
	uint64_t idle_since_ns;
	void *fault_memory; /* for faults on request; NULL: none */
	IO_ALIGNED unsigned char buffer[CLIENT_BUFFER_SIZE];
};

static void prefork_set_title(const struct client *client)
{
	char title[sizeof(TITLE_SERVING) + ADDR_TEXT_SIZE];
	snprintf(title, sizeof(title), TITLE_SERVING "%s", peer_name(&client->peer).text);
	proctitle_set(title);
}

/*
 * Other work while a client is served: the accept queues are empty, or the server aborts, or
 * connections that were turned away linger.
 */
static void prefork_handle_interrupt(struct worker *worker, const struct session *session)
{
	struct server *server = worker->server;
	if (session->is_aborting)
		server->drain.phase = DRAIN_ABORTING;
	else if (session->fd_interrupted && server->drain.phase == DRAIN_SERVING)
		server->drain.phase = DRAIN_DRAINING;
	if (server->drain.phase != DRAIN_SERVING)
		worker_close_listeners(worker);
	admission_check_time(&worker->admission);
}

/* Serves one client to its end. */
static void prefork_serve_client(struct prefork *prefork, struct client *client)
{
	struct worker *worker = prefork->worker;
	struct server *server = worker->server;
	prefork_set_title(client);
	struct session session = {
		.fd = client->fd,
		.shutdown_fd = worker->shutdown_fd,
		.is_unix = client->peer.family == AF_UNIX,
		.recv_timeout_ns = LISTEN_RETRY_NS,
		.idle_timeout_ns = server->config->idle_timeout_ns,
		.stats = &client->stats,
		.buffer = prefork->buffer,
		.is_interruptible = true,
		.interrupt_fd = worker->closing_fd,
		.interrupt_ns = worker_deadline_ns(worker),
	};
	if (prefork->fault_memory != NULL) {
		struct fault_conn conn;
		faults_client_begins(server->config->faults, client, &conn);
		session.faults = fault_stream_begin(prefork->fault_memory, &conn);
	}
	while (session_run(&session) == CLOSE_NONE) {
		prefork_handle_interrupt(worker, &session);
		session.interrupt_ns = worker_deadline_ns(worker);
	}
	io_close(&client->fd);
	server_client_ended(server, client, 0, 0);
	proctitle_set(TITLE_WAITING);
	prefork->idle_since_ns = clock_now_ns();
}

static uint64_t end_of_life_ns(const struct prefork *prefork)
{
	const struct worker *worker = prefork->worker;
	if (!worker->is_spare || worker->admission.wait_queue.n > 0 ||
	    worker->admission.linger.n > 0)
		return CLOCK_NEVER;
	return prefork->idle_since_ns + SPARE_LIFE_NS;
}

MUST_USE static int prefork_take_turn(struct prefork *prefork)
{
	struct client *client;
	int rc = worker_wait(prefork->worker, end_of_life_ns(prefork));
	if (rc < 0)
		return rc;
	while ((rc = worker_next_client(prefork->worker, &client)) > 0)
		prefork_serve_client(prefork, client);
	return rc;
}

MUST_USE static int prefork_open_faults(struct prefork *prefork)
{
	const struct faults *faults = prefork->worker->server->config->faults;
	if (faults == NULL)
		return 0;
	prefork->fault_memory = aligned_alloc(FAULT_STREAM_ALIGNMENT, faults_stream_size(faults));
	return prefork->fault_memory != NULL ? 0 : -ENOMEM;
}

MUST_USE static int prefork_loop(struct worker *worker)
{
	static struct prefork prefork; /* its buffer is too large for a stack */
	prefork.worker = worker;
	prefork.idle_since_ns = clock_now_ns();
	proctitle_set(TITLE_WAITING);
	int rc = prefork_open_faults(&prefork);
	if (rc == 0)
		rc = worker_open(worker);
	if (rc == 0)
		worker_report_serving(worker);
	while (rc == 0 && !worker_is_done(worker) && clock_now_ns() < end_of_life_ns(&prefork))
		rc = prefork_take_turn(&prefork);
	worker_close(worker);
	return rc;
}

static int prefork_work(struct worker *worker)
{
	return worker->server->config->per_worker == 1 ? prefork_loop(worker)
						       : epoll_loop_run(worker);
}

const struct engine engine_prefork = {
	.name = "prefork",
	.summary = "child processes started in advance, one client each",
	.work = prefork_work,
	.entry_size = sizeof(struct conn),
	.sandbox = { .has_workers = true },
	.need = { .process = true, .many_workers = true, .kib = 300, .space_kib = 66 },
	.grows = true,
};
