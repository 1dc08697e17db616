/* SPDX-License-Identifier: MIT */
/*
 * Faults on request (server/faults.h) of the connections in a loop. All functions also work for a
 * server without faults, and then do nothing.
 */
#ifndef SERVER_EVENTS_CONN_FAULTS_H
#define SERVER_EVENTS_CONN_FAULTS_H

#include <stdbool.h>

#include "base/compiler.h"
#include "server/events/conn.h"

/* Makes room for the faults of every connection of the set. Returns 0 or -ENOMEM. */
MUST_USE int conn_faults_open(struct conn_set *conns);
void conn_faults_close(struct conn_set *conns);

/* A connection begins. */
void conn_faults_begin(struct conn_set *conns, struct conn *conn);

/* Returns whether faults, not the echo, decide what the connection does. */
bool conn_has_faults(const struct conn_set *conns, const struct conn *conn);

/*
 * Returns the event that the connection waits for: POLLIN or POLLOUT; 0 if it only waits for a time
 * or a reset.
 */
short conn_awaited_event(const struct conn_set *conns, const struct conn *conn);

/* Does a turn of a connection with faults. *ret_follows: the echo itself has the next step. */
enum conn_turn conn_faults_step(struct conn_set *conns, struct conn *conn, bool *ret_follows);

/* Adds the faults that had an effect to the connection's statistics, at its end. */
void conn_faults_publish(const struct conn_set *conns, struct conn *conn);

#endif
