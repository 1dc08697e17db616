/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: starts workers (server/workers/worker.h), puts another in the place of one that
 * died, counts and logs what they tell, and carries out the drain. It touches no connection itself.
 *
 *   supervisor                               worker
 *   listening sockets
 *   shared memory, lifelines
 *   fork ----------------------------------> accept, serve (engines/)
 *   wait: signals, news <---- reports ------ a client ended
 *   count, log
 *   SIGCHLD: reap, count what it had,
 *   put another in its place
 *
 * What a worker has to tell lies in shared memory before anybody is told of it, so nothing of it is
 * lost with a worker, whenever that is killed: the clients that it had when it died are logged as
 * killed, with the bytes they had got, and no other client notices.
 *
 * A worker that dies young is replaced after a while, twice as long each time (MEMBER_PAUSE_*); one
 * that lived well is replaced at once.
 */
#ifndef SERVER_WORKERS_SUPERVISOR_H
#define SERVER_WORKERS_SUPERVISOR_H

#include "base/compiler.h"
#include "server/server.h"

struct supervisor;

/*
 * Starts the workers of an open server and waits until one of them serves; others may still fail,
 * and are then replaced as later on. *ret_supervisor is the caller's, which then runs it. Returns
 * 0, or the code of the first failure if no worker can start, or -EINTR for SIGINT or SIGTERM.
 */
MUST_USE int supervisor_start(struct server *server, struct supervisor **ret_supervisor);

/* Gives it up before it runs: its workers end. NULL is none. */
void supervisor_close(struct supervisor *supervisor);

/* Supervises until the server's drain is over and no worker is left, then is no more. */
MUST_USE int supervisor_run(struct supervisor *supervisor);

#endif
