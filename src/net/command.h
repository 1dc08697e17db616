/* SPDX-License-Identifier: MIT */
/*
 * A command of the user's that runs beside this program, with all processes that it starts.
 *
 * It runs in a new session, so a signal from the terminal does not reach it. All its processes
 * are found by their session or their parent: this process becomes the parent of orphans
 * (PR_SET_CHILD_SUBREAPER). They are killed by command_end(). If this process is killed, its guard
 * kills the session; a daemon that has left the session is not found then.
 */
#ifndef NET_COMMAND_H
#define NET_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

struct command_run {
	pid_t pid; /* of the shell, and number of the session; 0: none */
	bool has_ended;
	int status;     /* once it has ended: exit status, or 128 + signal */
	pid_t guard;    /* kills the session when we end; 0: none */
	int guard_pipe; /* closing it starts the guard, a byte ends it */
};

/*
 * Starts `words` with /bin/sh -c. Its standard input is empty, its standard output goes to our
 * standard error; signals have their default dispositions. Must be called before threads are
 * started. Returns 0 or -errno, and then *ret_run has no process.
 */
MUST_USE int command_start(const char *words, struct command_run *ret_run);

/* Returns whether the shell has ended, and sets has_ended and status. */
bool command_has_ended(struct command_run *run);

/* Kills all processes and waits for their end. May be called twice. */
void command_end(struct command_run *run);

/* ---- its processes ---- */

/* More processes than this are not seen. */
#define COMMAND_PROCESSES_MAX 512

struct command_process {
	pid_t pid, parent;
	bool is_zombie;
	uint64_t cpu_ns; /* user and system time */
};

/* Lists the processes of the command, the shell included. Returns how many. */
size_t command_list(const struct command_run *run,
		    struct command_process ret_list[COMMAND_PROCESSES_MAX]);

/* Returns the number of open descriptors, and the highest one; -1 if that is not readable. */
struct command_descriptors {
	int n, highest;
};
struct command_descriptors command_descriptors(pid_t pid);

/* Returns the anonymous memory of a process in bytes; 0 if it is not known. */
uint64_t command_memory(pid_t pid);

/* Returns whether two processes run the same program: a fork without an exec. */
bool command_same_program(pid_t a, pid_t b);

#endif
