/* SPDX-License-Identifier: MIT */
/*
 * Which messages of a load came back in time, failed or were left unfinished: deadlines, and the
 * counts when a connection or the run ends. Each message that was begun is counted exactly once:
 * sent = echoes + failed + unfinished.
 */
#ifndef CLIENT_ACCOUNT_H
#define CLIENT_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "client/traffic.h"

/*
 * Until when a lane may stay as it is: connecting, waiting for an echo or for the server's FIN,
 * closed after a failure. CLOCK_NEVER: without limit.
 */
uint64_t account_deadline_ns(const struct traffic *traffic, const struct lane *lane);

/* The thread stood still for that long until now: no wait under way is shortened by it. */
void account_standstill(struct traffic *traffic, uint64_t length_ns);

/* The lane is looked after (account_deadline_ns()) at this time, or earlier and then again. */
void account_wake_by(struct traffic *traffic, const struct lane *lane, uint64_t at_ns);

/*
 * Did the oldest message, which is back, come too late? If this thread looks late, the kernel knows
 * when it arrived; where it does not, or more is under way behind it, it was in time.
 */
bool account_is_late(const struct traffic *traffic, const struct lane *lane);

/*
 * Accounts for the messages under way on a connection that ends, those of the warm-up too. name: of
 * their failure; NULL: none but the end of the run. One of which no byte could be sent has not
 * begun, unless the connection was opened for it. Returns how many had.
 */
uint64_t account_settle(struct traffic *traffic, struct lane *lane, const char *name);

#endif
