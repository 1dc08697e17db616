/* SPDX-License-Identifier: MIT */
/*
 * One loop that serves many clients: the readiness driver of the echo (echo/echo.h). The epoll
 * engine uses it, and the prefork engine with several clients per worker.
 */
#ifndef SERVER_EVENTS_EPOLL_LOOP_H
#define SERVER_EVENTS_EPOLL_LOOP_H

#include "base/compiler.h"
#include "server/workers/worker.h"

/*
 * Serves a worker's clients, whose entries are struct conn (server/events/conn.h), until nothing is
 * left to do. Returns 0 or a negative code.
 */
MUST_USE int epoll_loop_run(struct worker *worker);

#endif
