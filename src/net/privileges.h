/* SPDX-License-Identifier: MIT */
/*
 * The privileges of this process, and giving them up (capabilities(7), credentials(7)).
 */
#ifndef NET_PRIVILEGES_H
#define NET_PRIVILEGES_H

#include "base/compiler.h"

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
