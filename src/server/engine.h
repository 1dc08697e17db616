/* SPDX-License-Identifier: MIT */
/*
 * Engines: the ways to serve many clients at once. All keep the same promises; they differ in who
 * waits for whom. An engine is one file under engines/ and one row in the table in engine.c.
 */
#ifndef SERVER_ENGINE_H
#define SERVER_ENGINE_H

#include "base/compiler.h"
#include "server/server.h"

struct engine {
	/* What --engine calls it, lower case. */
	const char *name;

	/* One line for people who choose. */
	const char *summary;

	/* What has to be done before the server gives up its rights, or NULL. Cannot fail. */
	void (*prepare)(void);

	/*
	 * Serves until the server's drain is over and no client is left. The server is open: its
	 * sockets listen, its table is empty. The engine closes the listening sockets as the drain
	 * tells it; everything else stays its caller's. Returns 0 or the negative code of what it
	 * cannot go on without.
	 */
	int (*run)(struct server *server);
};

/* The engines, the default first; ends with NULL. */
extern const struct engine *const engines[];

/* The engine of that name, or NULL. */
const struct engine *engine_find(const char *name);

#endif
