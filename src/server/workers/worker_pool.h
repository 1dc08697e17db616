/* SPDX-License-Identifier: MIT */
/*
 * The workers of a server as data: the memory that they share with the supervisor, and the records
 * that they post in it. It starts no process (server/workers/supervisor.h).
 */
#ifndef SERVER_WORKERS_WORKER_POOL_H
#define SERVER_WORKERS_WORKER_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "net/fork.h"
#include "net/wakeup.h"
#include "server/client_table.h"
#include "server/server.h"
#include "server/workers/event_ring.h"
#include "server/workers/worker.h"

/* A worker, as its supervisor sees it. */
struct pool_member {
	pid_t pid; /* 0: none */
	uint64_t started_ns;
	uint64_t start_at_ns;          /* when to start one, CLOCK_NEVER: not now */
	unsigned int n_early_ends;     /* number of consecutive early deaths */
	uint32_t last_read_serial;     /* serial of the client whose record was read last */
	bool has_filter;               /* it installs its own filter (server/sandbox.h) */
	size_t memory_from, memory_to; /* range of the shared memory that only this worker uses */
	struct event_ring event_ring;
	struct worker_slot *slot;
};

/* A zeroed pool is empty. */
struct worker_pool {
	struct server *server;
	struct pool_member *members;
	struct client_table *tables; /* tables[i] belongs to members[i] */
	uint32_t n_members;
	uint32_t n_used;         /* members from here on have no worker, and none will be started */
	uint64_t continue_at_ns; /* when pool_continue_idle() acts next, 0: not called yet */
	struct wakeup wakeup;    /* wakes the supervisor */
	struct wakeup_sleep *wakeup_sleep;
	_Atomic uint64_t *last_logged_ns; /* when any worker last logged that clients wait */
	_Atomic int *listen_state;        /* enum listen_drain_state (server/listen_drain.h) */
	void *memory;
	size_t memory_size;
};

/*
 * Allocates the pool of a server. Returns 0 or a negative code; the caller must close it in either
 * case.
 */
MUST_USE int pool_open(struct worker_pool *pool, struct server *server);
void pool_close(struct worker_pool *pool);

/*
 * In worker i: unmaps the memory of all other workers. So a compromised worker cannot change their
 * connections, and they cannot change its connections.
 */
void pool_keep_only(const struct worker_pool *pool, uint32_t i);

/*
 * Counts and logs the posted records of one worker or of all workers. Returns whether there were
 * any.
 */
bool pool_fetch(struct worker_pool *pool, uint32_t i);
bool pool_fetch_all(struct worker_pool *pool);

/* Returns the number of connections that the workers have taken since they were started. */
uint64_t pool_count_accepted(const struct worker_pool *pool);

/* Returns the number of clients that the workers serve. */
uint32_t pool_count_clients(const struct worker_pool *pool);

/*
 * Returns the accept queues that workers have found empty, as listen_drain_is_empty() needs them.
 */
uint64_t pool_found_empty(const struct worker_pool *pool);

/* Returns whether any worker has room for a client. */
bool pool_has_room(const struct worker_pool *pool);

/* Returns whether all workers have closed their copies of the listening sockets. */
bool pool_has_closed(const struct worker_pool *pool);

/* Logs `totals clients=3 ...`, for all workers together. */
void pool_log_totals(struct worker_pool *pool);

/* Returns whether any worker waits for clients (worker_report_serving()). */
bool pool_any_serves(const struct worker_pool *pool);

/* Sets when to start the next worker in place of a dead one. */
void pool_member_plan_next(struct pool_member *member);

/* Logs the death of a worker, how many clients it had, and whether it is replaced. */
void pool_member_log_end(const struct pool_member *member, const struct child_end *end,
			 uint32_t n_clients, bool is_replaced);

void pool_kill_all(const struct worker_pool *pool);

/*
 * Must be called in every turn once the first shutdown pipe is closed: a worker without clients
 * ends then, unless it is stopped (SIGSTOP). At intervals of DRAIN_CHECK_NS it continues (SIGCONT)
 * workers that are left and have no clients, as systemd.kill(5) does. Killing one could reset a
 * connection that it has accepted and not added to its table yet.
 */
void pool_continue_idle(struct worker_pool *pool);

/*
 * A worker has ended: counts and logs its posted records, counts and logs its remaining clients as
 * killed, and clears its place. Returns how many clients remained.
 */
uint32_t pool_reap(struct worker_pool *pool, uint32_t i, const struct child_end *end);

#endif
