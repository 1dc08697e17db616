/* SPDX-License-Identifier: MIT */
/*
 * Engines: the ways to serve many clients at once. All keep the same promises; they differ in who
 * waits for whom. An engine is a file under engines/ and a row in the table in engine.c.
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
	/* What --engine calls it, lower case. */
	const char *name;

	/* One line for people who choose. */
	const char *summary;

	/*
	 * Can it be used on this machine, by this process? NULL: always. Returns 0, or a negative
	 * code, and why in words.
	 */
	int (*usable)(struct reason *reterr_reason);

	/* What has to be done before the server gives up its rights, or NULL. Cannot fail. */
	void (*prepare)(void);

	/*
	 * Opens what run() needs and tries what the first client will take: if this succeeds, the
	 * server is ready. Returns 0 or a negative code. NULL if workers serve.
	 */
	int (*start)(struct server *server);

	/*
	 * Serves until the server's drain is over and no client is left. The server is started: its
	 * sockets listen, its table is empty. The engine closes the listening sockets as the drain
	 * requires; everything else stays its caller's. Returns 0 or the negative code of what it
	 * cannot go on without. NULL if workers serve (server/workers/supervisor.h).
	 */
	int (*run)(struct server *server);

	/* What a worker does, from its start to its end; or NULL, then there are none. */
	int (*work)(struct worker *worker);

	/*
	 * Of the table of clients: its entries begin with a struct client (server/client_table.h).
	 */
	size_t entry_size;

	/* Has it workers, and which system calls do they need? */
	struct sandbox_needs sandbox;

	/* What a client takes of the machine. */
	struct client_need need;

	/* How many workers, where nobody has said. NULL: it has none, or grows. */
	uint32_t (*workers)(void);

	/* Each worker has few clients, one unless told otherwise; they are started as needed. */
	bool grows;

	/* Can look for work without sleeping (--busy-poll). */
	bool polls;
};

/* The engines, the default first; ends with NULL. */
extern const struct engine *const engines[];

/* The engine of that name, or NULL. */
const struct engine *engine_find(const char *name);

/*
 * The best engine that this machine allows: the first of those that wait for many and can be used.
 * *ret_why is why no better one was taken, "" if it is the best there is.
 */
const struct engine *engine_best(struct reason *ret_why);

/* Can it be used? Returns 0, or a negative code and why not. */
MUST_USE int engine_check(const struct engine *engine, struct reason *reterr_reason);

#endif
