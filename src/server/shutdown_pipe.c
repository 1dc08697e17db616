/* SPDX-License-Identifier: MIT */
#include "server/shutdown_pipe.h"

#include "net/io.h"

int shutdown_pipe_open(struct shutdown_pipe *ret_pipe)
{
	struct shutdown_pipe shutdown_pipe;
	int rc = io_pipe(&shutdown_pipe.child_fd, &shutdown_pipe.parent_fd);
	if (rc == 0)
		*ret_pipe = shutdown_pipe;
	return rc;
}

void shutdown_pipe_signal(struct shutdown_pipe *shutdown_pipe)
{
	io_close(&shutdown_pipe->parent_fd);
}

void shutdown_pipe_close(struct shutdown_pipe *shutdown_pipe)
{
	io_close(&shutdown_pipe->parent_fd);
	io_close(&shutdown_pipe->child_fd);
}
