/* SPDX-License-Identifier: MIT */
/*
 * The happy path: all workers start, post records of ended clients, see the shutdown pipes close,
 * and end.
 *
 * What else can happen: a worker is killed or fails (another one replaces it); no process can be
 * started (retry later); all workers are busy (more are started, if the engine grows); records come
 * fast (the supervisor then reads the rings a few hundred times a second, without wake-ups).
 */
#include "server/workers/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/io.h"
#include "net/fork.h"
#include "net/proctitle.h"
#include "net/signals.h"
#include "net/wakeup.h"
#include "server/control.h"
#include "server/engine.h"
#include "server/sandbox.h"
#include "server/shutdown_pipe.h"
#include "server/workers/growth.h"
#include "server/workers/pool_accept.h"
#include "server/workers/worker.h"
#include "server/workers/worker_pool.h"

/* Time until the next try to start a worker after fork() failed. */
#define SUPERVISOR_RETRY_NS (200 * CLOCK_NS_PER_MS)

/* Interval of reading the rings while records keep coming, without wake-ups. */
#define SUPERVISOR_FETCH_NS (4 * CLOCK_NS_PER_MS)

struct supervisor {
	struct server *server;
	struct worker_pool pool;
	struct pool_accept accept;
	struct shutdown_pipe closing;       /* closed when the accept queues are empty */
	struct shutdown_pipe shutdown_pipe; /* closed after the drain timeout */
	struct shutdown_pipe presence; /* closed at our end only: until then the rings are read */
	uint32_t n_alive;
	bool is_starting;                /* until a worker serves */
	int start_code;                  /* why the first start failed */
	_Atomic uint64_t last_logged_ns; /* when a failure to start a worker was last logged */
};

void supervisor_close(struct supervisor *supervisor)
{
	if (supervisor == NULL)
		return;
	shutdown_pipe_close(&supervisor->presence);
	shutdown_pipe_close(&supervisor->closing);
	shutdown_pipe_close(&supervisor->shutdown_pipe);
	pool_accept_close(&supervisor->accept);
	pool_close(&supervisor->pool);
	free(supervisor);
}

/* On failure the caller closes what was opened. */
MUST_USE static int open_supervisor(struct supervisor *supervisor)
{
	int rc = pool_open(&supervisor->pool, supervisor->server);
	if (rc < 0)
		return rc;
	rc = shutdown_pipe_open(&supervisor->shutdown_pipe);
	if (rc < 0)
		return rc;
	rc = shutdown_pipe_open(&supervisor->presence);
	if (rc < 0)
		return rc;
	rc = shutdown_pipe_open(&supervisor->closing);
	if (rc < 0)
		return rc;
	return pool_accept_open(&supervisor->accept, supervisor->server, &supervisor->pool);
}

/* ---- start and end of a worker ---- */

/* While the server drains, connections in the accept queues may need another worker. */
static bool may_start(const struct supervisor *supervisor)
{
	enum drain_phase phase = supervisor->server->drain.phase;
	return phase == DRAIN_SERVING ||
	       (phase == DRAIN_DRAINING && !supervisor->accept.queue_is_empty);
}

static void set_title(const struct worker *worker)
{
	char title[80];
	snprintf(title, sizeof(title), "tcpecho: %s worker %u",
		 worker->server->config->engine->name, worker->number + 1);
	proctitle_set(title);
}

_Noreturn static void worker_main(struct supervisor *supervisor, uint32_t i)
{
	struct server *server = supervisor->server; /* a private copy since fork() */
	struct pool_member *member = &supervisor->pool.members[i];
	struct supervisor_link link = {
		.accepted = &member->slot->accepted,
		.event_ring = &member->event_ring,
		.wakeup = &supervisor->pool.wakeup,
		.last_logged_ns = supervisor->pool.last_logged_ns,
		.listen_state = supervisor->pool.listen_state,
		.presence_fd = supervisor->presence.child_fd,
		.message = &member->slot->message,
	};
	/* Close the descriptors that only the supervisor may hold. */
	shutdown_pipe_signal(&supervisor->shutdown_pipe);
	shutdown_pipe_signal(&supervisor->presence);
	shutdown_pipe_signal(&supervisor->closing);
	control_close(server->control); /* the reader of --ready-fd waits for end of file */
	log_begin_child();
	pool_keep_only(&supervisor->pool, i);
	listeners_disown(&server->listeners);
	pool_accept_become_worker(&supervisor->accept);
	server->clients = supervisor->pool.tables[i];
	server->link = &link;
	server->control = NULL;
	server->drain = (struct drain){ 0 }; /* a worker started late serves like the others */

	static struct worker worker; /* too large for a stack */
	worker = (struct worker){
		.number = i,
		.n_workers = server->config->n_workers,
		.is_spare = server->config->engine->grows && i >= GROWTH_FIRST,
		.has_filter = member->has_filter,
		.slot = member->slot,
		.server = server,
		.closing_fd = supervisor->closing.child_fd,
		.wakeup_fd = supervisor->accept.wakeup_fd,
		.shutdown_fd = supervisor->shutdown_pipe.child_fd,
	};
	set_title(&worker);
	int rc = server->config->engine->work(&worker);
	atomic_store(&member->slot->code, rc);
	_exit(rc < 0 ? 1 : 0);
}

/* Filters are limited only if clients can cause workers to start; else workers are few. */
static bool is_rationed(const struct supervisor *supervisor)
{
	return supervisor->server->config->engine->grows;
}

static void supervisor_release_filter(struct supervisor *supervisor, struct pool_member *member)
{
	if (member->has_filter && is_rationed(supervisor))
		sandbox_release_filter(&supervisor->server->sandbox);
	member->has_filter = false;
}

/* While the server starts, a failed worker is not replaced: the first error is reported. */
static void record_start_failure(struct supervisor *supervisor, int code)
{
	if (supervisor->start_code == 0)
		supervisor->start_code = code;
}

static void start_worker(struct supervisor *supervisor, uint32_t i)
{
	struct pool_member *member = &supervisor->pool.members[i];
	member->last_read_serial = 0;
	atomic_store(&member->slot->code, 0);
	atomic_store(&member->slot->is_full, 0);
	atomic_store(&member->slot->is_paused, 0);
	atomic_store(&member->slot->has_closed, 0);
	atomic_store(&member->slot->is_serving, 0);
	member->has_filter = !is_rationed(supervisor) ||
			     sandbox_acquire_filter(&supervisor->server->sandbox, clock_now_ns());
	pid_t pid = fork_process();
	if (pid == 0)
		worker_main(supervisor, i);
	if (pid < 0) {
		supervisor_release_filter(supervisor, member);
		member->start_at_ns = clock_deadline_ns(SUPERVISOR_RETRY_NS);
		if (supervisor->is_starting)
			record_start_failure(supervisor, pid);
		else if (log_once_a_second(&supervisor->last_logged_ns))
			log_warning("cannot start a worker: %s, clients wait", err_text(pid).text);
		return;
	}
	member->pid = pid;
	member->started_ns = clock_now_ns();
	member->start_at_ns = CLOCK_NEVER;
	supervisor->n_alive++;
}

static bool is_killed_by_us(const struct supervisor *supervisor, const struct child_end *end)
{
	return supervisor->server->drain.phase == DRAIN_KILLING && end->signal == SIGKILL;
}

static void worker_ended(struct supervisor *supervisor, uint32_t i, const struct child_end *end)
{
	struct pool_member *member = &supervisor->pool.members[i];
	bool has_failed = end->signal != 0 || end->status != 0;
	uint32_t n_clients = pool_reap(&supervisor->pool, i, end);
	member->pid = 0;
	member->start_at_ns = CLOCK_NEVER;
	supervisor_release_filter(supervisor, member);
	supervisor->n_alive--;
	if (!has_failed)
		return;
	bool is_replaced = may_start(supervisor);
	if (supervisor->is_starting)
		record_start_failure(supervisor, end->signal != 0
							 ? ERR_WORKER_KILLED
							 : atomic_load(&member->slot->code));
	else if (!is_killed_by_us(supervisor, end))
		pool_member_log_end(member, end, n_clients, is_replaced);
	if (is_replaced)
		pool_member_plan_next(member);
}

/* Lowers n_used after workers that were started for a burst of clients have ended. */
static void forget_unused(struct worker_pool *pool)
{
	while (pool->n_used > 0 && pool->members[pool->n_used - 1].pid == 0 &&
	       pool->members[pool->n_used - 1].start_at_ns == CLOCK_NEVER)
		pool->n_used--;
}

MUST_USE static int supervisor_reap(struct supervisor *supervisor)
{
	struct child_end end;
	int rc;
	while ((rc = fork_reap_child(&end)) > 0) {
		for (uint32_t i = 0; i < supervisor->pool.n_used; i++) {
			if (supervisor->pool.members[i].pid == end.pid) {
				worker_ended(supervisor, i, &end);
				break;
			}
		}
	}
	forget_unused(&supervisor->pool);
	return rc;
}

/* ---- the number of workers ---- */

static struct growth_state get_growth_state(const struct supervisor *supervisor)
{
	struct growth_state state = {
		.n_alive = supervisor->n_alive,
		.may_be_stuck = supervisor->accept.may_be_stuck,
	};
	for (uint32_t i = 0; i < supervisor->pool.n_used; i++) {
		const struct pool_member *member = &supervisor->pool.members[i];
		bool is_planned = member->pid == 0 && member->start_at_ns != CLOCK_NEVER;
		state.any_paused |= member->pid != 0 && atomic_load(&member->slot->is_paused) != 0;
		if (is_planned || (member->pid != 0 && atomic_load(&member->slot->is_full) == 0))
			state.n_idle++;
	}
	return state;
}

static void plan_growth(struct supervisor *supervisor)
{
	const struct growth_state state = get_growth_state(supervisor);
	uint32_t more = growth_step(&state);
	uint64_t now_ns = clock_now_ns();
	for (uint32_t i = 0; i < supervisor->pool.n_members && more > 0; i++) {
		struct pool_member *member = &supervisor->pool.members[i];
		if (member->pid != 0 || member->start_at_ns != CLOCK_NEVER)
			continue;
		member->start_at_ns = now_ns;
		if (i >= supervisor->pool.n_used)
			supervisor->pool.n_used = i + 1;
		more--;
	}
	supervisor->accept.may_be_stuck = false;
}

static void plan_first(struct supervisor *supervisor)
{
	struct worker_pool *pool = &supervisor->pool;
	bool grows = supervisor->server->config->engine->grows;
	for (uint32_t i = 0; i < pool->n_members; i++)
		pool->members[i].start_at_ns = grows && i >= GROWTH_FIRST ? CLOCK_NEVER : 0;
	if (grows && pool->n_used > GROWTH_FIRST)
		pool->n_used = GROWTH_FIRST;
}

static void start_due(struct supervisor *supervisor)
{
	if (!may_start(supervisor))
		return;
	if (supervisor->server->config->engine->grows)
		plan_growth(supervisor);
	uint64_t now_ns = clock_now_ns();
	for (uint32_t i = 0; i < supervisor->pool.n_used; i++) {
		if (supervisor->pool.members[i].pid == 0 &&
		    supervisor->pool.members[i].start_at_ns <= now_ns)
			start_worker(supervisor, i);
	}
}

static uint64_t next_start_ns(const struct supervisor *supervisor)
{
	uint64_t next_ns = CLOCK_NEVER;
	if (!may_start(supervisor))
		return next_ns;
	for (uint32_t i = 0; i < supervisor->pool.n_used; i++) {
		if (supervisor->pool.members[i].pid == 0)
			next_ns =
				clock_earlier_ns(next_ns, supervisor->pool.members[i].start_at_ns);
	}
	return next_ns;
}

/* ---- the loop ---- */

/* Does what the drain phase requires. Every step may be repeated. */
static void supervisor_follow_drain(struct supervisor *supervisor)
{
	enum drain_phase phase = supervisor->server->drain.phase;
	if (phase >= DRAIN_DRAINING)
		pool_accept_drain(&supervisor->accept);
	if (supervisor->accept.queue_is_empty) {
		shutdown_pipe_signal(&supervisor->closing);
		pool_continue_idle(&supervisor->pool);
	}
	if (phase >= DRAIN_ABORTING)
		shutdown_pipe_signal(&supervisor->shutdown_pipe);
	if (phase == DRAIN_KILLING)
		pool_kill_all(&supervisor->pool);
}

/*
 * Waits for signals, for what accepting needs, and for wake-ups of workers; without wake-ups, for
 * SUPERVISOR_FETCH_NS at most.
 */
MUST_USE static int supervisor_wait(struct supervisor *supervisor, bool with_wakeups)
{
	const struct server *server = supervisor->server;
	struct pollfd polls[2 + POOL_ACCEPT_POLLS] = {
		{ .fd = server->control->signals_fd, .events = POLLIN },
		{ .fd = with_wakeups ? supervisor->pool.wakeup.fd : -1, .events = POLLIN },
	};
	uint64_t deadline_ns = control_deadline_ns(server);
	deadline_ns = clock_earlier_ns(deadline_ns, next_start_ns(supervisor));
	if (!with_wakeups)
		deadline_ns = clock_earlier_ns(deadline_ns, clock_deadline_ns(SUPERVISOR_FETCH_NS));
	size_t n = 2 + pool_accept_poll(&supervisor->accept, &polls[2], &deadline_ns);
	int rc = control_wait(polls, n, deadline_ns);
	if (rc >= 0)
		pool_accept_handle_polls(&supervisor->accept, &polls[2]);
	return rc < 0 ? rc : 0;
}

static bool supervisor_is_over(const struct supervisor *supervisor)
{
	return supervisor->n_alive == 0 && admission_is_over(&supervisor->accept.admission);
}

MUST_USE static int supervisor_take_turn(struct supervisor *supervisor)
{
	struct server *server = supervisor->server;
	struct control_request request = control_read_signals(server);
	int rc = request.child_ended ? supervisor_reap(supervisor) : 0;
	if (rc < 0)
		return rc;
	if (request.new_phase) {
		admission_stop(&supervisor->accept.admission); /* before the phase is logged */
		control_log_phase(server, pool_count_clients(&supervisor->pool));
	}
	if (!supervisor_is_over(supervisor) && control_check_time(server))
		control_log_phase(server, pool_count_clients(&supervisor->pool));
	supervisor_follow_drain(supervisor);
	if (request.totals)
		pool_log_totals(&supervisor->pool);
	start_due(supervisor);
	return 0;
}

/* Reads the records of workers, and starts workers. Returns whether there was a record. */
static bool supervisor_fetch(struct supervisor *supervisor)
{
	bool any = pool_fetch_all(&supervisor->pool);
	if (any)
		admission_client_ended(&supervisor->accept.admission);
	start_due(supervisor);
	return any;
}

MUST_USE static int supervisor_loop(struct supervisor *supervisor)
{
	int rc = 0;
	while (rc == 0 && !supervisor_is_over(supervisor)) {
		rc = supervisor_take_turn(supervisor);
		if (rc < 0 || supervisor_is_over(supervisor))
			break;
		bool any = supervisor_fetch(supervisor);
		rc = pool_accept_dispatch(&supervisor->accept);
		if (rc < 0)
			break;
		/* A connection that waits for its source must not wait for the next interval. */
		if (any && !pool_accept_has_waiting(&supervisor->accept)) {
			rc = supervisor_wait(supervisor, false);
			continue;
		}
		wakeup_begin_sleep(&supervisor->pool.wakeup);
		if (!supervisor_fetch(supervisor)) /* records posted while awake sent no wake-up */
			rc = supervisor_wait(supervisor, true);
		wakeup_end_sleep(&supervisor->pool.wakeup);
	}
	return rc;
}

/*
 * Handles signals while the first worker starts. Returns 0, or -EINTR if INT or TERM came before
 * any client can have been served, or came a second time.
 */
MUST_USE static int read_signals_at_start(struct supervisor *supervisor)
{
	struct server *server = supervisor->server;
	struct control_request request = control_read_signals(server);
	bool is_draining = server->drain.phase == DRAIN_DRAINING;
	if (request.new_phase && (!is_draining || !pool_any_serves(&supervisor->pool)))
		return -EINTR;
	if (request.new_phase) {
		admission_stop(&supervisor->accept.admission); /* before the phase is logged */
		control_log_phase(server, pool_count_clients(&supervisor->pool));
	}
	return request.child_ended ? supervisor_reap(supervisor) : 0;
}

/* Waits until one worker serves. Returns 0, -EINTR, or the code of the first failure. */
MUST_USE static int await_first(struct supervisor *supervisor)
{
	struct pollfd ready[] = {
		{ .fd = supervisor->server->control->signals_fd, .events = POLLIN },
		{ .fd = supervisor->pool.wakeup.fd, .events = POLLIN },
	};
	int rc = 0;
	while (rc >= 0 && supervisor->n_alive > 0 && !pool_any_serves(&supervisor->pool)) {
		wakeup_begin_sleep(&supervisor->pool.wakeup);
		if (!pool_any_serves(&supervisor->pool))
			rc = io_wait(ready, ARRAY_LEN(ready), CLOCK_NEVER);
		wakeup_end_sleep(&supervisor->pool.wakeup);
		if (rc >= 0)
			rc = read_signals_at_start(supervisor);
	}
	if (rc >= 0 && supervisor->n_alive == 0)
		rc = supervisor->start_code < 0 ? supervisor->start_code : -ECHILD;
	return rc < 0 ? rc : 0;
}

int supervisor_start(struct server *server, struct supervisor **ret_supervisor)
{
	struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
	if (supervisor == NULL)
		return -ENOMEM;
	*supervisor = (struct supervisor){
		.server = server,
		.is_starting = true,
		.shutdown_pipe = { -1, -1 },
		.closing = { -1, -1 },
		.presence = { -1, -1 },
	};
	int rc = open_supervisor(supervisor);
	if (rc < 0) {
		supervisor_close(supervisor);
		return rc;
	}
	plan_first(supervisor);
	start_due(supervisor);
	rc = await_first(supervisor);
	supervisor->is_starting = false;
	if (rc < 0)
		supervisor_close(supervisor); /* this also ends the workers */
	else
		*ret_supervisor = supervisor;
	return rc;
}

int supervisor_run(struct supervisor *supervisor)
{
	int rc = supervisor_loop(supervisor);
	if (rc < 0)
		pool_kill_all(&supervisor->pool);
	pool_fetch_all(&supervisor->pool);
	supervisor_close(supervisor);
	return rc;
}
