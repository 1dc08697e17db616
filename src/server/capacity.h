/* SPDX-License-Identifier: MIT */
/*
 * How many clients at once: what was asked for, against what this machine allows.
 *
 * Refusing at the start beats failing at run time: a number that somebody asked for and cannot have
 * is an error. The number that nobody asked for is lowered, aloud.
 */
#ifndef SERVER_CAPACITY_H
#define SERVER_CAPACITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/machine.h"

#define CAPACITY_DEFAULT 1024

/* More clients than this nobody has; it bounds every table. */
#define CAPACITY_MOST 4000000

/* Descriptors not for clients: standard ones, a few listening sockets, signals, the lifeline. */
#define CAPACITY_OWN_DESCRIPTORS 16

/* Processes that are not for clients: the server itself, and a shell to look after it. */
#define CAPACITY_OWN_PROCESSES 8

/* What one client takes of the machine, by the engine that serves it. */
struct capacity_need {
	bool process;      /* a process or a thread: both count against the same limits */
	unsigned int kib;  /* memory, the kernel's for it included, as measured and rounded up */
	bool many_workers; /* each worker has a table of descriptors of its own */
};

/*
 * The tightest of what the descriptors, the processes and the memory of this machine allow. A
 * client takes one descriptor in whoever serves it; for the fork engine, whose children have a
 * table each, that is a ration (docs/decisions/0004). Raises the soft limit of descriptors if that
 * is needed for `wanted` clients.
 */
struct machine_bound capacity_of_machine(uint64_t wanted, struct capacity_need need,
					 uint32_t n_workers);

/*
 * Decides. asked 0: nobody asked, CAPACITY_DEFAULT or what is possible, at least 1. Pure.
 * Returns 0, or ERR_OUT_OF_RANGE when more was asked for than `bound` allows.
 */
MUST_USE int capacity_decide(uint64_t asked, struct machine_bound bound, uint64_t *ret_clients);

#endif
