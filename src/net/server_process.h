/* SPDX-License-Identifier: MIT */
/*
 * The server that `check --exec` starts: its processes are started, observed and ended.
 *
 *   checker ── keeper ── server ── its children
 *
 * The keeper is a child of the checker. All descendants of the server become its children when
 * their parents end (PR_SET_CHILD_SUBREAPER). The keeper ends them when its socket to the checker
 * is closed, so also when the checker is killed.
 */
#ifndef NET_SERVER_PROCESS_H
#define NET_SERVER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "net/addr.h"

struct server_process {
	struct addr addr; /* that the server is expected to listen on */
	pid_t keeper;
	pid_t pid;     /* the process that the command started */
	int keeper_fd; /* closing it ends everything */
	int output_fd; /* a file in memory: standard output and error of the server */
};

/*
 * Chooses a free port of a loopback address and starts `command` by /bin/sh -c, with every {port}
 * replaced. Must be called before other threads exist. Returns 0, and server_process_end() must be
 * called; or -errno.
 */
MUST_USE int server_process_start(const char *command, int family,
				  struct server_process *ret_process);

/*
 * Waits until the server accepts a connection. Returns 0; -ECHILD if its process has ended;
 * -ETIMEDOUT; -EINTR if wake_fd is readable.
 */
MUST_USE int server_process_await(const struct server_process *process, int wake_fd,
				  uint64_t deadline_ns);

/* Starts the command again, on the same port. Returns 0 or -errno. */
MUST_USE int server_process_restart(struct server_process *process);

/* Returns whether the process that the command started is there. */
bool server_process_is_running(const struct server_process *process);

/* The processes of the server at one moment. */
struct server_view {
	size_t n_processes; /* zombies not included */
	size_t n_zombies;
	size_t n_descriptors;
	uint64_t cpu_ns;
	pid_t child; /* the newest process that is not the first one, 0: none */
};

/* Returns 0, or -errno if /proc cannot be read. */
MUST_USE int server_process_view(const struct server_process *process,
				 struct server_view *ret_view);

/* Sets the limit of descriptors (RLIMIT_NOFILE) of all its processes. Returns 0 or -errno. */
MUST_USE int server_process_limit_fds(const struct server_process *process, uint64_t n);

/* The last part of the server's output, or "". */
struct server_output {
	char text[1024];
};
struct server_output server_process_output(const struct server_process *process);

/* Ends all its processes: by TERM, those that remain by KILL. */
void server_process_end(struct server_process *process);

#endif
