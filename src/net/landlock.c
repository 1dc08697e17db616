/* SPDX-License-Identifier: MIT */
#include "net/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/io.h"

/*
 * <linux/landlock.h> of the oldest supported build kernel defines only the file system part. This
 * is the structure of later versions. The kernel accepts a structure longer than its own if the
 * unknown part is zero.
 */
struct ruleset {
	uint64_t file_system;
	uint64_t tcp;
	uint64_t scope;
};

#define BITS(n)              ((UINT64_C(1) << (n)) - 1)
#define TCP_BIND_AND_CONNECT BITS(2)
#define SIGNALS_AND_ABSTRACT BITS(2)

/* Returns all rights that can be given up in this version of the interface. */
static struct ruleset all_of_version(long version)
{
	static const unsigned int file_system_rights[] = { 0, 13, 14, 15, 15, 16 };
	size_t newest = ARRAY_LEN(file_system_rights) - 1;
	size_t row = (size_t)version < newest ? (size_t)version : newest;
	return (struct ruleset){
		.file_system = BITS(file_system_rights[row]),
		.tcp = version >= 4 ? TCP_BIND_AND_CONNECT : 0,
		.scope = version >= 6 ? SIGNALS_AND_ABSTRACT : 0,
	};
}

MUST_USE static int allow_removing_in(int ruleset_fd, const char *directory)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE,
		.parent_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	if (rule.parent_fd < 0)
		return 0;
	long rc = syscall(__NR_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	int code = rc < 0 ? -errno : 0;
	int fd = rule.parent_fd;
	io_close(&fd);
	return code;
}

int landlock_restrict(const char *const *directories, size_t n)
{
	long version =
		syscall(__NR_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 0)
		return -errno;
	struct ruleset ruleset = all_of_version(version);
	int fd = (int)syscall(__NR_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (fd < 0)
		return -errno;

	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = allow_removing_in(fd, directories[i]);
	if (rc == 0 && syscall(__NR_landlock_restrict_self, fd, 0) < 0)
		rc = -errno;
	io_close(&fd);
	return rc;
}
