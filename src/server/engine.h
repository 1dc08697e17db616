/* SPDX-License-Identifier: MIT */
/*
 * Engines: the ways to serve many clients at once. All keep the same promises. They differ in which
 * process, thread or loop waits for a client. An engine is a file under engines/ and a row in the
 * table in engine.c.
 */
#ifndef SERVER_ENGINE_H
#define SERVER_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/reason.h"
#include "server/client_limit.h"
#include "server/sandbox.h"
#include "server/server.h"

struct worker;

struct engine {
	/* Value of --engine, lower case. */
	const char *name;

	/* One line for --help. */
	const char *summary;

	/*
	 * Checks whether this process can use the engine on this machine. NULL: always. Returns 0,
	 * or a negative code and the reason in words.
	 */
	int (*usable)(struct reason *reterr_reason);

	/* Does what must be done before the server drops privileges, or NULL. Cannot fail. */
	void (*prepare)(void);

	/*
	 * Opens what run() needs and tries what the first client will need: after success the
	 * server is ready. Returns 0 or a negative code. NULL if workers serve.
	 */
	int (*start)(struct server *server);

	/*
	 * Serves until the drain is over and no client is left. Before the call the sockets listen
	 * and the table is empty. The engine closes the listening sockets as the drain requires;
	 * the caller owns everything else. Returns 0 or a negative code if the engine cannot
	 * continue. NULL if workers serve (server/workers/supervisor.h).
	 */
	int (*run)(struct server *server);

	/* Main function of a worker, from start to end; NULL if the engine has no workers. */
	int (*work)(struct worker *worker);

	/*
	 * Size of an entry of the client table, which begins with a struct client
	 * (server/client_table.h).
	 */
	size_t entry_size;

	/* Whether it has workers, and the system calls that they need. */
	struct sandbox_needs sandbox;

	/* Resources per client and per worker. */
	struct client_need need;

	/* Returns the default number of workers. NULL: it has none, or starts them as needed. */
	uint32_t (*workers)(void);

	/* Workers are started as needed, with few clients each (default: one). */
	bool grows;

	/* Can wait for events without sleeping (--busy-poll). */
	bool polls;
};

/*
 * One child for each client (UNP 5.2); processes started before their clients connect (UNP 30.6); a
 * thread for each client (UNP 26.4); one readiness loop for many clients (epoll(7), UNP 6.8); one
 * completion ring for many clients (io_uring(7)).
 */
extern const struct engine engine_fork, engine_prefork, engine_thread, engine_epoll, engine_uring;

/* The engines, the default first; NULL ends the table. */
extern const struct engine *const engines[];

/* Returns the engine with this name, or NULL. */
const struct engine *engine_find(const char *name);

/*
 * Returns the best engine that this machine allows: the first usable engine with many clients in
 * one loop. *ret_why is why no better engine is used, "" if it is the best engine.
 */
const struct engine *engine_best(struct reason *ret_why);

/* Checks whether the engine can be used. Returns 0, or a negative code and the reason. */
MUST_USE int engine_check(const struct engine *engine, struct reason *reterr_reason);

#endif
