/* SPDX-License-Identifier: MIT */
/*
 * What the workers of a server and their supervisor have in common: the memory that they share,
 * what the ones tell in it and the other counts. It starts nobody (server/workers/supervisor.h).
 */
#ifndef SERVER_WORKERS_WORKER_POOL_H
#define SERVER_WORKERS_WORKER_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "net/wakeup.h"
#include "net/process.h"
#include "server/client_table.h"
#include "server/workers/event_ring.h"
#include "server/server.h"
#include "server/workers/worker.h"

/* One worker, as its supervisor knows it. */
struct pool_member {
	pid_t pid; /* 0: there is none */
	uint64_t started_ns;
	uint64_t start_at_ns; /* when one is to be started, CLOCK_NEVER: not now */
	unsigned int n_young; /* deaths, one after the other */
	uint32_t last_told;   /* the client whose end was reported last */
	bool has_filter;      /* it puts on a list of calls of its own (server/sandbox.h) */
	size_t memory_from,
		memory_to; /* what it needs of the shared memory, besides what all need */
	struct event_ring event_ring;
	struct worker_slot *slot;
};

/* A zeroed one is none. */
struct worker_pool {
	struct server *server;
	struct pool_member *members;
	struct client_table *tables; /* members[i] has tables[i] */
	uint32_t n_members;
	uint32_t n_used; /* members from here on have no worker, and none is to be started */
	uint64_t continue_at_ns; /* when pool_continue_idle() acts next, 0: not called yet */
	struct wakeup wakeup;    /* wakes the supervisor */
	struct wakeup_sleep *wakeup_sleep;
	_Atomic uint64_t *said_ns; /* when one of them said last that clients wait */
	_Atomic int *listen_state; /* enum listen_drain_state (server/listen_drain.h) */
	void *memory;
	size_t memory_size;
};

/* Room for the workers of a server. Returns 0 or a negative code; to be closed in either case. */
MUST_USE int pool_open(struct worker_pool *pool, struct server *server);
void pool_close(struct worker_pool *pool);

/*
 * In worker i: gives the memory of all others back. A worker that was taken over cannot change
 * their connections, nor they its.
 */
void pool_keep_only(const struct worker_pool *pool, uint32_t i);

/* Counts and logs what they have told: one of them, all. Returns whether it was anything. */
bool pool_fetch(struct worker_pool *pool, uint32_t i);
bool pool_fetch_all(struct worker_pool *pool);

/* Number of connections that the workers have taken since they were started. */
uint64_t pool_count_taken(const struct worker_pool *pool);

/* How many clients they have. */
uint32_t pool_count_clients(const struct worker_pool *pool);

/* What they have found out about accept queues, as listen_drain_is_empty() wants it. */
uint64_t pool_found_empty(const struct worker_pool *pool);

/* Does any of them have room for a client? */
bool pool_has_room(const struct worker_pool *pool);

/* Have all of them closed their copies of the listening sockets? */
bool pool_has_closed(const struct worker_pool *pool);

/* `totals clients=3 ...`, of all of them together. */
void pool_log_totals(struct worker_pool *pool);

/* Does any worker wait for clients (worker_note_serving())? */
bool pool_any_serves(const struct worker_pool *pool);

/* Sets when the next worker is started in the place of one that has died. */
void pool_member_plan_next(struct pool_member *member);

/* Logs that a worker has died, with how many clients, and whether another takes its place. */
void pool_member_log_end(const struct pool_member *member, const struct process_end *end,
			 uint32_t n_clients, bool is_replaced);

void pool_kill_all(const struct worker_pool *pool);

/*
 * To be called in every turn once the workers are told to end: a worker without clients ends then,
 * unless it is stopped (SIGSTOP). After DRAIN_LOOK_NS, and again each time that passes, workers
 * that are left and have no clients are continued, as systemd.kill(5) does. Killing one could reset
 * a connection that it has accepted and not entered in its table yet.
 */
void pool_continue_idle(struct worker_pool *pool);

/*
 * A worker has died: whatever it had told is counted and logged, whoever it had is counted and
 * logged as killed, and its place is as if nobody had ever been there. Returns how many it had.
 */
uint32_t pool_reap(struct worker_pool *pool, uint32_t i, const struct process_end *end);

#endif
