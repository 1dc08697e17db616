/* SPDX-License-Identifier: MIT */
/*
 * Processes: forking, reaping, and what ps(1) shows of them.
 */
#ifndef NET_PROCESS_H
#define NET_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/compiler.h"

/*
 * Opens /dev/null for each standard descriptor that was closed when the program started. Otherwise
 * the first socket would become standard output. The direction is the wrong one, so that reading or
 * writing fails with EBADF. Returns 0 or -errno.
 */
MUST_USE int process_fill_standard_fds(void);

/*
 * Prepares process_set_title(): makes space where the kernel keeps the command line, by moving the
 * environment. Must be called once, before anything stores a pointer into argv or environ. If
 * memory is short, titles stay unchanged.
 */
void process_prepare_title(int argc, char **argv);

/*
 * Sets the title that ps(1) shows for this process, cut to the space available. Makes no system
 * call and writes to few pages, because in a child each new page is a page fault.
 */
void process_set_title(const char *text);

/*
 * Must be called once, before the first child, by a process that starts many children. From then on
 * children do not get memory that they do not need and that makes fork expensive (net/withhold.h),
 * mainly the parent's stack.
 */
void process_prepare_children(void);

/*
 * The stack of a child. It is memory of the parent, and every child gets its own copy. Nothing has
 * to be copied while the parent does not write to it. May be zeroed. It ends in the middle of a
 * page, so that shallow calls use the same page as the data that the caller places after it.
 */
struct process_stack {
	_Alignas(16) unsigned char bytes[30 * 1024];
};

/* The main function of a child. It ends with _exit(2) and does not return. */
typedef int process_body_fn(void *argument);

/*
 * Like fork(2), but the child begins in `body` on its own stack. It must not use pointers into the
 * parent's stack; this includes `argument`. Signal mask and dispositions are the parent's. Returns
 * the child's pid, or -errno: EAGAIN (a limit) or ENOMEM.
 */
MUST_USE pid_t process_start(struct process_stack *stack, process_body_fn *body, void *argument);

/*
 * fork(2), for a child that continues as a complete program. Returns 0 in the child, its pid in the
 * parent, or -errno: EAGAIN (a limit) or ENOMEM.
 */
MUST_USE pid_t process_fork(void);

/* How a child ended. */
struct process_end {
	pid_t pid;
	int signal; /* the signal that killed it, or 0 */
	int status; /* its exit status, if no signal killed it */
};

/*
 * Reaps one child that has ended (waitpid(2), WNOHANG). Returns 1 and the end, 0 if no child has
 * ended or no child exists, or -errno.
 */
MUST_USE int process_reap(struct process_end *ret_end);

/* Waits for a child that is about to end. Returns 0 or -errno. */
MUST_USE int process_wait(pid_t pid);

/*
 * Allocates memory that this process shares with its children: zeroed, page aligned; a page exists
 * only after the first write. Returns 0 or -ENOMEM. Freed by process_unshare().
 */
MUST_USE int process_share(size_t size, void **ret_memory);
void process_unshare(void *memory, size_t size);

/*
 * Excludes memory of process_share() from children that are started later. If the kernel refuses,
 * they get it.
 */
void process_withhold(void *memory, size_t size);

/*
 * process_reserve() reserves private address space, zeroed; only pages that are written become
 * memory. process_release() gives the memory of a part back, which is zero afterwards.
 * process_unshare() gives all of it back. Returns 0 or -ENOMEM.
 */
MUST_USE int process_reserve(size_t size, void **ret_memory);
void process_release(void *memory, size_t size);

/*
 * Closes every descriptor except the standard ones and the two given: a child inherits descriptors
 * that it does not need, above all the listening sockets (UNP 4.8). Only for a child of a process
 * that has called process_prepare_children().
 */
void process_keep_only(int fd, int other_fd);

#endif
