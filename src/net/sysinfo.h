/* SPDX-License-Identifier: MIT */
/*
 * What this machine is, and what it allows: its port range, and how many descriptors and processes
 * we may have.
 */
#ifndef NET_SYSINFO_H
#define NET_SYSINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

/* No limit that we could find. */
#define SYSINFO_UNLIMITED UINT64_MAX

struct sysinfo_port_range {
	uint16_t first, last;
};

/* The kernel's ephemeral ports (ip(7), ip_local_port_range), or its usual 32768-60999. */
struct sysinfo_port_range sysinfo_ephemeral_ports(void);

/* A set of ports. A zeroed one is empty. */
struct sysinfo_ports {
	uint64_t bits[(UINT16_MAX + 1) / 64];
};

/* Adds a port to a set; is it in the set? */
void sysinfo_ports_add(struct sysinfo_ports *ports, uint16_t port);
bool sysinfo_ports_has(const struct sysinfo_ports *ports, uint16_t port);

/*
 * The ports that the kernel never gives to clients (ip_local_reserved_ports). Sets
 * *ret_ports, to the empty set if that is not known.
 */
void sysinfo_reserved_ports(struct sysinfo_ports *ret_ports);

/* The first port that needs no right to bind (ip_unprivileged_port_start), or its usual 1024. */
unsigned int sysinfo_first_unprivileged_port(void);

/*
 * Is IPv6 in use: does any interface have an IPv6 address (getifaddrs(3))? Also true if no
 * interface has an address of any kind, or if that cannot be found out.
 */
bool sysinfo_has_ipv6(void);

/* Open descriptors: how many are below the soft limit, and the highest number, -1 for none. */
struct sysinfo_open {
	uint64_t n;
	int highest;
};

/* Those of this process, inherited ones too. */
struct sysinfo_open sysinfo_open_descriptors(void);

/*
 * How many descriptors this process can have, when at least `wanted` would be good: raises the
 * soft limit (RLIMIT_NOFILE) up to the hard one if that is needed. The second: besides those that
 * are open, and `wanted` besides them.
 */
uint64_t sysinfo_descriptors(uint64_t wanted);
uint64_t sysinfo_free_descriptors(uint64_t wanted);

/* A bound, and what sets it, in words for a message. */
struct sysinfo_bound {
	uint64_t most;
	const char *set_by;
};

/*
 * How many more processes we can start at most: the tightest of kernel.pid_max, kernel.threads-max,
 * RLIMIT_NPROC (which does not bind root) and the pids cgroups, each without those that there are.
 * Other programs start processes too, so fork(2) can still fail. wanted: a larger number need not
 * be exact.
 */
struct sysinfo_bound sysinfo_processes(uint64_t wanted);

/*
 * Memory that can be had: the tighter of MemAvailable (proc(5)), which new programs can have
 * without swapping, and of the memory cgroups.
 */
struct sysinfo_bound sysinfo_memory_kib(void);

/* Address space that this process can still have (RLIMIT_AS, RLIMIT_DATA). */
struct sysinfo_bound sysinfo_address_space_kib(void);

/*
 * The limits that are set on the address space of this process, to be appended to others:
 * ", ulimit -v, ulimit -d"; "" if none is set.
 */
struct sysinfo_limits {
	char text[40];
};
struct sysinfo_limits sysinfo_space_limits(void);

/* kernel.io_uring_disabled (sysctl): 0 not, 1 for most users, 2 for all. */
int sysinfo_uring_disabled(void);

/* How many cores this process may run on (sched_setaffinity(2)), at least 1. */
unsigned int sysinfo_cores(void);

/* What it is called; a text is empty where that is not known, and may hold any bytes. */
struct sysinfo_names {
	char host[65];    /* uname(2): nodename */
	char kernel[200]; /* "Linux 6.18.5 x86_64" */
	char cpu[128];    /* "AMD EPYC 9R14" */
};

struct sysinfo_names sysinfo_names(void);

/* Returns a random number (getrandom(2)), for what must differ between runs; not for secrets. */
uint64_t sysinfo_random(void);

#endif
