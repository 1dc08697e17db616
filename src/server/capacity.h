/* SPDX-License-Identifier: MIT */
/*
 * How many clients at once: what was asked for, against what this machine allows.
 *
 * Refusing at the start beats failing at run time: a number that somebody asked for and cannot have
 * is an error. The number that nobody asked for is lowered, aloud.
 */
#ifndef SERVER_CAPACITY_H
#define SERVER_CAPACITY_H

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

/*
 * The tighter of what the descriptors and the processes of this machine allow. An engine-neutral
 * rule: a client takes one descriptor and one process, so that a limit which is good for one engine
 * is good for all. Raises the soft limit of descriptors if that is needed for `wanted` clients.
 */
struct machine_bound capacity_of_machine(uint64_t wanted);

/*
 * Decides. asked 0: nobody asked, CAPACITY_DEFAULT or what is possible, at least 1. Pure.
 * Returns 0, or ERR_OUT_OF_RANGE when more was asked for than `bound` allows.
 */
MUST_USE int capacity_decide(uint64_t asked, struct machine_bound bound, uint64_t *ret_clients);

#endif
