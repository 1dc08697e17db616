/* SPDX-License-Identifier: MIT */
#include "server/lifeline.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "net/io.h"

int lifeline_open(struct lifeline *ret_lifeline)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*ret_lifeline = (struct lifeline){ .child_fd = ends[0], .parent_fd = ends[1] };
	return 0;
}

void lifeline_cut(struct lifeline *lifeline)
{
	io_close(&lifeline->parent_fd);
}

void lifeline_close(struct lifeline *lifeline)
{
	io_close(&lifeline->parent_fd);
	io_close(&lifeline->child_fd);
}
