/* SPDX-License-Identifier: MIT */
/*
 * Telling that the server is ready: the lines "listening on", and --ready-fd. Both come when
 * clients are served, and not before.
 */
#ifndef SERVER_READY_H
#define SERVER_READY_H

#include "base/compiler.h"
#include "base/exit_status.h"
#include "net/writer.h"
#include "server/server.h"

/*
 * Opens a --ready-fd, -1 for none, as a writer: it must be open for writing, and not be one of
 * n_passed sockets that were passed in. To be called before files are out of reach. Logs what is
 * wrong.
 */
MUST_USE enum exit_status ready_open(int fd, int n_passed, struct ready_lines *ready);

/*
 * Logs the addresses on which the server listens, and writes them to --ready-fd, one a line, then
 * its end. why: ", " and why this engine was chosen, or "". If --ready-fd cannot be written,
 * nothing is announced; logs what is wrong.
 *
 * All lines are one write(2): a reader may be content with the first line and go. What it does not
 * read now is written later, while clients are served.
 */
MUST_USE enum exit_status ready_announce(struct server *server, const char *why);

#endif
