/* SPDX-License-Identifier: MIT */
/*
 * What a server gives up before its first client, and a child or a worker before it reads the first
 * byte from its clients. An intruder that takes over one of them through a client's bytes can then
 * do little: docs/SANDBOX.md lists what is left.
 *
 *                         server, at its start         child (fork)      worker (other engines)
 *   new privileges        none (execve gives none)     inherited         inherited
 *   capabilities          none, also as root           inherited         inherited
 *   files, TCP, signals   Landlock: only its own       inherited         inherited
 *   system calls          about 45, arguments checked  10, others kill   about 35, others fail
 *   descriptors           its own                      client, pipe,     its own
 *                                                      0, 1, 2
 *
 * Seccomp filters add up: what a child or a worker may call must be in the server's filter too. A
 * call outside the filter of a server or a worker fails with ENOSYS. A child that makes a call
 * outside its filter is killed by SIGSYS, and logged like any killed child.
 *
 * The kernel compiles each filter anew, and frees it in the background after its process has ended.
 * Thousands of filters a second, for minutes, have stopped a kernel for good. So filters are
 * limited: when more clients come, children have the server's filter only.
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

/* Returns whether the sandbox is built in. */
bool sandbox_is_built_in(void);

/* Maximum child filters installed within a second, and maximum that exist at a time. */
#define SANDBOX_FILTERS_PER_SECOND 100
#define SANDBOX_FILTERS_MAX        256

/* What a server does besides accepting and serving clients: it selects the system calls. */
struct sandbox_needs {
	bool has_workers;
	bool has_dispatch; /* the supervisor passes connections to workers (dispatch.h) */
	bool has_threads;  /* workers start threads */
	bool has_rings;    /* workers wait with io_uring(7) */
	bool has_faults;   /* it misbehaves on request (server/faults.h) */
};

struct sandbox {
	uint64_t second_ns;          /* start of the second that is being counted */
	unsigned int n_this_second;  /* filters installed in that second */
	unsigned int n_installed;    /* children that have a filter */
	bool has_filters;            /* this kernel and this architecture support seccomp filters */
	struct sandbox_needs needs;  /* for workers; each compiles its own filter */
	struct seccomp_filter child; /* compiled once, for all children */
};

/*
 * Gives up what a server does not need, for good. Must be called when the sockets are open: no
 * other socket can be opened afterwards. On the file system, only the right to remove the paths of
 * unix listening sockets remains. Not every kernel has seccomp and Landlock: if one is missing, the
 * server logs that and continues. Returns 0 or -errno.
 */
MUST_USE int sandbox_enter(struct sandbox *sandbox, const struct listeners *listeners,
			   const struct sandbox_needs *needs);

/*
 * sandbox_acquire_filter() reserves a filter for a child that starts now. Returns false if the
 * limit is reached. sandbox_release_filter() returns it when the child has ended. now_ns must not
 * go back.
 */
bool sandbox_acquire_filter(struct sandbox *sandbox, uint64_t now_ns);
void sandbox_release_filter(struct sandbox *sandbox);

/*
 * Restricts a child to the system calls of a session. Returns 0 or -errno: then it must not serve.
 */
MUST_USE int sandbox_enter_child(const struct sandbox *sandbox);

/*
 * Restricts a worker to the system calls that serving needs. Must be called when it has opened what
 * it needs, before its first client. Returns 0 or -errno: then it must not serve.
 */
MUST_USE int sandbox_enter_worker(const struct sandbox *sandbox);

#endif
