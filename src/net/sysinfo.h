/* SPDX-License-Identifier: MIT */
/*
 * Information about this machine and its limits: port range, number of descriptors and processes,
 * memory, cores.
 */
#ifndef NET_SYSINFO_H
#define NET_SYSINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

/* No limit was found. */
#define SYSINFO_UNLIMITED UINT64_MAX

struct sysinfo_port_range {
	uint16_t first, last;
};

/* Returns the kernel's ephemeral ports (ip(7), ip_local_port_range), or the usual 32768-60999. */
struct sysinfo_port_range sysinfo_ephemeral_ports(void);

/* A set of ports. A zeroed one is empty. */
struct sysinfo_ports {
	uint64_t bits[(UINT16_MAX + 1) / 64];
};

/* Add a port to a set, and return whether a set contains it. */
void sysinfo_ports_add(struct sysinfo_ports *ports, uint16_t port);
bool sysinfo_ports_has(const struct sysinfo_ports *ports, uint16_t port);

/*
 * Sets *ret_ports to the ports that the kernel never gives to clients (ip_local_reserved_ports), or
 * to the empty set if that is unknown.
 */
void sysinfo_reserved_ports(struct sysinfo_ports *ret_ports);

/*
 * Returns the first port that needs no privilege (ip_unprivileged_port_start), or the usual 1024.
 */
unsigned int sysinfo_first_unprivileged_port(void);

/*
 * Returns whether IPv6 is in use: an interface has an IPv6 address (getifaddrs(3)). Also true if no
 * interface has any address, or if that is unknown.
 */
bool sysinfo_has_ipv6(void);

/* Open descriptors: the number below the soft limit, and the highest number, -1 if none is open. */
struct sysinfo_open {
	uint64_t n;
	int highest;
};

/* Returns those of this process, including inherited ones. */
struct sysinfo_open sysinfo_open_descriptors(void);

/*
 * sysinfo_descriptors() returns how many descriptors this process may have. If that is less than
 * `wanted`, it raises the soft limit (RLIMIT_NOFILE) up to the hard limit.
 * sysinfo_free_descriptors() does the same for descriptors in addition to the open ones.
 */
uint64_t sysinfo_descriptors(uint64_t wanted);
uint64_t sysinfo_free_descriptors(uint64_t wanted);

/* A limit and its cause, in words for a message. */
struct sysinfo_bound {
	uint64_t max;
	const char *set_by;
};

/*
 * Returns how many more processes we can start: the minimum of kernel.pid_max, kernel.threads-max,
 * RLIMIT_NPROC (which does not apply to root) and the pids cgroups, each minus the present number.
 * Other programs start processes too, so fork(2) can still fail. wanted: a result above it need not
 * be exact.
 */
struct sysinfo_bound sysinfo_processes(uint64_t wanted);

/*
 * Returns the available memory: the smaller of MemAvailable (proc(5)), which new programs can use
 * without swapping, and what the memory cgroups leave.
 */
struct sysinfo_bound sysinfo_memory_kib(void);

/* Returns the address space that this process can still use (RLIMIT_AS, RLIMIT_DATA). */
struct sysinfo_bound sysinfo_address_space_kib(void);

/*
 * Returns the limits that are set on the address space of this process, to be appended to others:
 * ", ulimit -v, ulimit -d"; "" if none is set.
 */
struct sysinfo_limits {
	char text[40];
};
struct sysinfo_limits sysinfo_space_limits(void);

/* Returns kernel.io_uring_disabled (sysctl): 0 no, 1 for most users, 2 for all. */
int sysinfo_uring_disabled(void);

/* Returns how many cores this process may use (sched_setaffinity(2)), at least 1. */
unsigned int sysinfo_cores(void);

/* Names of this machine. A text is empty if unknown, and may contain any bytes. */
struct sysinfo_names {
	char host[65];    /* uname(2): nodename */
	char kernel[200]; /* "Linux 6.18.5 x86_64" */
	char cpu[128];    /* "AMD EPYC 9R14" */
};

struct sysinfo_names sysinfo_names(void);

/*
 * Returns a random number (getrandom(2)) for values that must differ between runs; not for secrets.
 */
uint64_t sysinfo_random(void);

#endif
