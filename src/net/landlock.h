/* SPDX-License-Identifier: MIT */
/*
 * Giving up the file system, TCP connections of one's own and signals to strangers (landlock(7)).
 */
#ifndef NET_LANDLOCK_H
#define NET_LANDLOCK_H

#include <stddef.h>

#include "base/compiler.h"

/*
 * Takes from this process, and from those that it will fork, for good and as far as this kernel
 * knows how: to open, make, run, rename or remove any file, but for removing files below the
 * directories named; to bind or connect a TCP socket; to signal a process outside, and to connect
 * to its abstract unix sockets. What is open stays open, and processes of this kind can signal each
 * other.
 *
 * A directory that cannot be opened is passed over: nothing could be removed there. The process
 * must have forgone new privileges (net/privileges.h). Returns 0, or -errno: -ENOSYS where the
 * kernel has no Landlock, -EOPNOTSUPP where it was not switched on at boot.
 */
MUST_USE int landlock_restrict(const char *const *directories, size_t n);

#endif
