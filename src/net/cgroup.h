/* SPDX-License-Identifier: MIT */
/*
 * Limits of control groups (cgroups(7)), versions 1 and 2: what this process and its children may
 * still use. The limits of all visible parent groups apply too. In a container, the container's own
 * group is the topmost visible one.
 */
#ifndef NET_CGROUP_H
#define NET_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/* No visible limit. */
#define CGROUP_UNLIMITED UINT64_MAX

/* The memory of one group: its limit in bytes, and open files from which the usage is read. */
struct cgroup_memory {
	uint64_t limit; /* CGROUP_UNLIMITED: no limit */
	bool is_v2;
	int current_fd, stat_fd;
};

/*
 * Opens the group with the least memory left, among the group of this process and its parents:
 * memory.max and memory.high, or memory.limit_in_bytes. root: where /proc and the groups are
 * mounted, "" for this machine.
 */
void cgroup_open_memory(const char *root, struct cgroup_memory *ret_memory);
void cgroup_close_memory(struct cgroup_memory *memory);

/*
 * Returns the number of bytes left. File pages that the kernel can drop count as left. They are
 * read only if fewer than `enough` bytes are left without them.
 */
uint64_t cgroup_memory_room(const struct cgroup_memory *memory, uint64_t enough);

/* Returns how many more processes and threads may be started: pids.max minus the present number. */
uint64_t cgroup_processes(const char *root);

/*
 * Returns the number of processors whose time may be used: cpu.max, or cpu.cfs_quota_us /
 * cpu.cfs_period_us. 0: no visible limit.
 */
double cgroup_cpu_quota(const char *root);

#endif
