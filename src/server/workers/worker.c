/* SPDX-License-Identifier: MIT */
#include "server/workers/worker.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "net/io.h"
#include "net/wakeup.h"
#include "server/engine.h"

#define TAG_CLOSING   WORKER_TAGS
#define TAG_SHUTDOWN  (WORKER_TAGS + 1)
#define TAG_WAKEUP    (WORKER_TAGS + 2)
#define TAG_LISTENERS (WORKER_TAGS + 3)

/* ---- waiting for clients ---- */

/* With several workers: wake one, not all. */
static uint32_t listener_events(const struct worker *worker)
{
	return worker->n_workers > 1 ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN;
}

static void unwatch_listeners(struct worker *worker)
{
	const struct listeners *listeners = &worker->server->listeners;
	bool in_poller = worker->is_armed && !worker->polls_listeners;
	for (size_t i = 0; in_poller && i < listeners->n; i++) {
		if (listeners->list[i].fd >= 0)
			ignore_result(poller_remove(&worker->poller, listeners->list[i].fd));
	}
	worker->is_armed = false;
}

MUST_USE static int watch_listeners(struct worker *worker)
{
	const struct listeners *listeners = &worker->server->listeners;
	bool in_poller = !worker->is_armed && !worker->polls_listeners;
	for (size_t i = 0; in_poller && i < listeners->n; i++) {
		if (listeners->list[i].fd < 0)
			continue;
		int rc = poller_add(&worker->poller, listeners->list[i].fd, listener_events(worker),
				    TAG_LISTENERS + i);
		if (rc < 0 && rc != -EEXIST)
			return rc;
		/* At once: after a failure, unwatch_listeners() removes the ones added before. */
		worker->is_armed = true;
	}
	worker->is_armed = true;
	return 0;
}

/*
 * Waits for wake-ups from other workers while there is room. EPOLLEXCLUSIVE (epoll(7)) does not
 * wake a stopped worker, because it does not sleep in a wait.
 */
static void watch_for_wakeup(struct worker *worker, bool wanted)
{
	if (worker->n_workers == 1 || wanted == worker->waits_for_wakeup)
		return;
	int rc = wanted ? poller_add(&worker->poller, worker->wakeup_fd, EPOLLIN | EPOLLEXCLUSIVE,
				     TAG_WAKEUP)
			: poller_remove(&worker->poller, worker->wakeup_fd);
	if (rc == 0) /* on failure retry in the next turn; other workers are woken meanwhile */
		worker->waits_for_wakeup = wanted;
}

/* Another worker, or the supervisor, has found a connection that no worker accepts. */
static void read_wakeup(struct worker *worker)
{
	uint64_t count;
	ignore_result(io_read(worker->wakeup_fd, &count,
			      sizeof(count))); /* another worker may have read it */
	for (size_t i = 0; i < worker->server->listeners.n; i++)
		worker->admission.is_ready[i] = true;
}

/* ---- a turn ---- */

static void worker_check_pipes(struct worker *worker, uint64_t tag)
{
	struct server *server = worker->server;
	if (tag >= TAG_LISTENERS) {
		worker->admission.is_ready[tag - TAG_LISTENERS] = true;
		return;
	}
	if (tag == TAG_WAKEUP) {
		read_wakeup(worker);
		return;
	}
	if (tag == TAG_SHUTDOWN)
		server->drain.phase = DRAIN_ABORTING;
	else if (server->drain.phase == DRAIN_SERVING)
		server->drain.phase = DRAIN_DRAINING;
}

/* Handles the events of the worker and removes them; the engine's events stay in the list. */
static void take_worker_events(struct worker *worker)
{
	struct poller_events *events = &worker->events;
	int kept = 0;
	for (int i = 0; i < events->n; i++) {
		if (events->list[i].data.u64 >= WORKER_TAGS)
			worker_check_pipes(worker, events->list[i].data.u64);
		else
			events->list[kept++] = events->list[i];
	}
	events->n = kept;
}

uint64_t worker_deadline_ns(const struct worker *worker)
{
	return admission_deadline_ns(&worker->admission);
}

int worker_wait(struct worker *worker, uint64_t deadline_ns)
{
	deadline_ns = clock_earlier_ns(deadline_ns, worker_deadline_ns(worker));
	int n = poller_wait(&worker->poller, &worker->events, deadline_ns);
	if (n > 0)
		take_worker_events(worker);
	return n < 0 ? n : 0;
}

/* Returns whether connections may wait that this worker has not accepted. */
static bool is_any_ready(const struct worker *worker)
{
	bool any = false;
	for (size_t i = 0; i < worker->server->listeners.n; i++)
		any |= worker->admission.is_ready[i];
	return any;
}

static void clear_readiness(struct worker *worker)
{
	for (size_t i = 0; i < worker->server->listeners.n; i++)
		worker->admission.is_ready[i] = false;
}

/*
 * Wakes another worker if a listening socket woke this one, which has not accepted from that
 * socket.
 */
static void wake_another_worker(struct worker *worker)
{
	static const uint64_t one = 1;
	bool others_serve = worker->n_workers > 1 && worker->server->drain.phase == DRAIN_SERVING;
	if (others_serve && is_any_ready(worker))
		ignore_result(io_write(worker->wakeup_fd, &one, sizeof(one)));
	clear_readiness(worker);
}

static bool is_full(const struct worker *worker)
{
	return worker->server->clients.count >= worker->server->clients.limit;
}

/* Reports to the supervisor whether the worker is paused and whether it has room. */
static void publish_room(struct worker *worker)
{
	const struct server *server = worker->server;
	atomic_store_explicit(&worker->slot->is_paused, admission_is_paused(&worker->admission),
			      memory_order_relaxed);
	if (is_full(worker) == atomic_load_explicit(&worker->slot->is_full, memory_order_relaxed))
		return;
	atomic_store_explicit(&worker->slot->is_full, is_full(worker), memory_order_relaxed);
	if (is_full(worker) && server->config->engine->grows)
		wakeup_post(server->link->wakeup);
}

/* Returns whether the supervisor is dead. */
static bool is_supervisor_dead(const struct worker *worker)
{
	const struct supervisor_link *link = worker->server->link;
	struct pollfd presence = { .fd = link != NULL ? link->presence_fd : -1, .events = POLLIN };
	return io_wait(&presence, 1, 0) != 0;
}

void worker_close_listeners(struct worker *worker)
{
	/*
	 * A closed socket would stay in the epoll set while other processes have it too (epoll(7)).
	 */
	unwatch_listeners(worker);
	watch_for_wakeup(worker, false);
	bool has_any = listeners_any_open(&worker->server->listeners);
	if (has_any && worker_is_aborting(worker) && is_supervisor_dead(worker))
		admission_close(&worker->admission);
	listeners_close(&worker->server->listeners);
	if (!worker->polls_listeners)
		worker_report_closed(worker);
}

void worker_report_closed(struct worker *worker)
{
	atomic_store_explicit(&worker->slot->has_closed, 1, memory_order_release);
}

/*
 * Closes unix sockets that get no more connections: they would be ready all the time. The slot may
 * have the bits of an earlier worker, so it does not show what this worker has closed.
 */
static void close_found_empty(struct worker *worker)
{
	struct listeners *listeners = &worker->server->listeners;
	uint64_t found = worker->admission.found_empty;
	if (found == worker->closed_empty)
		return;
	unwatch_listeners(worker);
	for (size_t i = 0; i < listeners->n; i++) {
		if ((found >> i & 1) != 0)
			listener_close(&listeners->list[i]);
	}
	worker->closed_empty = found;
	atomic_store(&worker->slot->found_empty, found);
}

/* Waits for more clients if there is room. Otherwise they wait for another worker. */
MUST_USE static int await_clients(struct worker *worker)
{
	struct admission *admission = &worker->admission;
	bool is_open = admission_is_open(admission) && worker->server->drain.phase == DRAIN_SERVING;
	publish_room(worker);
	int rc = is_open ? watch_listeners(worker) : 0;
	if (err_is_shortage(rc)) {
		/* Current clients are served; new ones wait for another worker. */
		admission_pause(admission, "cannot wait for connections", rc);
		is_open = false;
	} else if (rc < 0) {
		return rc;
	}
	watch_for_wakeup(worker, is_open);
	if (is_open) {
		clear_readiness(worker); /* a waiting connection makes its socket ready again */
		return 0;
	}
	unwatch_listeners(worker);
	wake_another_worker(worker);
	return 0;
}

static void begin_turn(struct worker *worker)
{
	worker->is_in_turn = true;
	admission_check_time(&worker->admission);
	if (worker->server->drain.phase != DRAIN_SERVING)
		worker_close_listeners(worker);
	worker->was_woken = is_any_ready(worker);
}

MUST_USE static int end_turn(struct worker *worker)
{
	worker->is_in_turn = false;
	close_found_empty(worker);
	/* It has clients: it moves to the end of the queue of waiters, behind the other workers. */
	if (worker->was_woken && worker->n_workers > 1 && worker->server->clients.count > 0)
		unwatch_listeners(worker);
	return await_clients(worker);
}

int worker_next_client(struct worker *worker, struct client **ret_client)
{
	if (!worker->is_in_turn)
		begin_turn(worker);
	int rc = admission_next(&worker->admission, ret_client);
	if (rc > 0 && is_full(worker)) {
		/* At once: an engine may serve this client to its end before the next call. */
		publish_room(worker);
		wake_another_worker(worker);
	}
	return rc == 0 ? end_turn(worker) : rc;
}

bool worker_is_aborting(const struct worker *worker)
{
	return worker->server->drain.phase >= DRAIN_ABORTING;
}

bool worker_is_done(const struct worker *worker)
{
	return admission_is_over(&worker->admission);
}

/* ---- opening ---- */

int worker_open(struct worker *worker)
{
	admission_setup(&worker->admission, worker->server);
	int rc = poller_open(&worker->poller);
	if (rc < 0)
		return rc;
	/* Each hangs up once, so one edge is enough. */
	rc = poller_add(&worker->poller, worker->closing_fd, EPOLLIN | EPOLLET, TAG_CLOSING);
	if (rc < 0)
		return rc;
	rc = poller_add(&worker->poller, worker->shutdown_fd, EPOLLIN | EPOLLET, TAG_SHUTDOWN);
	if (rc < 0)
		return rc;
	rc = worker->has_filter ? sandbox_enter_worker(&worker->server->sandbox) : 0;
	return rc < 0 ? rc : await_clients(worker);
}

void worker_report_serving(struct worker *worker)
{
	atomic_store(&worker->slot->is_serving, 1);
	wakeup_post(worker->server->link->wakeup);
}

void worker_close(struct worker *worker)
{
	poller_close(&worker->poller);
}
