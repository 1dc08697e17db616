/* SPDX-License-Identifier: MIT */
/*
 * The privileges of this process, and giving them up (capabilities(7), credentials(7)).
 */
#ifndef NET_PRIVILEGES_H
#define NET_PRIVILEGES_H

#include <stddef.h>
#include <sys/types.h>

#include "base/compiler.h"

/*
 * The number of a user (passwd(5)): of the name, or of a number that has an entry. Returns 0,
 * ERR_NO_SUCH_USER or -errno.
 */
MUST_USE int privileges_find_user(const char *text, uid_t *ret_uid);

/* What a process needs to know to become a user. A zeroed one is none. */
struct privileges_user {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups;
	char name[64]; /* or its number, for a user without an entry */
};

/*
 * Looks up a user and the groups of that user. May block as long as a name service does. Returns 0,
 * ERR_NO_SUCH_USER or -errno; in every case ret_user has the name, and is to be freed.
 */
MUST_USE int privileges_look_up(uid_t uid, struct privileges_user *ret_user);
void privileges_free_user(struct privileges_user *user);

/*
 * Becomes a user, with the groups of that user, for good: only root can, and unless the user is
 * root there is no way back, which is tried. With the last id goes every capability. Returns 0,
 * ERR_STILL_ROOT or -errno; on failure some of it may have happened.
 */
MUST_USE int privileges_become(const struct privileges_user *user);

/*
 * From here on nothing that this process, or a child, executes gives it more rights than it has
 * (PR_SET_NO_NEW_PRIVS): the kernel asks for that before it takes a seccomp list or a Landlock rule
 * from somebody who is not root. Returns 0 or -errno.
 */
MUST_USE int privileges_forgo_new(void);

/*
 * Gives up every capability. Root is an ordinary user then, who happens to own many files, and
 * without new privileges remains one. Returns 0 or -errno.
 */
MUST_USE int privileges_drop_capabilities(void);

#endif
