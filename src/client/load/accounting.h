/* SPDX-License-Identifier: MIT */
/*
 * Which messages of a load came back in time, failed or were left unfinished: deadlines, and the
 * counts when a connection or the run ends. Each message that was begun is counted exactly once:
 * sent = echoes + failed + unfinished.
 */
#ifndef CLIENT_LOAD_ACCOUNTING_H
#define CLIENT_LOAD_ACCOUNTING_H

#include <stdbool.h>
#include <stdint.h>

#include "client/load/load_io.h"

/*
 * Until when a lane may stay as it is: connecting, waiting for an echo or for the server's FIN,
 * closed after a failure. CLOCK_NEVER: without limit.
 */
uint64_t accounting_deadline_ns(const struct load_io *io, const struct load_conn *conn);

/* The thread stood still for that long until now: no wait under way is shortened by it. */
void accounting_add_gap(struct load_io *io, uint64_t length_ns);

/* The lane is looked after (accounting_deadline_ns()) at this time, or earlier and then again. */
void accounting_wake_by(struct load_io *io, const struct load_conn *conn, uint64_t at_ns);

/*
 * Did the oldest message, which is back, come too late? If this thread looks late, the kernel knows
 * when it arrived; where it does not, or more is under way behind it, it was in time.
 */
bool accounting_is_late(const struct load_io *io, const struct load_conn *conn);

/*
 * Accounts for the messages under way on a connection that ends, those of the warm-up too. name: of
 * their failure; NULL: none but the end of the run. One of which no byte could be sent has not
 * begun, unless the connection was opened for it. Returns how many had.
 */
uint64_t accounting_settle(struct load_io *io, struct load_conn *conn, const char *name);

#endif
