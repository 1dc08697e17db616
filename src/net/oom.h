/* SPDX-License-Identifier: MIT */
/*
 * Behaviour in a full memory cgroup (cgroups(7)). The kernel then kills the process of the group
 * with the highest score (proc(5), oom_score_adj). By default that is the largest process, which is
 * the parent of a server. But killing a child costs only its own clients, killing the parent all of
 * them. So:
 *
 * - Children are born with a higher score. The parent raises its own score during the fork, which
 *   needs no privilege, and then lowers it again. A child cannot raise its score itself, because it
 *   may not open files (server/sandbox.h).
 * - No process forks or accepts when the group is nearly full. That is a shortage of memory like
 *   any other, and the clients wait.
 */
#ifndef NET_OOM_H
#define NET_OOM_H

#include <stdbool.h>

#include "base/compiler.h"

/*
 * Must be called before files become inaccessible. Does nothing if no memory cgroup limits this
 * process. If its files cannot be opened, scores stay unchanged.
 */
void oom_prepare(void);

/*
 * Called before and after a fork, in the parent. oom_before_fork() returns 0, or -ENOMEM if the
 * process must not fork now; then oom_after_fork() must not be called.
 */
MUST_USE int oom_before_fork(void);
void oom_after_fork(void);

/* Called in a child that becomes a worker: only the parent changes scores. */
void oom_in_worker(void);

/* Returns whether the memory cgroup of this process is nearly full. */
bool oom_is_near(void);

#endif
