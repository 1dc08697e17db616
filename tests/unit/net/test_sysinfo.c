/* SPDX-License-Identifier: MIT */
/* The limits of this machine are those that the kernel reports. */
#include "net/sysinfo.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* Returns a number from a kernel file, or `missing` if the file does not exist. */
static unsigned long number_in(const char *path, unsigned long missing)
{
	unsigned long number = missing;
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return missing;
	if (fscanf(file, "%lu", &number) != 1)
		number = missing;
	fclose(file);
	return number;
}

TEST(the_ephemeral_ports_are_those_of_the_kernel)
{
	struct sysinfo_port_range range = sysinfo_ephemeral_ports();
	unsigned int first = 32768, last = 60999;
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	if (file != NULL) {
		assert_int_equal(fscanf(file, "%u %u", &first, &last), 2);
		fclose(file);
	}
	assert_int_equal(range.first, first);
	assert_int_equal(range.last, last);
}

TEST(a_set_of_ports_has_those_that_were_added)
{
	struct sysinfo_ports ports = { { 0 } };
	static const uint16_t added[] = { 0, 1, 63, 64, 9877, 65535 };
	for (size_t i = 0; i < ARRAY_LEN(added); i++)
		sysinfo_ports_add(&ports, added[i]);
	unsigned int n = 0;
	for (uint32_t port = 0; port <= UINT16_MAX; port++)
		n += sysinfo_ports_has(&ports, (uint16_t)port);
	assert_int_equal(n, ARRAY_LEN(added));
	for (size_t i = 0; i < ARRAY_LEN(added); i++)
		assert_true(sysinfo_ports_has(&ports, added[i]));
}

TEST(the_first_unprivileged_port_is_that_of_the_kernel)
{
	assert_int_equal(sysinfo_first_unprivileged_port(),
			 number_in("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024));
}

TEST(where_loopback_can_be_bound_there_is_ipv6)
{
	struct sockaddr_in6 loopback = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool works = fd >= 0 && bind(fd, (const void *)&loopback, sizeof(loopback)) == 0;
	close(fd);
	if (!works)
		unit_skip("the loopback interface has no IPv6");
	assert_true(sysinfo_has_ipv6());
}

/* ---- descriptors ---- */

struct descriptors {
	rlim_t soft, hard;
	uint64_t wanted, had;
};

static void ask_for_descriptors(const void *argument)
{
	const struct descriptors *row = argument;
	struct rlimit limit = { .rlim_cur = row->soft, .rlim_max = row->hard };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	UNIT_CHILD_MUST(sysinfo_descriptors(row->wanted) == row->had);
	UNIT_CHILD_MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	UNIT_CHILD_MUST(limit.rlim_cur == row->had);
	UNIT_CHILD_MUST(limit.rlim_max == row->hard);
}

TEST(descriptors_are_raised_to_what_is_wanted_and_allowed)
{
	static const struct descriptors rows[] = {
		{ .soft = 64, .hard = 200, .wanted = 0, .had = 64 },
		{ .soft = 64, .hard = 200, .wanted = 64, .had = 64 },
		{ .soft = 64, .hard = 200, .wanted = 65, .had = 65 },
		{ .soft = 64, .hard = 200, .wanted = 200, .had = 200 },
		{ .soft = 64, .hard = 200, .wanted = 201, .had = 200 },
		{ .soft = 64, .hard = 200, .wanted = UINT64_MAX, .had = 200 },
		{ .soft = 64, .hard = 64, .wanted = 1000, .had = 64 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		unit_in_child(ask_for_descriptors, &rows[i]);
}

/* Opens /dev/null until `n` descriptors are open besides the standard ones, and one far above. */
static void open_some(int n, int far)
{
	UNIT_CHILD_MUST(close_range(STDERR_FILENO + 1, UINT_MAX, 0) == 0);
	for (int i = 0; i < n; i++)
		UNIT_CHILD_MUST(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
	UNIT_CHILD_MUST(dup2(0, far) == far);
}

static void count_open(const void *argument)
{
	(void)argument;
	open_some(7, 150);
	struct sysinfo_open open = sysinfo_open_descriptors();
	UNIT_CHILD_MUST(open.n == 3 + 7 + 1 && open.highest == 150);
	/* A descriptor above the limit uses none of the numbers that are still available. */
	struct rlimit limit = { .rlim_cur = 100, .rlim_max = 200 };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	open = sysinfo_open_descriptors();
	UNIT_CHILD_MUST(open.n == 3 + 7 && open.highest == 150);
	UNIT_CHILD_MUST(sysinfo_free_descriptors(10) == 90);
	UNIT_CHILD_MUST(sysinfo_free_descriptors(95) == 95);
	UNIT_CHILD_MUST(sysinfo_free_descriptors(1000) == 200 - 11);
}

TEST(descriptors_that_are_open_are_counted)
{
	unit_in_child(count_open, NULL);
}

/* In a separate mount namespace, so that other processes keep their /proc. */
static bool hide_proc(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "/proc", "tmpfs", 0, NULL) == 0;
}

static bool can_hide_proc(void)
{
	int status = -1;
	pid_t pid = fork();
	if (pid == 0)
		_exit(hide_proc() ? 0 : 1);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static void count_open_without_proc(const void *argument)
{
	UNIT_CHILD_MUST(hide_proc());
	count_open(argument);
}

TEST(descriptors_that_are_open_are_counted_without_proc_too)
{
	if (!can_hide_proc())
		unit_skip("cannot mount anything over /proc in a namespace of its own");
	unit_in_child(count_open_without_proc, NULL);
}

/* ---- address space ---- */

static void limit_address_space(const void *argument)
{
	(void)argument;
	struct rlimit limit = { .rlim_cur = (rlim_t)4096 << 20, .rlim_max = (rlim_t)4096 << 20 };
	UNIT_CHILD_MUST(sysinfo_address_space_kib().max == SYSINFO_UNLIMITED);
	UNIT_CHILD_MUST(setrlimit(RLIMIT_AS, &limit) == 0);
	struct sysinfo_bound bound = sysinfo_address_space_kib();
	UNIT_CHILD_MUST(bound.max > 0 && bound.max < limit.rlim_cur / 1024);
	UNIT_CHILD_MUST(strcmp(bound.set_by, "address space, ulimit -v") == 0);
}

TEST(address_space_is_what_the_limit_leaves)
{
	if (TCPECHO_INSTRUMENTED)
		unit_skip("a sanitizer takes more address space than any limit");
	unit_in_child(limit_address_space, NULL);
}

/* ---- processes ---- */

TEST(processes_are_bounded_by_what_the_kernel_has_room_for)
{
	struct sysinfo_bound bound = sysinfo_processes(UINT64_MAX);
	/* One of the processes is ours. */
	assert_true(bound.max < number_in("/proc/sys/kernel/pid_max", ULONG_MAX));
	assert_true(bound.max < number_in("/proc/sys/kernel/threads-max", ULONG_MAX));
	assert_non_null(bound.set_by);
	assert_true(strlen(bound.set_by) > 0);
}

static void ask_as_lone_user(const void *argument)
{
	(void)argument;
	/* An id that no other process has. */
	uid_t user = 50000 + (uid_t)getpid() % 10000;
	struct rlimit limit = { .rlim_cur = 5, .rlim_max = 5 };
	UNIT_CHILD_MUST(setrlimit(RLIMIT_NPROC, &limit) == 0);
	struct sysinfo_bound of_root = sysinfo_processes(10);
	UNIT_CHILD_MUST(of_root.max > 5); /* root is exempt from it */
	UNIT_CHILD_MUST(setresuid(user, user, user) == 0);
	struct sysinfo_bound bound = sysinfo_processes(10);
	UNIT_CHILD_MUST(strcmp(bound.set_by, "RLIMIT_NPROC, ulimit -u") == 0);
	/* One of the five is this process; a sanitizer adds a thread. */
	UNIT_CHILD_MUST(bound.max == 4 || (TCPECHO_INSTRUMENTED && bound.max < 4));
	pid_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	UNIT_CHILD_MUST(pid > 0);
	struct sysinfo_bound with_another = sysinfo_processes(10);
	kill(pid, SIGKILL);
	UNIT_CHILD_MUST(waitpid(pid, NULL, 0) == pid);
	UNIT_CHILD_MUST(with_another.max == bound.max - 1);
}

TEST(the_limit_of_a_user_binds_all_but_root)
{
	if (geteuid() != 0)
		unit_skip("only root can become a user that has no other process");
	unit_in_child(ask_as_lone_user, NULL);
}

/* ---- the pids cgroup ---- */

/*
 * Finds the pids cgroup of this process, for version 1 and for version 2; returns false if none
 * exists.
 */
static bool find_pids_cgroup(char *ret_path, size_t size)
{
	char line[512];
	bool found = false;
	FILE *file = fopen("/proc/self/cgroup", "re");
	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		char *path = strstr(line, ":/");
		if (path == NULL)
			continue;
		if (strstr(line, ":pids:") != NULL)
			snprintf(ret_path, size, "/sys/fs/cgroup/pids%s", path + 1);
		else if (strncmp(line, "0::", 3) == 0)
			snprintf(ret_path, size, "/sys/fs/cgroup%s", path + 1);
		else
			continue;
		found = access(ret_path, W_OK) == 0;
	}
	fclose(file);
	return found;
}

static bool write_into(const char *directory, const char *name, const char *text)
{
	char path[1024];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return written;
}

/* The cgroup of a test, empty if it has none. */
static char cgroup[768];

static int remove_cgroup(void **state)
{
	(void)state;
	if (cgroup[0] != '\0')
		UNIT_WAIT_UNTIL(rmdir(cgroup) == 0);
	cgroup[0] = '\0';
	return 0;
}

/* Makes a cgroup with this name, with room for ten processes. */
static void make_cgroup(const char *name)
{
	char parent[512];
	if (!find_pids_cgroup(parent, sizeof(parent)))
		unit_skip("there is no pids cgroup");
	snprintf(cgroup, sizeof(cgroup), "%s/%s-%d", parent, name, (int)getpid());
	if (mkdir(cgroup, 0755) < 0) {
		cgroup[0] = '\0';
		unit_skip("no cgroup can be created");
	}
	if (!write_into(cgroup, "pids.max", "10"))
		unit_skip("this cgroup does not limit processes");
}

static void ask_in_cgroup(const void *argument)
{
	(void)argument;
	UNIT_CHILD_MUST(write_into(cgroup, "cgroup.procs", "0"));
	/* This process is one of the ten; threads count as well, and a sanitizer adds some. */
	char path[1024];
	snprintf(path, sizeof(path), "%s/pids.current", cgroup);
	unsigned long current = number_in(path, 0);
	UNIT_CHILD_MUST(current >= 1);
	struct sysinfo_bound bound = sysinfo_processes(100);
	UNIT_CHILD_MUST(bound.max == 10 - current);
	UNIT_CHILD_MUST(strcmp(bound.set_by, "the pids cgroup") == 0);
}

TEST(the_room_in_the_pids_cgroup_binds)
{
	make_cgroup("tcpecho-unit");
	unit_in_child(ask_in_cgroup, NULL);
}

TEST(a_cgroup_may_have_a_colon_in_its_name)
{
	make_cgroup("dbus-:1.1-tcpecho-unit"); /* like systemd's names for D-Bus services */
	unit_in_child(ask_in_cgroup, NULL);
}

/* ---- memory and cores ---- */

TEST(free_memory_is_less_than_this_machine_has)
{
	uint64_t free_kib = sysinfo_memory_kib().max;
	if (free_kib == SYSINFO_UNLIMITED)
		unit_skip("/proc is not mounted");
	uint64_t page_kib = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	assert_true(free_kib > 0);
	assert_true(free_kib < (uint64_t)sysconf(_SC_PHYS_PAGES) * page_kib);
}

static void run_on_one_core(const void *argument)
{
	(void)argument;
	cpu_set_t allowed, one;
	UNIT_CHILD_MUST(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
	UNIT_CHILD_MUST(sysinfo_cores() == (unsigned int)CPU_COUNT(&allowed));
	size_t core = 0;
	while (!CPU_ISSET(core, &allowed))
		core++;
	CPU_ZERO(&one);
	CPU_SET(core, &one);
	UNIT_CHILD_MUST(sched_setaffinity(0, sizeof(one), &one) == 0);
	UNIT_CHILD_MUST(sysinfo_cores() == 1);
}

TEST(only_cores_that_we_may_run_on_count)
{
	unit_in_child(run_on_one_core, NULL);
}

/* ---- names ---- */

TEST(names_are_those_of_uname)
{
	struct utsname found;
	assert_int_equal(uname(&found), 0);
	struct sysinfo_names names = sysinfo_names();
	char kernel[sizeof(names.kernel)];
	snprintf(kernel, sizeof(kernel), "%s %s %s", found.sysname, found.release, found.machine);
	assert_string_equal(names.host, found.nodename);
	assert_string_equal(names.kernel, kernel);
}

TEST(the_processor_is_what_the_kernel_calls_it)
{
	struct sysinfo_names names = sysinfo_names();
	char text[64 * 1024];
	FILE *file = fopen("/proc/cpuinfo", "re");
	if (file == NULL)
		unit_skip("/proc is not mounted");
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	if (names.cpu[0] == '\0')
		unit_skip("the processor has no name on this architecture");
	char expected[sizeof(names.cpu) + 8];
	snprintf(expected, sizeof(expected), ": %s", names.cpu);
	assert_non_null(strstr(text, expected));
#ifdef __x86_64__
	assert_memory_equal(strstr(text, "model name"), "model name\t", strlen("model name\t"));
	assert_ptr_equal(strstr(text, expected), strstr(text, "model name\t") + 11);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ephemeral_ports_are_those_of_the_kernel),
		cmocka_unit_test(a_set_of_ports_has_those_that_were_added),
		cmocka_unit_test(the_first_unprivileged_port_is_that_of_the_kernel),
		cmocka_unit_test(where_loopback_can_be_bound_there_is_ipv6),
		cmocka_unit_test(descriptors_are_raised_to_what_is_wanted_and_allowed),
		cmocka_unit_test(descriptors_that_are_open_are_counted),
		cmocka_unit_test(descriptors_that_are_open_are_counted_without_proc_too),
		cmocka_unit_test(address_space_is_what_the_limit_leaves),
		cmocka_unit_test(processes_are_bounded_by_what_the_kernel_has_room_for),
		cmocka_unit_test(the_limit_of_a_user_binds_all_but_root),
		cmocka_unit_test_teardown(the_room_in_the_pids_cgroup_binds, remove_cgroup),
		cmocka_unit_test_teardown(a_cgroup_may_have_a_colon_in_its_name, remove_cgroup),
		cmocka_unit_test(free_memory_is_less_than_this_machine_has),
		cmocka_unit_test(only_cores_that_we_may_run_on_count),
		cmocka_unit_test(names_are_those_of_uname),
		cmocka_unit_test(the_processor_is_what_the_kernel_calls_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
