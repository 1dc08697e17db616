/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: starts workers (server/workers/worker.h), replaces dead ones, counts and logs
 * their records, and carries out the drain. It serves no connection itself.
 *
 *   supervisor                               worker
 *   listening sockets
 *   shared memory, shutdown pipes
 *   fork ----------------------------------> accept, serve (engines/)
 *   wait: signals, wake-ups <--- records --- a client ended
 *   count, log
 *   SIGCHLD: reap, count its clients,
 *   start another worker
 *
 * A worker writes a record into shared memory before it wakes the supervisor, so no record is lost
 * when the worker is killed. The clients that it was serving then are logged as killed, with their
 * byte counts. No other client is affected.
 *
 * A worker that dies soon after its start is replaced after a pause, which doubles each time
 * (worker_pool.c). A worker that ran for longer is replaced at once.
 */
#ifndef SERVER_WORKERS_SUPERVISOR_H
#define SERVER_WORKERS_SUPERVISOR_H

#include "base/compiler.h"
#include "server/server.h"

struct supervisor;

/*
 * Starts the workers of an open server and waits until one of them serves. Others may still fail,
 * and are then replaced as usual. The caller owns *ret_supervisor and must run or close it. Returns
 * 0, or the code of the first failure if no worker can start, or -EINTR for SIGINT or SIGTERM.
 */
MUST_USE int supervisor_start(struct server *server, struct supervisor **ret_supervisor);

/* Closes a supervisor that does not run: its workers end. NULL is allowed. */
void supervisor_close(struct supervisor *supervisor);

/* Supervises until the drain is over and no worker is left, then frees the supervisor. */
MUST_USE int supervisor_run(struct supervisor *supervisor);

#endif
