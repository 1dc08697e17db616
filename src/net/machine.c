/* SPDX-License-Identifier: MIT */
#include "net/machine.h"

#include <ifaddrs.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/units.h"
#include "net/addr.h"

#define USUAL_EPHEMERAL_FIRST 32768
#define USUAL_EPHEMERAL_LAST  60999

#define USUAL_UNPRIVILEGED_FIRST 1024

/* Room for the list of reserved ports. What is behind it counts as not reserved. */
#define RESERVED_SIZE ((size_t)16 * 1024)

/* The first line of a file of the kernel's, without its end. Returns false if there is none. */
MUST_USE static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return false;
	bool found = fgets(line, (int)size, file) != NULL;
	fclose(file);
	if (found)
		line[strcspn(line, "\n")] = '\0';
	return found;
}

struct machine_port_range machine_ephemeral_ports(void)
{
	struct machine_port_range range = { USUAL_EPHEMERAL_FIRST, USUAL_EPHEMERAL_LAST };
	char line[64], *rest = NULL;
	uint16_t first, last;
	if (!read_line("/proc/sys/net/ipv4/ip_local_port_range", line, sizeof(line)))
		return range;
	const char *words[] = { strtok_r(line, " \t", &rest), strtok_r(NULL, " \t", &rest) };
	if (words[0] != NULL && words[1] != NULL && addr_parse_port(words[0], &first) == 0 &&
	    addr_parse_port(words[1], &last) == 0)
		range = (struct machine_port_range){ first, last };
	return range;
}

/* The number in a file of the kernel's; "max", and a file that is not there, are no limit. */
static uint64_t number_in(const char *path)
{
	char line[64];
	uint64_t number;
	if (!read_line(path, line, sizeof(line)) || units_parse_count(line, &number) < 0)
		return MACHINE_UNLIMITED;
	return number;
}

void machine_ports_add(struct machine_ports *ports, uint16_t port)
{
	ports->bits[port / 64] |= UINT64_C(1) << port % 64;
}

bool machine_ports_has(const struct machine_ports *ports, uint16_t port)
{
	return (ports->bits[port / 64] >> port % 64 & 1) != 0;
}

/* Adds "8080" or "9000-9010". */
static void add_range(struct machine_ports *ports, char *text)
{
	char *dash = strchr(text, '-');
	uint16_t first, last;
	if (dash != NULL)
		*dash = '\0';
	if (addr_parse_port(text, &first) < 0 ||
	    addr_parse_port(dash != NULL ? dash + 1 : text, &last) < 0)
		return;
	for (uint32_t port = first; port <= last; port++)
		machine_ports_add(ports, (uint16_t)port);
}

void machine_reserved_ports(struct machine_ports *ret_ports)
{
	char line[RESERVED_SIZE], *rest = NULL;
	*ret_ports = (struct machine_ports){ { 0 } };
	if (!read_line("/proc/sys/net/ipv4/ip_local_reserved_ports", line, sizeof(line)))
		return;
	for (char *word = strtok_r(line, ",", &rest); word != NULL;
	     word = strtok_r(NULL, ",", &rest))
		add_range(ret_ports, word);
}

unsigned int machine_first_unprivileged_port(void)
{
	uint64_t first = number_in("/proc/sys/net/ipv4/ip_unprivileged_port_start");
	return first <= UINT16_MAX + 1 ? (unsigned int)first : USUAL_UNPRIVILEGED_FIRST;
}

bool machine_has_ipv6(void)
{
	struct ifaddrs *list;
	if (getifaddrs(&list) < 0)
		return true;
	bool any = false, found = false;
	for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
		int family = at->ifa_addr != NULL ? at->ifa_addr->sa_family : AF_UNSPEC;
		any |= family == AF_INET || family == AF_INET6;
		found |= family == AF_INET6;
	}
	freeifaddrs(list);
	return found || !any;
}

static uint64_t as_count(rlim_t limit)
{
	return limit == RLIM_INFINITY ? MACHINE_UNLIMITED : (uint64_t)limit;
}

uint64_t machine_descriptors(uint64_t wanted)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return MACHINE_UNLIMITED;
	if (as_count(limit.rlim_cur) < wanted && limit.rlim_cur < limit.rlim_max) {
		struct rlimit raised = limit;
		raised.rlim_cur = as_count(limit.rlim_max) < wanted ? limit.rlim_max : wanted;
		if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
			limit = raised;
	}
	return as_count(limit.rlim_cur);
}

/* The kernel lets root, in the form of either capability, pass RLIMIT_NPROC (setrlimit(2)). */
static uint64_t process_rlimit(void)
{
	struct rlimit limit;
	if (geteuid() == 0 || getrlimit(RLIMIT_NPROC, &limit) < 0)
		return MACHINE_UNLIMITED;
	return as_count(limit.rlim_cur);
}

/*
 * What the pids cgroup still has room for. /proc/self/cgroup has a line "N:pids:/path" for version
 * 1 and "0::/path" for version 2 (cgroups(7)); a limit above ours in the tree is not looked for.
 */
static uint64_t cgroup_room(void)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	if (file == NULL)
		return MACHINE_UNLIMITED;

	uint64_t room = MACHINE_UNLIMITED;
	char line[PATH_MAX];
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		/* "N:controllers:/path", and a path may have colons of its own. */
		const char *controllers = strchr(line, ':');
		const char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
		const char *root = strstr(line, ":pids:") == controllers ? "/sys/fs/cgroup/pids"
				   : strncmp(line, "0::", 3) == 0        ? "/sys/fs/cgroup"
									 : NULL;
		if (path == NULL || root == NULL)
			continue;
		char name[PATH_MAX + 64];
		snprintf(name, sizeof(name), "%s%s/pids.max", root, path + 1);
		uint64_t most = number_in(name);
		if (most == MACHINE_UNLIMITED)
			continue;
		snprintf(name, sizeof(name), "%s%s/pids.current", root, path + 1);
		uint64_t now = number_in(name);
		uint64_t left = now < most ? most - now : 0;
		room = left < room ? left : room;
	}
	fclose(file);
	return room;
}

struct machine_bound machine_processes(void)
{
	const struct machine_bound bounds[] = {
		{ number_in("/proc/sys/kernel/pid_max"), "kernel.pid_max" },
		{ number_in("/proc/sys/kernel/threads-max"), "kernel.threads-max" },
		{ process_rlimit(), "RLIMIT_NPROC, ulimit -u" },
		{ cgroup_room(), "the pids cgroup" },
	};
	struct machine_bound tightest = bounds[0];
	for (size_t i = 1; i < ARRAY_LEN(bounds); i++) {
		if (bounds[i].most < tightest.most)
			tightest = bounds[i];
	}
	return tightest;
}

uint64_t machine_free_memory_kib(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	if (file == NULL)
		return MACHINE_UNLIMITED;
	static const char name[] = "MemAvailable:";
	char line[128];
	uint64_t found = MACHINE_UNLIMITED;
	while (found == MACHINE_UNLIMITED && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, name, strlen(name)) == 0)
			found = strtoull(line + strlen(name), NULL, 10);
	}
	fclose(file);
	return found;
}

int machine_uring_disabled(void)
{
	uint64_t value = number_in("/proc/sys/kernel/io_uring_disabled");
	return value == MACHINE_UNLIMITED ? 0 : (int)value;
}

unsigned int machine_cores(void)
{
	cpu_set_t allowed;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
		return (unsigned int)CPU_COUNT(&allowed);
	long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than CPU_SETSIZE */
	return online > 0 ? (unsigned int)online : 1;
}

/* What stands behind the colon of a line "name : value", if it has that name; or NULL. */
static const char *value_of(const char *line, const char *name)
{
	size_t length = strlen(name);
	if (strncmp(line, name, length) != 0)
		return NULL;
	const char *colon = line + length + strspn(line + length, " \t");
	return *colon == ':' ? colon + 1 + strspn(colon + 1, " \t") : NULL;
}

/* The first processor's. What that line is called depends on the architecture. */
static void find_cpu(char *cpu, size_t size)
{
	static const char *const names[] = { "model name", "cpu model", "cpu", "uarch", "Model" };
	FILE *file = fopen("/proc/cpuinfo", "re");
	if (file == NULL)
		return;
	char line[256];
	while (*cpu == '\0' && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			const char *value = value_of(line, names[i]);
			if (value != NULL)
				snprintf(cpu, size, "%s", value);
		}
	}
	fclose(file);
}

struct machine_names machine_names(void)
{
	struct machine_names names = { 0 };
	struct utsname found;
	if (uname(&found) == 0) {
		snprintf(names.host, sizeof(names.host), "%s", found.nodename);
		snprintf(names.kernel, sizeof(names.kernel), "%s %s %s", found.sysname,
			 found.release, found.machine);
	}
	find_cpu(names.cpu, sizeof(names.cpu));
	return names;
}
