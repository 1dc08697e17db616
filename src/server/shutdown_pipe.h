/* SPDX-License-Identifier: MIT */
/*
 * The shutdown pipe: ends all children without a signal.
 *
 * No process ever writes into this pipe. The parent holds the write end, every child the read end.
 * When the parent closes its end, poll(2) wakes all children at once with POLLHUP. If the parent
 * dies, for whatever reason, the kernel closes that end. So no child outlives its parent by more
 * than its lingering close, and no pid is needed for that.
 */
#ifndef SERVER_SHUTDOWN_PIPE_H
#define SERVER_SHUTDOWN_PIPE_H

#include "base/compiler.h"

struct shutdown_pipe {
	int parent_fd; /* -1 when closed */
	int child_fd;
};

/* Opens the pipe; both ends are close-on-exec. Returns 0 or -errno. */
MUST_USE int shutdown_pipe_open(struct shutdown_pipe *ret_pipe);

/* Closes the parent's end: all children see POLLHUP. */
void shutdown_pipe_signal(struct shutdown_pipe *shutdown_pipe);

void shutdown_pipe_close(struct shutdown_pipe *shutdown_pipe);

#endif
