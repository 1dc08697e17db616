/* SPDX-License-Identifier: MIT */
/*
 * The happy path, as in UNP 26.4:
 *
 *   main thread of a worker                    thread
 *   accept: a connected socket
 *   start a thread --------------------------> echo until the client ends (blocking/session.h)
 *   accept the next                            report the end, exit
 *   remove ended clients from the table
 *
 * Only the main thread uses the table. A thread writes to its own client's statistics, and to
 * nothing else that is shared. A thread that ends pushes its client on a lock-free list and wakes
 * the main thread. No thread ever forks: the child would have only the thread that called fork, and
 * a lock held by another thread would stay locked there.
 *
 * What else can happen: no thread can be created for a client (it waits, server/admission.h); the
 * worker is killed with all its threads (server/workers/supervisor.h).
 */
#include "server/engine.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/io.h"
#include "net/listen.h"
#include "net/wakeup.h"
#include "server/blocking/session.h"
#include "server/faults.h"
#include "server/workers/supervisor.h"
#include "server/workers/worker.h"

/*
 * Size of a stack without the buffer. Only the used part of the buffer becomes memory. The C
 * library may need more: 128 KiB on arm64.
 */
#define STACK_SIZE ((size_t)48 * 1024)

#define TAG_ENDED UINT64_C(1)

struct thread_engine;

/* A client and its thread. */
struct thread_client {
	struct client client;
	struct thread_engine *engine;
	struct thread_client *next_ended;
};

struct thread_engine {
	struct worker *worker;
	pthread_attr_t attributes;
	struct wakeup ended_wakeup;
	struct wakeup_sleep ended_sleep;
	struct thread_client *_Atomic ended; /* head of the list of ended clients, latest first */
};

/* ---- a thread ---- */

static void push_ended(struct thread_client *served)
{
	struct thread_engine *engine = served->engine;
	struct thread_client *head = atomic_load(&engine->ended);
	do {
		served->next_ended = head;
	} while (!atomic_compare_exchange_weak(&engine->ended, &head, served));
	wakeup_post(&engine->ended_wakeup);
}

/*
 * Runs the session, with its faults on request if there are any. The result is in the statistics.
 * Memory for faults is the thread's own: nothing in the shared client table refers to it.
 */
static enum close_reason run_with_faults(const struct faults *faults, struct client *client,
					 struct session *session)
{
	if (faults == NULL)
		return session_run(session);
	struct fault_conn conn;
	faults_client_begins(faults, client, &conn);
	void *memory = aligned_alloc(FAULT_STREAM_ALIGNMENT, faults_stream_size(faults));
	if (memory == NULL) {
		atomic_store_explicit(&client->stats.code, -ENOMEM, memory_order_relaxed);
		atomic_store_explicit(&client->stats.reason, CLOSE_ERROR, memory_order_release);
		return CLOSE_ERROR;
	}
	session->faults = fault_stream_begin(memory, &conn);
	enum close_reason reason = session_run(session);
	free(memory);
	return reason;
}

/* This frame may be large: the stack has room for it (stack_size()). */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wframe-larger-than="
static void *thread_main(void *argument)
{
	struct thread_client *served = argument;
	struct worker *worker = served->engine->worker;
	struct client *client = &served->client;
	IO_ALIGNED unsigned char buffer[CLIENT_BUFFER_SIZE];
	struct session session = {
		.fd = client->fd,
		.shutdown_fd = worker->shutdown_fd,
		.is_unix = client->peer.family == AF_UNIX,
		.recv_timeout_ns = LISTEN_RETRY_NS,
		.idle_timeout_ns = worker->server->config->idle_timeout_ns,
		.stats = &client->stats,
		.buffer = buffer,
	};
	ignore_result(run_with_faults(worker->server->config->faults, client, &session));
	io_close(&client->fd);
	push_ended(served); /* from here on the client belongs to the main thread */
	return NULL;
}
#pragma GCC diagnostic pop

/* ---- the main thread ---- */

static void thread_start_client(struct thread_engine *engine, struct client *client)
{
	struct thread_client *served = (struct thread_client *)client;
	served->engine = engine;
	pthread_t thread;
	int rc = -pthread_create(&thread, &engine->attributes, thread_main, served);
	if (rc < 0)
		admission_put_back(&engine->worker->admission, client, rc);
}

static void remove_ended_clients(struct thread_engine *engine)
{
	struct thread_client *served = atomic_exchange(&engine->ended, NULL);
	while (served != NULL) {
		struct thread_client *next = served->next_ended;
		server_client_ended(engine->worker->server, &served->client, 0, 0);
		admission_client_ended(&engine->worker->admission);
		served = next;
	}
}

static size_t stack_size(void)
{
	long minimum = sysconf(_SC_THREAD_STACK_MIN);
	size_t size = minimum > (long)STACK_SIZE ? (size_t)minimum : STACK_SIZE;
	return size + CLIENT_BUFFER_SIZE;
}

static void *thread_end_at_once(void *argument)
{
	return argument;
}

/* Without a thread, as under a filter that forbids clone3(2), no client can be served. */
MUST_USE static int try_thread(const struct thread_engine *engine)
{
	pthread_t thread;
	return -pthread_create(&thread, &engine->attributes, thread_end_at_once, NULL);
}

/* On failure the process ends, and nothing is closed. */
MUST_USE static int thread_engine_open(struct thread_engine *engine)
{
	int rc = pthread_attr_init(&engine->attributes);
	if (rc == 0)
		rc = pthread_attr_setdetachstate(&engine->attributes, PTHREAD_CREATE_DETACHED);
	if (rc == 0)
		rc = pthread_attr_setstacksize(&engine->attributes, stack_size());
	if (rc != 0)
		return -rc;
	rc = try_thread(engine);
	if (rc < 0)
		return rc;
	rc = wakeup_open(&engine->ended_wakeup, &engine->ended_sleep);
	if (rc < 0)
		return rc;
	rc = worker_open(engine->worker);
	if (rc < 0)
		return rc;
	return poller_add(&engine->worker->poller, engine->ended_wakeup.fd, EPOLLIN, TAG_ENDED);
}

MUST_USE static int thread_take_turn(struct thread_engine *engine)
{
	struct client *client;
	wakeup_begin_sleep(&engine->ended_wakeup);
	uint64_t deadline_ns = atomic_load(&engine->ended) != NULL ? 0 : CLOCK_NEVER;
	int rc = worker_wait(engine->worker, deadline_ns);
	wakeup_end_sleep(&engine->ended_wakeup);
	if (rc < 0)
		return rc;
	remove_ended_clients(engine);
	while ((rc = worker_next_client(engine->worker, &client)) > 0)
		thread_start_client(engine, client);
	return rc;
}

static int thread_work(struct worker *worker)
{
	struct thread_engine engine = { .worker = worker };
	int rc = thread_engine_open(&engine);
	if (rc == 0)
		worker_report_serving(worker);
	while (rc == 0 && !worker_is_done(worker))
		rc = thread_take_turn(&engine);
	return rc; /* the process ends, and all remaining threads with it */
}

/* All clients are threads of one process, and share its descriptors. */
static uint32_t thread_n_workers(void)
{
	return 1;
}

const struct engine engine_thread = {
	.name = "thread",
	.summary = "one thread for each client, in one process",
	.work = thread_work,
	.entry_size = sizeof(struct thread_client),
	.sandbox = { .has_workers = true, .has_threads = true },
	.need = { .process = true,
		  .many_workers = true,
		  .kib = 110,
		  .worker_kib = 512,
		  .space_kib = 120,
		  .worker_space_kib = 2048 },
	.workers = thread_n_workers,
};
