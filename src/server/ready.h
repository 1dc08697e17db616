/* SPDX-License-Identifier: MIT */
/*
 * Readiness: the lines "listening on", and --ready-fd. Both are written when clients are served,
 * and not before.
 */
#ifndef SERVER_READY_H
#define SERVER_READY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/exit_status.h"
#include "net/addr.h"
#include "net/writer.h"
#include "server/listeners.h"

struct server;

/* Maximum size of all lines. */
#define READY_TEXT_SIZE ((size_t)LISTENERS_MAX * ADDR_TEXT_SIZE)

/* The addresses, one per line, that are not yet written to --ready-fd. */
struct ready_lines {
	struct writer writer; /* fd is -1 if there is no --ready-fd, or all is written */
	bool is_file;         /* a file or a device, not a pipe or a socket */
	size_t from, size;
	char *text; /* READY_TEXT_SIZE bytes of the caller */
};

/*
 * Opens --ready-fd as a writer; fd is -1 for none. It must be open for writing, and must not be one
 * of n_passed sockets that were passed in. Must be called before the sandbox denies access to
 * files. Logs errors.
 */
MUST_USE enum exit_status ready_open(int fd, int n_passed, struct ready_lines *ready);

/*
 * Logs the addresses on which the server listens, and writes them to --ready-fd, one per line, then
 * closes it. why: ", " and why this engine was chosen, or "". If --ready-fd cannot be written,
 * nothing is announced. Logs errors.
 *
 * All lines are one write(2), because a reader may close after the first line. Bytes that do not
 * fit now are written later, while clients are served.
 */
MUST_USE enum exit_status ready_announce(struct server *server, const char *why);

/* Returns whether lines are left to write. */
bool ready_is_unread(const struct ready_lines *ready);

/*
 * Writes what is left. Returns 0 when all lines are written, -EAGAIN if some are left, or -errno;
 * in the first and the last case the descriptor is closed.
 */
MUST_USE int ready_write(struct ready_lines *ready);

/* Closes --ready-fd, unless it is a standard descriptor. */
void ready_close(struct ready_lines *ready);

#endif
