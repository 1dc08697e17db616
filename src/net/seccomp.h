/* SPDX-License-Identifier: MIT */
/*
 * seccomp filters: which system calls a process may make (seccomp(2)).
 *
 * A filter is compiled once and installed as often as needed. Filters add up: a call is made only
 * if all of them allow it. A filter cannot be removed, and children inherit it.
 *
 * A rule names a call and may check its arguments. A call is allowed if one rule allows it. The
 * kernel remembers that a rule without checks allows a call, and does not run the filter for it
 * again (Linux 5.11). A rule with checks runs for every call, so calls that every echo makes should
 * have none.
 */
#ifndef NET_SECCOMP_H
#define NET_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Maximum number of instructions in a compiled filter. A jump within a rule reaches 255. */
#define SECCOMP_CODE_MAX 1024

/* Maximum number of checks per rule. */
#define SECCOMP_CHECKS_MAX 4

/*
 * A condition on one argument: 32 bits of it, masked, are compared as an unsigned number. A zeroed
 * check means no check. Use the macros below.
 */
struct seccomp_check {
	uint32_t mask, value;
	uint8_t argument; /* 0 to 5 */
	bool is_upper;    /* the upper 32 bits, not the lower ones */
	bool is_at_least; /* value or more, not exactly value */
};

/* The lower 32 bits of argument n (all bits of an int) equal this number. */
#define SECCOMP_IS(n, number)                                                    \
	{                                                                        \
		.argument = (n), .mask = UINT32_MAX, .value = (uint32_t)(number) \
	}

/* The lower 32 bits of argument n equal `number` in the bits of the mask `bits`. */
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

/* Argument n is a null pointer. Two checks, because both halves of a pointer count. */
#define SECCOMP_IS_NULL(n)                                            \
	SECCOMP_IS(n, 0),                                             \
	{                                                             \
		.argument = (n), .mask = UINT32_MAX, .is_upper = true \
	}

/* Allows one call if all checks hold. Several rules may name the same call. */
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

/* What happens to a call that no rule allows. */
enum seccomp_otherwise {
	SECCOMP_OTHERWISE_KILL, /* SIGSYS ends the process, whatever its disposition */
	SECCOMP_OTHERWISE_FAIL, /* the call fails with ENOSYS, as on a kernel without it */
};

/* A compiled filter. A zeroed one is empty: installing it has no effect. */
struct seccomp_filter {
	unsigned short len;
	struct sock_filter code[SECCOMP_CODE_MAX];
};

/* Returns whether filters are supported on the architecture of this build. */
bool seccomp_is_known_here(void);

/*
 * Compiles a filter from tables. It checks the architecture first, because call numbers differ
 * between architectures, then the rules in order. On an unsupported architecture the filter is
 * empty.
 */
struct seccomp_filter seccomp_compile(const struct seccomp_rules *tables, size_t n_tables,
				      enum seccomp_otherwise otherwise);

/*
 * Installs a filter on this process, permanently. no_new_privs must be set before
 * (net/privileges.h). Returns 0, or -errno: -ENOSYS or -EINVAL if the kernel has no seccomp
 * filters.
 */
MUST_USE int seccomp_install(const struct seccomp_filter *filter);

#endif
