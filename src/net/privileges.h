/* SPDX-License-Identifier: MIT */
/*
 * The privileges of this process, and giving them up (capabilities(7), credentials(7)).
 */
#ifndef NET_PRIVILEGES_H
#define NET_PRIVILEGES_H

#include <sys/types.h>

#include "base/compiler.h"

/*
 * The number of a user (passwd(5)): of the name, or of a number that has an entry. Returns 0,
 * ERR_NO_SUCH_USER or -errno.
 */
MUST_USE int privileges_find_user(const char *text, uid_t *ret_uid);

/*
 * Becomes a user, with the groups that are his, for good: only root can, and unless the user is
 * root there is no way back, which is tried. With the last id goes every capability. Returns 0,
 * ERR_NO_SUCH_USER, ERR_STILL_ROOT or -errno; on failure some of it may have happened.
 */
MUST_USE int privileges_become(uid_t uid);

/* The name of a user, or his number. */
struct user_name {
	char text[64];
};
struct user_name privileges_user_name(uid_t uid);

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
