/* SPDX-License-Identifier: MIT */
/*
 * What a server gives up before its first client, and a child before it reads its client's first
 * byte: whoever takes over one of them by something that a client sent finds nothing to use.
 *
 *                         from the start                    in a child of the fork engine
 *   new privileges        none (execve gives none)          inherited
 *   capabilities          none, though root started it      inherited
 *   files, TCP, signals   Landlock: none but its own        inherited
 *   system calls          those of a server                 the ten or so of session.c (in crowds:
 *                                                           those of a server)
 *   descriptors           its own                           its client, the lifeline, 0, 1, 2
 *
 * A worker (server/worker.h) inherits all that, and makes no calls but those of its engine and of
 * accepting and telling; others fail there, as if the kernel lacked them.
 *
 * All that can be inherited is given up once, because a child pays for whatever it does itself: it
 * puts on one compiled list and no more, and not even that when clients come in crowds. The kernel
 * compiles each list anew and takes it apart by work of its own when the child has ended; thousands
 * a second, for minutes, have stopped a kernel for good (docs/decisions/0008). A child without its
 * list still has the server's.
 *
 * A child that makes another call is killed by SIGSYS, and its end is logged as that of any child
 * that is killed. A server that makes one is told that the kernel lacks it.
 *
 * Left out of builds with a sanitizer or for coverage, which open files and start threads and
 * programs (meson option `sandbox`).
 */
#ifndef SERVER_SANDBOX_H
#define SERVER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/seccomp.h"
#include "server/listeners.h"

/* Is it built in? */
bool sandbox_is_built_in(void);

/* So many children put on their own list within a second, and so many may have one at a time. */
#define SANDBOX_LISTS_A_SECOND 100
#define SANDBOX_LISTS_MOST     256

struct sandbox {
	struct seccomp_list child, worker;
	uint64_t second_ns;   /* the second that is being counted: when it began, ... */
	unsigned int n_spent; /* ... and how many lists it has seen */
	unsigned int n_on;    /* children who have one on */
};

/*
 * Gives up what a server does not need, for good. To be called when the sockets are open: no other
 * can be had afterwards, and of the file system there remains the right to remove the paths of
 * unix listening sockets. Seccomp and Landlock are not on every kernel: their lack is logged, and
 * the server goes without. engine_calls: what its engine needs besides. Returns 0 or -errno.
 */
MUST_USE int sandbox_enter(struct sandbox *ret_sandbox, const struct listeners *listeners,
			   const struct seccomp_rule *engine_calls, size_t n_engine_calls);

/*
 * Takes one of the lists that may be put on, for a child who starts now: is one left? It is given
 * back when the child has ended. The times must not go back.
 */
bool sandbox_take_list(struct sandbox *sandbox, uint64_t now_ns);
void sandbox_give_list_back(struct sandbox *sandbox);

/* Leaves a child with the calls of a session. Returns 0 or -errno: then it must not serve. */
MUST_USE int sandbox_enter_child(const struct sandbox *sandbox);

/* Leaves a worker with what serving its clients takes. Returns 0 or -errno: then it must not. */
MUST_USE int sandbox_enter_worker(const struct sandbox *sandbox);

#endif
