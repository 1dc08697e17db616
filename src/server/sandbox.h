/* SPDX-License-Identifier: MIT */
/*
 * What a server gives up before its first client, and a child or a worker before it reads the first
 * byte of its clients. An intruder that takes one of them over by something that a client sent
 * can then do little: docs/SANDBOX.md lists what is left.
 *
 *                         server, at its start         child (fork)      worker (other engines)
 *   new privileges        none (execve gives none)     inherited         inherited
 *   capabilities          none, also as root           inherited         inherited
 *   files, TCP, signals   Landlock: only its own       inherited         inherited
 *   system calls          about 45, arguments checked  10, others kill   about 35, others fail
 *   descriptors           its own                      client, pipe,     its own
 *                                                      0, 1, 2
 *
 * The lists of system calls add up: what a child or a worker may call must be in the list of the
 * server too. A call that the list of a server or a worker lacks fails with ENOSYS; a child that
 * makes another call is killed by SIGSYS, and logged as any child that is killed.
 *
 * The kernel compiles each list anew, and frees it in the background when its process has ended;
 * thousands a second, for minutes, have stopped a kernel for good. So lists are rationed: when
 * more clients come, children have the list of the server alone.
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
#define SANDBOX_FILTERS_PER_SECOND 100
#define SANDBOX_FILTERS_MAX        256

/* What the workers of an engine call besides what any worker does. Tables live as long as we do. */
struct sandbox_needs {
	bool has_workers;
	bool has_dispatch;            /* the supervisor passes connections to them (dispatch.h) */
	struct seccomp_rules serving; /* a worker that serves */
	struct seccomp_rules opening; /* a worker before sandbox_enter_worker() */
};

struct sandbox {
	bool has_lists;                    /* this kernel has them, and so has our architecture */
	bool has_dispatch;                 /* as in struct sandbox_needs */
	struct seccomp_filter child;       /* compiled once for all children */
	struct seccomp_rules worker_calls; /* of the engine; a worker compiles its own list */
	uint64_t second_ns;   /* the second that is being counted: when it began, ... */
	unsigned int n_spent; /* ... and how many lists it has seen */
	unsigned int n_on;    /* children who have one on */
};

/*
 * Gives up what a server does not need, for good. To be called when the sockets are open: no other
 * can be had afterwards, and of the file system there remains the right to remove the paths of
 * unix listening sockets. Seccomp and Landlock are not on every kernel: their lack is logged, and
 * the server goes without. Returns 0 or -errno.
 */
MUST_USE int sandbox_enter(struct sandbox *sandbox, const struct listeners *listeners,
			   const struct sandbox_needs *needs);

/*
 * Takes one of the lists that may be put on, for a child who starts now: is one left? It is given
 * back when the child has ended. The times must not go back.
 */
bool sandbox_acquire_filter(struct sandbox *sandbox, uint64_t now_ns);
void sandbox_release_filter(struct sandbox *sandbox);

/* Leaves a child with the calls of a session. Returns 0 or -errno: then it must not serve. */
MUST_USE int sandbox_enter_child(const struct sandbox *sandbox);

/*
 * Leaves a worker with the calls that serving its clients takes. To be called when it has opened
 * what it needs, before its first client. Returns 0 or -errno: then it must not serve.
 */
MUST_USE int sandbox_enter_worker(const struct sandbox *sandbox);

#endif
