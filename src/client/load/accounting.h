/* SPDX-License-Identifier: MIT */
/*
 * Decides which messages of a load came back in time, failed or stayed unfinished: deadlines, and
 * the counts when a connection or the run ends. Each message that has begun is counted exactly
 * once: sent = echoes + failed + unfinished.
 */
#ifndef CLIENT_LOAD_ACCOUNTING_H
#define CLIENT_LOAD_ACCOUNTING_H

#include <stdbool.h>
#include <stdint.h>

#include "client/load/load_thread.h"

/*
 * Returns the deadline of the connection's current state: end of connecting, of the wait for an
 * echo or for the server's FIN, or of the pause after a failure. CLOCK_NEVER: no limit.
 */
uint64_t accounting_deadline_ns(const struct load_thread *thread, const struct load_conn *conn);

/* Records that the thread was stopped for length_ns until now. Current waits are extended by it. */
void accounting_add_gap(struct load_thread *thread, uint64_t length_ns);

/*
 * Wakes the connection at this time at the latest. The deadline (accounting_deadline_ns()) is then
 * checked again.
 */
void accounting_wake_by(struct load_thread *thread, const struct load_conn *conn, uint64_t at_ns);

/*
 * Returns true if the oldest message, which is back, came too late. If this thread may have read it
 * late, the kernel's time of arrival decides. Without that time, or if more is in flight behind the
 * message, it counts as in time.
 */
bool accounting_is_late(const struct load_thread *thread, const struct load_conn *conn);

/*
 * Counts the messages in flight on a connection that ends, including those of the warm-up. name: of
 * the failure; NULL: the run has ended. A message of which no byte could be sent has not begun,
 * unless the connection was opened for it. Returns the number of messages that had begun.
 */
uint64_t accounting_end_messages(struct load_thread *thread, struct load_conn *conn,
				 const char *name);

#endif
