/* SPDX-License-Identifier: MIT */
#include "net/sysinfo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "net/addr.h"
#include "net/cgroup.h"

#define USUAL_EPHEMERAL_FIRST 32768
#define USUAL_EPHEMERAL_LAST  60999

#define USUAL_UNPRIVILEGED_FIRST 1024

/* Maximum number of descriptors that are probed one by one if /proc does not list them. */
#define PROBED_MAX 65536

/* Reads the first line of a kernel file, without newline. Returns false if it has none. */
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

struct sysinfo_port_range sysinfo_ephemeral_ports(void)
{
	struct sysinfo_port_range range = { USUAL_EPHEMERAL_FIRST, USUAL_EPHEMERAL_LAST };
	char line[64], *rest = NULL;
	uint16_t first, last;
	if (!read_line("/proc/sys/net/ipv4/ip_local_port_range", line, sizeof(line)))
		return range;
	const char *words[] = { strtok_r(line, " \t", &rest), strtok_r(NULL, " \t", &rest) };
	if (words[0] != NULL && words[1] != NULL && addr_parse_port(words[0], &first) == 0 &&
	    addr_parse_port(words[1], &last) == 0)
		range = (struct sysinfo_port_range){ first, last };
	return range;
}

/* Reads the number in a kernel file. "max" and a missing file mean no limit. */
static uint64_t number_in(const char *path)
{
	char line[64];
	uint64_t number;
	if (!read_line(path, line, sizeof(line)) || units_parse_count(line, &number) < 0)
		return SYSINFO_UNLIMITED;
	return number;
}

void sysinfo_ports_add(struct sysinfo_ports *ports, uint16_t port)
{
	ports->bits[port / 64] |= UINT64_C(1) << port % 64;
}

bool sysinfo_ports_has(const struct sysinfo_ports *ports, uint16_t port)
{
	return (ports->bits[port / 64] >> port % 64 & 1) != 0;
}

/* Adds "8080" or "9000-9010". */
static void add_range(struct sysinfo_ports *ports, char *text)
{
	char *dash = strchr(text, '-');
	uint16_t first, last;
	if (dash != NULL)
		*dash = '\0';
	if (addr_parse_port(text, &first) < 0 ||
	    addr_parse_port(dash != NULL ? dash + 1 : text, &last) < 0)
		return;
	for (uint32_t port = first; port <= last; port++)
		sysinfo_ports_add(ports, (uint16_t)port);
}

void sysinfo_reserved_ports(struct sysinfo_ports *ret_ports)
{
	char *line = NULL, *rest = NULL;
	size_t size = 0;
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_reserved_ports", "re");
	*ret_ports = (struct sysinfo_ports){ { 0 } };
	if (file == NULL)
		return;
	if (getline(&line, &size, file) >= 0) {
		for (char *word = strtok_r(line, ",\n", &rest); word != NULL;
		     word = strtok_r(NULL, ",\n", &rest))
			add_range(ret_ports, word);
	}
	free(line);
	fclose(file);
}

unsigned int sysinfo_first_unprivileged_port(void)
{
	uint64_t first = number_in("/proc/sys/net/ipv4/ip_unprivileged_port_start");
	return first <= UINT16_MAX + 1 ? (unsigned int)first : USUAL_UNPRIVILEGED_FIRST;
}

bool sysinfo_has_ipv6(void)
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
	return limit == RLIM_INFINITY ? SYSINFO_UNLIMITED : (uint64_t)limit;
}

static uint64_t tighter_bound(uint64_t max, uint64_t used)
{
	if (max == SYSINFO_UNLIMITED)
		return max;
	return max > used ? max - used : 0;
}

static struct sysinfo_bound tightest_of(const struct sysinfo_bound *bounds, size_t n)
{
	struct sysinfo_bound tightest = bounds[0];
	for (size_t i = 1; i < n; i++) {
		if (bounds[i].max < tightest.max)
			tightest = bounds[i];
	}
	return tightest;
}

/* ---- descriptors ---- */

static void add_open(struct sysinfo_open *open, int fd, uint64_t limit)
{
	open->n += (uint64_t)fd < limit;
	open->highest = fd > open->highest ? fd : open->highest;
}

/* Lists /proc/self/fd. Returns false if that cannot be read. */
MUST_USE static bool list_open(uint64_t limit, struct sysinfo_open *ret_open)
{
	DIR *directory = opendir("/proc/self/fd");
	if (directory == NULL)
		return false;
	struct sysinfo_open open = { .highest = -1 };
	const struct dirent *entry;
	errno = 0;
	while ((entry = readdir(directory)) != NULL) {
		uint64_t fd;
		if (units_parse_count(entry->d_name, &fd) == 0 && (int)fd != dirfd(directory))
			add_open(&open, (int)fd, limit);
	}
	bool is_whole = errno == 0;
	closedir(directory);
	if (is_whole)
		*ret_open = open;
	return is_whole;
}

/* Probes each number. */
static struct sysinfo_open probe_open(uint64_t limit, uint64_t end)
{
	struct sysinfo_open open = { .highest = -1 };
	for (int fd = 0; (uint64_t)fd < end && fd < PROBED_MAX; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			add_open(&open, fd, limit);
	}
	return open;
}

struct sysinfo_open sysinfo_open_descriptors(void)
{
	struct rlimit limit = { PROBED_MAX, PROBED_MAX };
	struct sysinfo_open open;
	ignore_result(getrlimit(RLIMIT_NOFILE, &limit)); /* on failure: the initial value */
	if (list_open(as_count(limit.rlim_cur), &open))
		return open;
	return probe_open(as_count(limit.rlim_cur), as_count(limit.rlim_max));
}

uint64_t sysinfo_descriptors(uint64_t wanted)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return SYSINFO_UNLIMITED;
	if (as_count(limit.rlim_cur) < wanted && limit.rlim_cur < limit.rlim_max) {
		struct rlimit raised = limit;
		raised.rlim_cur = as_count(limit.rlim_max) < wanted ? limit.rlim_max : wanted;
		if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
			limit = raised;
	}
	return as_count(limit.rlim_cur);
}

uint64_t sysinfo_free_descriptors(uint64_t wanted)
{
	uint64_t n_open = sysinfo_open_descriptors().n;
	uint64_t max = sysinfo_descriptors(wanted < UINT64_MAX - n_open ? wanted + n_open : wanted);
	/* Counted again: more of them may be below a raised limit. */
	return tighter_bound(max, sysinfo_open_descriptors().n);
}

/* ---- processes ---- */

/* Returns the number of tasks on the machine: "0.20 0.18 0.12 1/80 11206" (proc(5), loadavg). */
static uint64_t count_tasks(void)
{
	char line[128], *slash;
	if (!read_line("/proc/loadavg", line, sizeof(line)) || (slash = strchr(line, '/')) == NULL)
		return 0;
	return strtoull(slash + 1, NULL, 10);
}

/* Returns the number of threads of a process if its real uid is `uid` (proc(5), status), else 0. */
static uint64_t threads_if_of(uid_t uid, uint64_t pid)
{
	char path[64], line[128];
	uint64_t n = 0, owner = SYSINFO_UNLIMITED;
	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/status", pid);
	FILE *file = fopen(path, "re");
	while (file != NULL && n == 0 && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "Uid:", 4) == 0)
			owner = strtoull(line + 4, NULL, 10);
		else if (strncmp(line, "Threads:", 8) == 0)
			n = strtoull(line + 8, NULL, 10);
	}
	if (file != NULL)
		fclose(file);
	return owner == uid ? n : 0;
}

/* Returns the number of processes and threads of a user, as far as /proc shows them. */
static uint64_t count_tasks_of(uid_t uid)
{
	uint64_t n = 0, pid;
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (units_parse_count(entry->d_name, &pid) == 0)
			n += threads_if_of(uid, pid);
	}
	if (directory != NULL)
		closedir(directory);
	return n;
}

/* RLIMIT_NPROC does not apply to root, that is to two capabilities (setrlimit(2)). */
static uint64_t process_rlimit(uint64_t wanted, uint64_t n_tasks)
{
	struct rlimit limit;
	if (geteuid() == 0 || getrlimit(RLIMIT_NPROC, &limit) < 0)
		return SYSINFO_UNLIMITED;
	uint64_t max = as_count(limit.rlim_cur);
	/* Skip the count if even all tasks of the machine would fit under the user's limit. */
	if (tighter_bound(max, n_tasks) >= wanted)
		return tighter_bound(max, n_tasks);
	return tighter_bound(max, count_tasks_of(getuid()));
}

struct sysinfo_bound sysinfo_processes(uint64_t wanted)
{
	uint64_t n_tasks = count_tasks();
	const struct sysinfo_bound bounds[] = {
		{ tighter_bound(number_in("/proc/sys/kernel/pid_max"), n_tasks), "kernel.pid_max" },
		{ tighter_bound(number_in("/proc/sys/kernel/threads-max"), n_tasks),
		  "kernel.threads-max" },
		{ process_rlimit(wanted, n_tasks), "RLIMIT_NPROC, ulimit -u" },
		{ cgroup_processes(""), "the pids cgroup" },
	};
	return tightest_of(bounds, ARRAY_LEN(bounds));
}

/* ---- memory ---- */

/* Reads the number after "NAME:" in a kernel file. */
static uint64_t value_in(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return SYSINFO_UNLIMITED;
	char line[128];
	uint64_t found = SYSINFO_UNLIMITED;
	while (found == SYSINFO_UNLIMITED && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, name, strlen(name)) == 0)
			found = strtoull(line + strlen(name), NULL, 10);
	}
	fclose(file);
	return found;
}

static uint64_t group_memory_kib(void)
{
	struct cgroup_memory memory;
	cgroup_open_memory("", &memory);
	uint64_t room = cgroup_memory_room(&memory, SYSINFO_UNLIMITED);
	cgroup_close_memory(&memory);
	return room == CGROUP_UNLIMITED ? SYSINFO_UNLIMITED : room / 1024;
}

struct sysinfo_bound sysinfo_memory_kib(void)
{
	const struct sysinfo_bound bounds[] = {
		{ value_in("/proc/meminfo", "MemAvailable:"), "memory, MemAvailable" },
		{ group_memory_kib(), "the memory cgroup" },
	};
	return tightest_of(bounds, ARRAY_LEN(bounds));
}

/*
 * Returns what is left of a limit in KiB. The limit is in bytes; usage is "NAME:" of
 * /proc/self/status.
 */
static uint64_t space_left(int which, const char *name)
{
	struct rlimit limit;
	if (getrlimit(which, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return SYSINFO_UNLIMITED;
	uint64_t used = value_in("/proc/self/status", name);
	return tighter_bound(limit.rlim_cur / 1024, used != SYSINFO_UNLIMITED ? used : 0);
}

struct sysinfo_bound sysinfo_address_space_kib(void)
{
	const struct sysinfo_bound bounds[] = {
		{ space_left(RLIMIT_AS, "VmSize:"), "address space, ulimit -v" },
		{ space_left(RLIMIT_DATA, "VmData:"), "data segment, ulimit -d" },
	};
	return tightest_of(bounds, ARRAY_LEN(bounds));
}

static bool is_limited(int which)
{
	struct rlimit limit;
	return getrlimit(which, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

struct sysinfo_limits sysinfo_space_limits(void)
{
	struct sysinfo_limits out;
	bool space = is_limited(RLIMIT_AS), data = is_limited(RLIMIT_DATA);
	snprintf(out.text, sizeof(out.text), "%s%s", space ? ", ulimit -v" : "",
		 data ? ", ulimit -d" : "");
	return out;
}

/* ---- the machine ---- */

int sysinfo_uring_disabled(void)
{
	uint64_t value = number_in("/proc/sys/kernel/io_uring_disabled");
	return value == SYSINFO_UNLIMITED ? 0 : (int)value;
}

unsigned int sysinfo_cores(void)
{
	cpu_set_t allowed;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
		return (unsigned int)CPU_COUNT(&allowed);
	long online = sysconf(_SC_NPROCESSORS_ONLN); /* more cores than CPU_SETSIZE */
	return online > 0 ? (unsigned int)online : 1;
}

/* Returns the value of a line "name : value", or NULL if it has another name. */
static const char *proc_value(const char *line, const char *name)
{
	size_t length = strlen(name);
	if (strncmp(line, name, length) != 0)
		return NULL;
	const char *colon = line + length + strspn(line + length, " \t");
	return *colon == ':' ? colon + 1 + strspn(colon + 1, " \t") : NULL;
}

/* Finds the name of the first processor. The line's name depends on the architecture. */
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
			const char *value = proc_value(line, names[i]);
			if (value != NULL)
				snprintf(cpu, size, "%s", value);
		}
	}
	fclose(file);
}

struct sysinfo_names sysinfo_names(void)
{
	struct sysinfo_names names = { 0 };
	struct utsname found;
	if (uname(&found) == 0) {
		snprintf(names.host, sizeof(names.host), "%s", found.nodename);
		snprintf(names.kernel, sizeof(names.kernel), "%s %s %s", found.sysname,
			 found.release, found.machine);
	}
	find_cpu(names.cpu, sizeof(names.cpu));
	return names;
}

uint64_t sysinfo_random(void)
{
	uint64_t number;
	/*
	 * Soon after boot the kernel may have no random numbers yet: any number that differs is
	 * enough.
	 */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
		number = clock_since_epoch_ns(clock_now_ns()) ^ ((uint64_t)getpid() << 32);
	return number;
}
