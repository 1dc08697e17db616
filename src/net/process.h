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
 * Opens /dev/null in place of a standard descriptor that the caller of this program had closed, in
 * the direction in which it fails (reading from it, or writing to it, is EBADF): else the first
 * socket would become our standard output. Returns 0 or -errno.
 */
MUST_USE int process_fill_standard_fds(void);

/*
 * Prepares process_set_title(): makes room where the kernel keeps the command line, by moving the
 * environment. To be called once, before anything else keeps a pointer into argv or environ.
 * Without memory for that, titles stay as they are.
 */
void process_prepare_title(int argc, char **argv);

/*
 * What ps(1) shows for this process from now on, as far as there is room. Calls nothing and touches
 * little: for a child, each new page is a fault.
 */
void process_set_title(const char *text);

/*
 * To be called once by a process that is going to start many children, before the first. From then
 * on they are not given what is of no use to them and would only make them dearer
 * (net/withhold.h): the parent's stack first of all.
 */
void process_prepare_children(void);

/*
 * The stack of a child. Memory of the parent's, of which every child gets its own copy, and there
 * is nothing to copy as long as the parent does not touch it. Zeroed is fine. It ends in the middle
 * of a page, so that what is not deep shares its page with what the caller puts behind it.
 */
struct process_stack {
	_Alignas(16) unsigned char bytes[30 * 1024];
};

/* What a child does. Ends in _exit(2), does not return. */
typedef int process_body_fn(void *argument);

/*
 * fork(2), but the child begins with `body`, on a stack of its own: it must not use a pointer into
 * the stack of the parent, `argument` neither. Signals are as they are in the parent.
 * Returns the child's pid, or -errno: EAGAIN (a limit) or ENOMEM.
 */
MUST_USE pid_t process_start(struct process_stack *stack, process_body_fn *body, void *argument);

/*
 * fork(2): for a child that goes on as a whole program does. Returns 0 in the child, its pid in the
 * parent, or -errno: EAGAIN (a limit) or ENOMEM.
 */
MUST_USE pid_t process_fork(void);

/* How a child ended. */
struct process_end {
	pid_t pid;
	int signal; /* the signal that killed it, or 0 */
	int status; /* its exit status, where it was not killed */
};

/*
 * Takes one child that has ended off the kernel's list (waitpid(2), WNOHANG). Returns 1 and the
 * end, 0 when no child has ended (or there is none), or -errno.
 */
MUST_USE int process_reap(struct process_end *ret_end);

/* Waits for a child that is about to end. Returns 0 or -errno. */
MUST_USE int process_wait(pid_t pid);

/*
 * Memory that this process shares with its children: zero filled, page aligned, and a page exists
 * only once it is written to. Returns 0 or -ENOMEM. To be given back by process_unshare().
 */
MUST_USE int process_share(size_t size, void **ret_memory);
void process_unshare(void *memory, size_t size);

/*
 * Children that are started from now on do not get this memory of process_share(). If the kernel
 * refuses, they do.
 */
void process_withhold(void *memory, size_t size);

/*
 * Address space of this process alone, zero filled, of which only what is written to becomes
 * memory; and giving the memory of a part of it back, which is zero then. process_unshare() gives
 * back all of it. Returns 0 or -ENOMEM.
 */
MUST_USE int process_reserve(size_t size, void **ret_memory);
void process_release(void *memory, size_t size);

/*
 * Closes every descriptor but the standard ones and the two named: what a child inherited and has
 * no use for, the listening sockets first of all (UNP 4.8). To be called by a child of a process
 * that has called process_prepare_children().
 */
void process_keep_only(int fd, int other_fd);

#endif
