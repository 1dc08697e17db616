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

#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/io.h"
#include "net/listen.h"
#include "net/proctitle.h"
#include "server/blocking/session.h"
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
	IO_ALIGNED unsigned char buffer[SESSION_BUFFER_SIZE];
};

static void prefork_publish(const struct client *client)
{
	char title[sizeof(TITLE_SERVING) + ADDR_TEXT_SIZE];
	snprintf(title, sizeof(title), TITLE_SERVING "%s", peer_name(&client->peer).text);
	proctitle_set(title);
}

/* While it serves: the accept queues are empty, or the server aborts. */
static void prefork_on_event(void *context, bool aborting)
{
	struct worker *worker = ((struct prefork *)context)->worker;
	if (aborting)
		worker->server->drain.phase = DRAIN_ABORTING;
	else if (worker->server->drain.phase == DRAIN_SERVING)
		worker->server->drain.phase = DRAIN_DRAINING;
	worker_close_listeners(worker);
}

/* Work that cannot wait for the end of the connection. */
static uint64_t do_beside(void *context)
{
	struct prefork *prefork = context;
	admission_pass_time(&prefork->worker->admission);
	return admission_deadline_ns(&prefork->worker->admission);
}

/* Serves one client: nothing else happens in this process until the connection is over. */
static int prefork_serve_client(void *context, struct client *client)
{
	struct prefork *prefork = context;
	struct worker *worker = prefork->worker;
	struct server *server = worker->server;
	worker_note_fullness(worker);
	worker_pass_wakeup_on(worker);
	prefork_publish(client);
	const struct session session = {
		.fd = client->fd,
		.shutdown_fd = worker->shutdown_fd,
		.is_unix = client->peer.family == AF_UNIX,
		.recv_timeout_ns = LISTEN_RETRY_NS,
		.idle_timeout_ns = server->idle_timeout_ns,
		.stats = &client->stats,
		.buffer = prefork->buffer,
		.notice = prefork_on_event,
		.do_beside = do_beside,
		.context = prefork,
		.notice_fd = worker->closing_fd,
	};
	ignore_result(session_run(&session)); /* the result is in the statistics */
	io_close(&client->fd);
	server_client_ended(server, client, 0, 0);
	worker_note_fullness(worker);
	proctitle_set(TITLE_WAITING);
	prefork->idle_since_ns = clock_now_ns();
	return 0;
}

static uint64_t end_of_life_ns(const struct prefork *prefork)
{
	const struct worker *worker = prefork->worker;
	if (!worker->is_spare || worker->admission.n_waiting > 0 || worker->admission.linger.n > 0)
		return CLOCK_NEVER;
	return prefork->idle_since_ns + SPARE_LIFE_NS;
}

MUST_USE static int serve_one_after_the_other(struct worker *worker)
{
	static struct prefork prefork; /* its buffer is too large for a stack */
	prefork.worker = worker;
	prefork.idle_since_ns = clock_now_ns();
	proctitle_set(TITLE_WAITING);
	int rc = worker_open(worker, prefork_serve_client, &prefork);
	if (rc == 0)
		worker_note_serving(worker);
	while (rc == 0 && !worker_is_done(worker) && clock_now_ns() < end_of_life_ns(&prefork)) {
		rc = worker_wait(worker, end_of_life_ns(&prefork));
		if (rc == 0)
			rc = worker_admit(worker);
	}
	worker_close(worker);
	return rc;
}

static int prefork_work(struct worker *worker)
{
	return worker->server->clients.most == 1 ? serve_one_after_the_other(worker)
						 : epoll_loop_run(worker);
}

const struct engine engine_prefork = {
	.name = "prefork",
	.summary = "child processes that are there before their clients, one client each",
	.work = prefork_work,
	.entry_size = sizeof(struct conn),
	.sandbox = { .has_workers = true },
	.need = { .process = true, .many_workers = true, .kib = 300, .space_kib = 66 },
	.grows = true,
};
