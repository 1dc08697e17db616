/* SPDX-License-Identifier: MIT */
/*
 * Gives up the rights to use the file system, to open TCP connections and to signal other processes
 * (landlock(7)).
 */
#ifndef NET_LANDLOCK_H
#define NET_LANDLOCK_H

#include <stddef.h>

#include "base/compiler.h"

/*
 * Restricts this process and its future children, permanently and as far as this kernel supports
 * it. They cannot open, create, execute, rename or remove any file, except that files below
 * `directories` can be removed. They cannot bind or connect a TCP socket. They cannot signal a
 * process outside or connect to its abstract unix sockets. Open descriptors stay usable, and
 * restricted processes can signal each other.
 *
 * A directory that cannot be opened is skipped, because nothing could be removed there. The process
 * must have set no_new_privs before (net/privileges.h). Returns 0, or -errno: -ENOSYS if the kernel
 * has no Landlock, -EOPNOTSUPP if it was not enabled at boot.
 */
MUST_USE int landlock_restrict(const char *const *directories, size_t n);

#endif
