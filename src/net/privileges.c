/* SPDX-License-Identifier: MIT */
#include "net/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/units.h"

MUST_USE static int find_entry(const struct passwd *entry, int saved_errno, uid_t *ret_uid)
{
	if (entry == NULL) {
		/* Not found is said in many ways (getpwnam(3)); these mean something else. */
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

/* Are all ids those, and is there no way to be root again? */
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

int privileges_become(uid_t uid)
{
	errno = 0;
	const struct passwd *entry = getpwuid(uid);
	int rc = find_entry(entry, errno, &uid);
	if (rc < 0)
		return rc;
	/* The groups first, for they need root; the user last, for then there is none. */
	gid_t gid = entry->pw_gid;
	if (initgroups(entry->pw_name, gid) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		return -errno;
	return is_for_good(uid, gid) ? 0 : ERR_STILL_ROOT;
}

struct user_name privileges_user_name(uid_t uid)
{
	struct user_name out;
	const struct passwd *entry = getpwuid(uid);
	if (entry != NULL)
		snprintf(out.text, sizeof(out.text), "%s", entry->pw_name);
	else
		snprintf(out.text, sizeof(out.text), "%u", (unsigned int)uid);
	return out;
}

int privileges_forgo_new(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int privileges_drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3];
	/* Who has none may be forbidden the call that gives them up. */
	if (syscall(__NR_capget, &header, held) == 0 && memcmp(held, none, sizeof(held)) == 0)
		return 0;
	return syscall(__NR_capset, &header, none) < 0 ? -errno : 0;
}
