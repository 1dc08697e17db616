/* SPDX-License-Identifier: MIT */
/*
 * Lists of system calls that a process may make (seccomp(2)).
 *
 * A list is compiled once and put on as often as it is needed. Lists add up: a call is made if all
 * of them allow it. None can be taken off, and children inherit them.
 *
 * A rule names a call and may check its arguments. A call is allowed if one rule allows it. The
 * kernel remembers that a rule without checks allows a call, and does not run the list for it
 * again (Linux 5.11). A rule with checks is run for every call: keep checks off calls that every
 * echo makes.
 */
#ifndef NET_SECCOMP_H
#define NET_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Instructions of a compiled list at most. A jump within a rule reaches 255. */
#define SECCOMP_CODE_MAX 1024

/* Checks of one rule at most. */
#define SECCOMP_CHECKS_MAX 4

/*
 * A condition on one argument: one half of it, masked, is compared as an unsigned number. A zeroed
 * check is none. Use the macros below.
 */
struct seccomp_check {
	uint32_t mask, value;
	uint8_t argument; /* 0 to 5 */
	bool is_upper;    /* the upper 32 bits, not the lower ones */
	bool is_at_least; /* value or more, not exactly value */
};

/* The lower 32 bits of argument n, which are all of an int, are this number. */
#define SECCOMP_IS(n, number)                                                    \
	{                                                                        \
		.argument = (n), .mask = UINT32_MAX, .value = (uint32_t)(number) \
	}

/* Of the lower 32 bits of argument n, those of the mask are those of the number. */
#define SECCOMP_BITS(n, bits, number)                                                  \
	{                                                                              \
		.argument = (n), .mask = (uint32_t)(bits), .value = (uint32_t)(number) \
	}

/* The lower 32 bits of argument n are at least this number. */
#define SECCOMP_AT_MIN(n, number)                                                 \
	{                                                                         \
		.argument = (n), .mask = UINT32_MAX, .value = (uint32_t)(number), \
		.is_at_least = true                                               \
	}

/* Argument n is a null pointer. Two checks: both halves of a pointer count. */
#define SECCOMP_IS_NULL(n)                                            \
	SECCOMP_IS(n, 0),                                             \
	{                                                             \
		.argument = (n), .mask = UINT32_MAX, .is_upper = true \
	}

/* Allows one call, if all checks hold. Several rules may name the same call. */
struct seccomp_rule {
	int call; /* __NR_... */
	struct seccomp_check checks[SECCOMP_CHECKS_MAX];
};

/* A table of rules. */
struct seccomp_rules {
	const struct seccomp_rule *list;
	size_t n;
};

#define SECCOMP_RULES(table)              \
	{                                 \
		(table), ARRAY_LEN(table) \
	}

/* What becomes of a call that no rule allows. */
enum seccomp_otherwise {
	SECCOMP_OTHERWISE_KILL, /* SIGSYS ends the process, whatever it does about that signal */
	SECCOMP_OTHERWISE_FAIL, /* ENOSYS, as on a kernel that lacks the call */
};

/* A compiled list. A zeroed one is none: putting it on has no effect. */
struct seccomp_filter {
	unsigned short len;
	struct sock_filter code[SECCOMP_CODE_MAX];
};

/* Are lists known for the architecture that this is built for? */
bool seccomp_is_known_here(void);

/*
 * Compiles a list from tables: first the architecture, for a number means another call on another
 * one, then the rules in their order. On an architecture that is not known the list is none.
 */
struct seccomp_filter seccomp_compile(const struct seccomp_rules *tables, size_t n_tables,
				      enum seccomp_otherwise otherwise);

/*
 * Puts a list on this process, for good. It must have forgone new privileges (net/privileges.h).
 * Returns 0, or -errno: -ENOSYS or -EINVAL where the kernel has no such lists.
 */
MUST_USE int seccomp_install(const struct seccomp_filter *list);

#endif
