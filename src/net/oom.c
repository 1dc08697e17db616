/* SPDX-License-Identifier: MIT */
#include "net/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/cgroup.h"
#include "net/io.h"

#define SCORE_MAX 1000 /* linux/oom.h: all memory that the group may use */

/* A child's score is higher by the equivalent of this much memory of the group. */
#define MARGIN (UINT64_C(4) << 20)

/* The group is nearly full if less is left: enough for a few processes with their first buffers. */
#define ROOM (UINT64_C(512) << 10)

static struct {
	struct cgroup_memory memory;
	int score_fd; /* /proc/self/oom_score_adj, -1: scores stay unchanged */
	char own[8], child[8];
} state = { .memory = { CGROUP_UNLIMITED, false, -1, -1 }, .score_fd = -1 };

/* Returns the score of a child, for a group with this limit. */
static long child_score(long own, uint64_t limit)
{
	uint64_t more = MARGIN * SCORE_MAX / (limit + 1) + 1;
	long max_more = SCORE_MAX - own;
	return more < (uint64_t)max_more ? own + (long)more : SCORE_MAX;
}

static void open_score(void)
{
	char text[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (fd < 0 || io_read(fd, text, sizeof(text) - 1) <= 0) {
		io_close(&fd);
		return;
	}
	long own = strtol(text, NULL, 10);
	snprintf(state.own, sizeof(state.own), "%ld", own);
	snprintf(state.child, sizeof(state.child), "%ld", child_score(own, state.memory.limit));
	state.score_fd = fd;
}

void oom_prepare(void)
{
	cgroup_open_memory("", &state.memory);
	if (state.memory.limit != CGROUP_UNLIMITED)
		open_score();
}

/* On failure the kernel chooses as it would without us. */
static void write_score(const char *text)
{
	if (state.score_fd >= 0)
		ignore_result(io_write(state.score_fd, text, strlen(text)));
}

bool oom_is_near(void)
{
	return cgroup_memory_room(&state.memory, ROOM) < ROOM;
}

int oom_before_fork(void)
{
	if (oom_is_near())
		return -ENOMEM;
	write_score(state.child);
	return 0;
}

void oom_after_fork(void)
{
	write_score(state.own);
}

void oom_in_worker(void)
{
	io_close(&state.score_fd);
}
