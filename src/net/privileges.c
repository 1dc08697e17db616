/* SPDX-License-Identifier: MIT */
#include "net/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/units.h"

/* Enough groups for most users. */
#define FEW_GROUPS 32

MUST_USE static int find_entry(const struct passwd *entry, int saved_errno, uid_t *ret_uid)
{
	if (entry == NULL) {
		/* "Not found" has many codes (getpwnam(3)); these mean a failure. */
		bool is_failure = saved_errno == EIO || saved_errno == EMFILE ||
				  saved_errno == ENFILE || saved_errno == ENOMEM;
		return is_failure ? -saved_errno : ERR_NO_SUCH_USER;
	}
	*ret_uid = entry->pw_uid;
	return 0;
}

int privileges_find_user(const char *text, uid_t *ret_uid)
{
	uint64_t number;
	errno = 0;
	const struct passwd *entry = getpwnam(text);
	if (entry == NULL && units_parse_count(text, &number) == 0 && number < UINT32_MAX) {
		errno = 0;
		entry = getpwuid((uid_t)number);
	}
	return find_entry(entry, errno, ret_uid);
}

/* Returns whether all ids are set and there is no way back to root. */
static bool is_for_good(uid_t uid, gid_t gid)
{
	uid_t uids[3];
	gid_t gids[3];
	if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 ||
	    getresgid(&gids[0], &gids[1], &gids[2]) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(uids); i++) {
		if (uids[i] != uid || gids[i] != gid)
			return false;
	}
	return uid == 0 || setresuid(0, 0, 0) < 0;
}

/* Looks up the groups of a user. privileges_free_user() frees them. */
MUST_USE static int look_up_groups(struct privileges_user *user)
{
	int n = FEW_GROUPS, found = -1;
	while (found < 0) {
		gid_t *groups = reallocarray(user->groups, (size_t)n, sizeof(*groups));
		if (groups == NULL)
			return -ENOMEM;
		user->groups = groups;
		/* on failure n is the number needed */
		found = getgrouplist(user->name, user->gid, groups, &n);
	}
	user->n_groups = (size_t)found;
	return 0;
}

int privileges_look_up(uid_t uid, struct privileges_user *ret_user)
{
	*ret_user = (struct privileges_user){ .uid = uid };
	snprintf(ret_user->name, sizeof(ret_user->name), "%u", (unsigned int)uid);
	errno = 0;
	const struct passwd *entry = getpwuid(uid);
	int rc = find_entry(entry, errno, &ret_user->uid);
	if (rc < 0)
		return rc;
	ret_user->gid = entry->pw_gid;
	snprintf(ret_user->name, sizeof(ret_user->name), "%s", entry->pw_name);
	return look_up_groups(ret_user);
}

void privileges_free_user(struct privileges_user *user)
{
	free(user->groups);
	user->groups = NULL;
}

int privileges_become(const struct privileges_user *user)
{
	/*
	 * Groups first, because they need root. The user last, because after it nothing else is
	 * allowed.
	 */
	uid_t uid = user->uid;
	gid_t gid = user->gid;
	if (setgroups(user->n_groups, user->groups) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		return -errno;
	return is_for_good(uid, gid) ? 0 : ERR_STILL_ROOT;
}

int privileges_set_no_new(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int privileges_drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3];
	/* A process without capabilities may be forbidden to call capset(2). */
	if (syscall(__NR_capget, &header, held) == 0 && memcmp(held, none, sizeof(held)) == 0)
		return 0;
	return syscall(__NR_capset, &header, none) < 0 ? -errno : 0;
}
