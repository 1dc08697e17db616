/* SPDX-License-Identifier: MIT */
/*
 * Child processes: starting and reaping them, and what they inherit.
 */
#ifndef NET_FORK_H
#define NET_FORK_H

#include <stddef.h>
#include <sys/types.h>

#include "base/compiler.h"

/*
 * Must be called once, before the first child, by a process that starts many children. From then on
 * children do not get memory that they do not need and that makes fork expensive, mainly the
 * parent's stack.
 */
void fork_prepare(void);

/*
 * The stack of a child. It is memory of the parent, and every child gets its own copy. Nothing has
 * to be copied while the parent does not write to it. May be zeroed. It ends in the middle of a
 * page, so that shallow calls use the same page as the data that the caller places after it.
 */
struct fork_stack {
	_Alignas(16) unsigned char bytes[30 * 1024];
};

/* The main function of a child. It ends with _exit(2) and does not return. */
typedef int fork_main_fn(void *argument);

/*
 * Like fork(2), but the child begins in `body` on its own stack. It must not use pointers into the
 * parent's stack; this includes `argument`. Signal mask and dispositions are the parent's. Returns
 * the child's pid, or -errno: EAGAIN (a limit) or ENOMEM.
 */
MUST_USE pid_t fork_child(struct fork_stack *stack, fork_main_fn *body, void *argument);

/*
 * fork(2), for a child that continues as a complete program. Returns 0 in the child, its pid in the
 * parent, or -errno: EAGAIN (a limit) or ENOMEM.
 */
MUST_USE pid_t fork_process(void);

/* How a child ended. */
struct child_end {
	pid_t pid;
	int signal; /* the signal that killed it, or 0 */
	int status; /* its exit status, if no signal killed it */
};

/*
 * Reaps one child that has ended (waitpid(2), WNOHANG). Returns 1 and the end, 0 if no child has
 * ended or no child exists, or -errno.
 */
MUST_USE int fork_reap_child(struct child_end *ret_end);

/* Waits for a child that is about to end. Returns 0 or -errno. */
MUST_USE int fork_wait_child(pid_t pid);

/*
 * Closes every descriptor except the standard ones and the two given: a child inherits descriptors
 * that it does not need, above all the listening sockets (UNP 4.8). Only for a child of a process
 * that has called fork_prepare().
 */
void fork_keep_only(int fd, int other_fd);

#endif
