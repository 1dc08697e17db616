/* SPDX-License-Identifier: MIT */
/*
 * The limits of control groups (cgroups(7)), versions 1 and 2: what this process and its children
 * may still use. A limit of every group above ours binds as well, as far up as it can be seen; in a
 * container that is up to the container's own group.
 */
#ifndef NET_CGROUP_H
#define NET_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/* No limit that can be seen. */
#define CGROUP_UNLIMITED UINT64_MAX

/* The memory of one group: its limit in bytes, and open files that say how much is used. */
struct cgroup_memory {
	uint64_t limit; /* CGROUP_UNLIMITED: there is none */
	bool is_v2;
	int current_fd, stat_fd;
};

/*
 * Opens the group of this process, or above it, that has the least memory left: memory.max and
 * memory.high, or memory.limit_in_bytes. root: where /proc and the groups are mounted, "" for the
 * machine.
 */
void cgroup_open_memory(const char *root, struct cgroup_memory *ret_memory);
void cgroup_close_memory(struct cgroup_memory *memory);

/*
 * How many bytes are left. Pages of files that the kernel can drop count as left; they are only
 * looked at if without them there is less than `enough`.
 */
uint64_t cgroup_memory_room(const struct cgroup_memory *memory, uint64_t enough);

/* How many processes and threads may be started: pids.max, without those that there are. */
uint64_t cgroup_processes(const char *root);

/*
 * How many processors' time may be used: cpu.max, or cpu.cfs_quota_us by cpu.cfs_period_us. 0: no
 * limit that can be seen.
 */
double cgroup_cpu_quota(const char *root);

#endif
