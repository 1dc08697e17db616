/* SPDX-License-Identifier: MIT */
/*
 * A memory cgroup that is full (cgroups(7)). The kernel then kills the process in it that has the
 * highest score (proc(5), oom_score_adj): by default the largest, which is the parent of a server,
 * though a child costs its own clients only and the parent all of them. So:
 *
 *   - children are born with a higher score. The parent takes it for the moment of the fork, which
 *     needs no right, and then returns to its own. A child cannot do it by itself, because it may
 *     open no file (server/sandbox.h).
 *   - no process forks or accepts when the group is nearly full: that is a shortage of memory
 *     like any other, and the clients wait.
 */
#ifndef NET_OOM_H
#define NET_OOM_H

#include <stdbool.h>

#include "base/compiler.h"

/*
 * To be called before files are out of reach. Does nothing where no memory cgroup limits this
 * process; where its files cannot be opened, scores stay as they are.
 */
void oom_prepare(void);

/*
 * Around a fork, in the parent. The first returns 0, or -ENOMEM if there must be none now, and then
 * the second is not to be called.
 */
MUST_USE int oom_before_fork(void);
void oom_after_fork(void);

/* In a child that goes on as a worker: the score is the parent's affair. */
void oom_in_worker(void);

/* Is the group of this process nearly full? */
bool oom_is_near(void);

#endif
