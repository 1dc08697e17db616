/* SPDX-License-Identifier: MIT */
#include "server/lifeline.h"

#include "net/io.h"

int lifeline_open(struct lifeline *ret_lifeline)
{
	struct lifeline lifeline;
	int rc = io_pipe(&lifeline.child_fd, &lifeline.parent_fd);
	if (rc == 0)
		*ret_lifeline = lifeline;
	return rc;
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
