/* SPDX-License-Identifier: MIT */
/*
 * Lists of system calls that a process may make (seccomp(2)).
 *
 * A list is compiled once and put on as often as it is needed. Lists add up: a call is made if all
 * of them allow it. None can be taken off, and children inherit them.
 */
#ifndef NET_SECCOMP_H
#define NET_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Rules of a list at most: what the jumps of a filter can reach, with much to spare. */
#define SECCOMP_RULES_MOST 60

/*
 * One call, or one call with a certain value in one of its arguments: several rules may name the
 * same call. Of an argument the lower 32 bits are compared.
 */
struct seccomp_rule {
	int call; /* __NR_... */
	bool has_argument;
	unsigned int argument; /* 0 to 5 */
	uint32_t value;
};

/* What becomes of a call that no rule allows. */
enum seccomp_otherwise {
	SECCOMP_OTHERWISE_KILL, /* SIGSYS ends the process, whatever it does about that signal */
	SECCOMP_OTHERWISE_FAIL, /* ENOSYS, as on a kernel that lacks the call */
};

/* A compiled list. A zeroed one is none: putting it on has no effect. */
struct seccomp_list {
	unsigned short len;
	struct sock_filter code[4 * SECCOMP_RULES_MOST + 5];
};

/*
 * Compiles a list: first the architecture, for a number means another call on another one, then one
 * comparison a rule, in their order. On an architecture that we do not know the list is none.
 */
struct seccomp_list seccomp_compile(const struct seccomp_rule *rules, size_t n,
				    enum seccomp_otherwise otherwise);

/*
 * Puts a list on this process, for good. It must have forgone new privileges (net/privileges.h).
 * Returns 0, or -errno: -ENOSYS or -EINVAL where the kernel has no such lists.
 */
MUST_USE int seccomp_put_on(const struct seccomp_list *list);

#endif
