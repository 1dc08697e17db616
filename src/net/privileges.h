/* SPDX-License-Identifier: MIT */
/*
 * The privileges of this process, and how it gives them up (capabilities(7), credentials(7)).
 */
#ifndef NET_PRIVILEGES_H
#define NET_PRIVILEGES_H

#include <stddef.h>
#include <sys/types.h>

#include "base/compiler.h"

/*
 * Finds the uid of a user (passwd(5)) by name, or by a number that has an entry. Returns 0,
 * ERR_NO_SUCH_USER or -errno.
 */
MUST_USE int privileges_find_user(const char *text, uid_t *ret_uid);

/* What a process needs to become a user. A zeroed one means no user. */
struct privileges_user {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups;
	char name[64]; /* the user's name, or the number if there is no entry */
};

/*
 * Looks up a user and its groups. May block as long as a name service does. Returns 0,
 * ERR_NO_SUCH_USER or -errno. In every case ret_user has the name, and the caller must free it.
 */
MUST_USE int privileges_look_up(uid_t uid, struct privileges_user *ret_user);
void privileges_free_user(struct privileges_user *user);

/*
 * Becomes a user with its groups, permanently. Only root can do this. Unless the user is root, the
 * function tries to return to root and fails if that works. All capabilities are lost. Returns 0,
 * ERR_STILL_ROOT or -errno; after a failure the change may be partial.
 */
MUST_USE int privileges_become(const struct privileges_user *user);

/*
 * Sets PR_SET_NO_NEW_PRIVS: nothing that this process or a child executes can gain privileges. The
 * kernel requires it before it accepts a seccomp filter or a Landlock rule from a process that is
 * not root. Returns 0 or -errno.
 */
MUST_USE int privileges_set_no_new(void);

/*
 * Drops every capability. Root is then an ordinary user that owns many files, and stays one because
 * of no_new_privs. Returns 0 or -errno.
 */
MUST_USE int privileges_drop_capabilities(void);

#endif
