/* SPDX-License-Identifier: MIT */
/* The limits of all groups of a process, in trees as they are on machines and in containers. */
#include "net/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#define MIB (UINT64_C(1) << 20)

static struct unit_directory root;

static int begin(void **state)
{
	(void)state;
	root = unit_directory_make();
	return 0;
}

static int end(void **state)
{
	(void)state;
	unit_directory_remove(&root);
	return 0;
}

/* Writes a file below the root, and makes the directories above it. */
static void write_file(const char *path, const char *text)
{
	char name[1024];
	snprintf(name, sizeof(name), "%s%s", root.path, path);
	for (char *slash = strchr(name + strlen(root.path) + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(name, 0755);
		*slash = '/';
	}
	FILE *file = fopen(name, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Returns the room in the tightest group, with all file pages counted as used. */
static uint64_t room(void)
{
	struct cgroup_memory memory;
	cgroup_open_memory(root.path, &memory);
	uint64_t left = cgroup_memory_room(&memory, CGROUP_UNLIMITED);
	cgroup_close_memory(&memory);
	return left;
}

static void mount_v2(const char *mount_root)
{
	char line[512];
	snprintf(
		line, sizeof(line),
		"22 1 0:20 / /proc rw - proc proc rw\n"
		"30 23 0:26 %s /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
		mount_root);
	write_file("/proc/self/mountinfo", line);
}

TEST(without_groups_there_is_no_limit)
{
	assert_true(room() == CGROUP_UNLIMITED);
	assert_true(cgroup_processes(root.path) == CGROUP_UNLIMITED);
	write_file("/proc/self/cgroup", "0::/\n");
	assert_true(room() == CGROUP_UNLIMITED);
	mount_v2("/");
	assert_true(room() == CGROUP_UNLIMITED);
	assert_true(cgroup_processes(root.path) == CGROUP_UNLIMITED);
}

TEST(version_2_has_a_limit_less_what_is_used)
{
	write_file("/proc/self/cgroup", "0::/a/b\n");
	mount_v2("/");
	write_file("/sys/fs/cgroup/a/b/memory.max", "104857600\n");
	write_file("/sys/fs/cgroup/a/b/memory.current", "20971520\n");
	write_file("/sys/fs/cgroup/a/b/pids.max", "100\n");
	write_file("/sys/fs/cgroup/a/b/pids.current", "40\n");
	assert_true(room() == 80 * MIB);
	assert_true(cgroup_processes(root.path) == 60);
}

TEST(processors_are_limited_by_the_tightest_quota)
{
	write_file("/proc/self/cgroup", "0::/a/b\n");
	mount_v2("/");
	assert_true(cgroup_cpu_quota(root.path) == 0);
	write_file("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	assert_true(cgroup_cpu_quota(root.path) == 0);
	write_file("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
	assert_true(cgroup_cpu_quota(root.path) == 0.5);
	write_file("/sys/fs/cgroup/a/b/cpu.max", "250000 100000\n");
	assert_true(cgroup_cpu_quota(root.path) == 0.5);
}

TEST(a_limit_above_ours_binds_as_well)
{
	write_file("/proc/self/cgroup", "0::/a/b/c\n");
	mount_v2("/");
	write_file("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
	write_file("/sys/fs/cgroup/a/b/c/memory.current", "1048576\n");
	write_file("/sys/fs/cgroup/a/b/memory.max", "52428800\n");
	write_file("/sys/fs/cgroup/a/b/memory.current", "10485760\n");
	write_file("/sys/fs/cgroup/a/memory.max", "104857600\n");
	/* other processes use it too */
	write_file("/sys/fs/cgroup/a/memory.current", "83886080\n");
	assert_true(room() == 20 * MIB);
	write_file("/sys/fs/cgroup/a/b/c/pids.max", "max\n");
	write_file("/sys/fs/cgroup/a/pids.max", "10\n");
	write_file("/sys/fs/cgroup/a/pids.current", "12\n");
	assert_true(cgroup_processes(root.path) == 0);
}

TEST(the_limit_from_which_on_memory_is_taken_back_binds)
{
	write_file("/proc/self/cgroup", "0::/a\n");
	mount_v2("/");
	write_file("/sys/fs/cgroup/a/memory.max", "104857600\n");
	write_file("/sys/fs/cgroup/a/memory.high", "52428800\n");
	write_file("/sys/fs/cgroup/a/memory.current", "1048576\n");
	assert_true(room() == 49 * MIB);
}

TEST(pages_of_files_count_as_free_and_are_read_only_when_needed)
{
	struct cgroup_memory memory;
	write_file("/proc/self/cgroup", "0::/a\n");
	mount_v2("/");
	write_file("/sys/fs/cgroup/a/memory.max", "104857600\n");
	write_file("/sys/fs/cgroup/a/memory.current", "94371840\n");
	write_file("/sys/fs/cgroup/a/memory.stat",
		   "anon 1048576\nfile 52428800\nkernel 1048576\ninactive_anon 4194304\n"
		   "active_anon 8192\ninactive_file 20971520\nactive_file 10485760\n"
		   "total_inactive_file 1\n");
	assert_true(room() == 40 * MIB);
	cgroup_open_memory(root.path, &memory);
	assert_true(cgroup_memory_room(&memory, 10 * MIB) == 10 * MIB);
	assert_true(cgroup_memory_room(&memory, 11 * MIB) == 40 * MIB);
	/* The usage is read each time. */
	write_file("/sys/fs/cgroup/a/memory.current", "83886080\n");
	assert_true(cgroup_memory_room(&memory, 10 * MIB) == 20 * MIB);
	cgroup_close_memory(&memory);
}

TEST(version_1_has_a_tree_for_each_controller)
{
	write_file("/proc/self/cgroup", "9:name=systemd:/x\n"
					"8:pids:/p/q\n"
					"4:cpu,memory:/m:1/n\n"
					"0::/x\n");
	write_file("/proc/self/mountinfo",
		   "30 25 0:26 / /sys/fs/cgroup/cpu,memory rw - cgroup cgroup rw,cpu,memory\n"
		   "31 25 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
		   "32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	write_file("/sys/fs/cgroup/unified/x/memory.max", "1\n");
	write_file("/sys/fs/cgroup/cpu,memory/m:1/n/memory.limit_in_bytes",
		   "9223372036854771712\n");
	write_file("/sys/fs/cgroup/cpu,memory/m:1/memory.limit_in_bytes", "104857600\n");
	write_file("/sys/fs/cgroup/cpu,memory/m:1/memory.usage_in_bytes", "62914560\n");
	write_file("/sys/fs/cgroup/cpu,memory/m:1/memory.stat",
		   "cache 9\ninactive_file 1\ntotal_inactive_file 10485760\ntotal_active_file 0\n");
	write_file("/sys/fs/cgroup/pids/p/pids.max", "7\n");
	write_file("/sys/fs/cgroup/pids/p/pids.current", "4\n");
	assert_true(room() == 50 * MIB);
	assert_true(cgroup_processes(root.path) == 3);
}

TEST(a_container_sees_its_own_group_as_the_mount)
{
	/* Without a cgroup namespace, the path and the root of the mount are the host's. */
	write_file("/proc/self/cgroup", "0::/docker/0123/inner\n");
	mount_v2("/docker/0123");
	write_file("/sys/fs/cgroup/memory.max", "52428800\n");
	write_file("/sys/fs/cgroup/memory.current", "1048576\n");
	assert_true(room() == 49 * MIB);
	write_file("/sys/fs/cgroup/inner/memory.max", "10485760\n");
	write_file("/sys/fs/cgroup/inner/memory.current", "1048576\n");
	assert_true(room() == 9 * MIB);
	/* With a cgroup namespace, both are "/". */
	write_file("/proc/self/cgroup", "0::/\n");
	mount_v2("/");
	assert_true(room() == 49 * MIB);
	/* In a group outside the mount: the mount is the nearest visible group. */
	write_file("/proc/self/cgroup", "0::/../other\n");
	assert_true(room() == 49 * MIB);
}

TEST(a_mount_point_may_have_a_space_in_its_name)
{
	write_file("/proc/self/cgroup", "0::/a\n");
	write_file("/proc/self/mountinfo", "30 23 0:26 / /my\\040groups rw - cgroup2 none rw\n");
	write_file("/my groups/a/memory.max", "2097152\n");
	write_file("/my groups/a/memory.current", "1048576\n");
	assert_true(room() == MIB);
}

TEST(what_makes_no_sense_is_no_limit)
{
	static const char *const texts[] = { "",   "\n",  "x",        ":",
					     "0:", "0::", "1:memory", "0::\n::\n" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		write_file("/proc/self/cgroup", texts[i]);
		write_file("/proc/self/mountinfo", texts[i]);
		assert_true(room() == CGROUP_UNLIMITED);
		mount_v2("/");
		assert_true(room() == CGROUP_UNLIMITED);
	}
	write_file("/proc/self/cgroup", "0::/a\n");
	write_file("/sys/fs/cgroup/a/memory.max", "x\n");
	assert_true(room() == CGROUP_UNLIMITED);
}

TEST(nothing_stays_open)
{
	struct cgroup_memory memory;
	write_file("/proc/self/cgroup", "0::/a/b\n");
	mount_v2("/");
	write_file("/sys/fs/cgroup/a/memory.max", "2097152\n");
	write_file("/sys/fs/cgroup/a/memory.current", "1048576\n");
	write_file("/sys/fs/cgroup/a/b/memory.max", "1048576\n");
	write_file("/sys/fs/cgroup/a/b/memory.current", "1048576\n");
	size_t before = unit_open_descriptors();
	cgroup_open_memory(root.path, &memory);
	assert_true(cgroup_memory_room(&memory, 0) == 0);
	cgroup_close_memory(&memory);
	assert_int_equal(unit_open_descriptors(), before);
	assert_true(cgroup_memory_room(&memory, 0) == CGROUP_UNLIMITED);
}

#define CGROUP_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CGROUP_TEST(without_groups_there_is_no_limit),
		CGROUP_TEST(version_2_has_a_limit_less_what_is_used),
		CGROUP_TEST(processors_are_limited_by_the_tightest_quota),
		CGROUP_TEST(a_limit_above_ours_binds_as_well),
		CGROUP_TEST(the_limit_from_which_on_memory_is_taken_back_binds),
		CGROUP_TEST(pages_of_files_count_as_free_and_are_read_only_when_needed),
		CGROUP_TEST(version_1_has_a_tree_for_each_controller),
		CGROUP_TEST(a_container_sees_its_own_group_as_the_mount),
		CGROUP_TEST(a_mount_point_may_have_a_space_in_its_name),
		CGROUP_TEST(what_makes_no_sense_is_no_limit),
		CGROUP_TEST(nothing_stays_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
