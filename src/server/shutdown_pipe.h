/* SPDX-License-Identifier: MIT */
/*
 * The lifeline: how children hear that it is over, without a signal.
 *
 * A pipe into which nobody ever writes. The parent holds the writing end, every child the reading
 * end. When the parent closes its end, poll(2) wakes all children at once with POLLHUP; and when
 * the parent dies, however it dies, the kernel closes it for him. So no child outlives its parent
 * by more than its lingering close, and nobody needs to know a pid for that.
 */
#ifndef SERVER_SHUTDOWN_PIPE_H
#define SERVER_SHUTDOWN_PIPE_H

#include "base/compiler.h"

struct shutdown_pipe {
	int parent_fd; /* -1 when it is cut */
	int child_fd;
};

/* Both ends are close-on-exec and belong to the lifeline. Returns 0 or -errno. */
MUST_USE int shutdown_pipe_open(struct shutdown_pipe *ret_lifeline);

/* Calls all children off. */
void shutdown_pipe_signal(struct shutdown_pipe *shutdown_pipe);

void shutdown_pipe_close(struct shutdown_pipe *shutdown_pipe);

#endif
