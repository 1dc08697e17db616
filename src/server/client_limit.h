/* SPDX-License-Identifier: MIT */
/*
 * How many clients at once: what was asked for, against what this machine allows.
 *
 * Refusing at the start beats failing at run time: a number that somebody asked for and cannot have
 * is an error. The number that nobody asked for is lowered, aloud.
 */
#ifndef SERVER_CLIENT_LIMIT_H
#define SERVER_CLIENT_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/sysinfo.h"

#define CLIENT_LIMIT_DEFAULT 1024

/* More clients than this nobody has; it bounds every table. */
#define CLIENT_LIMIT_MAX 4000000

/*
 * Descriptors that the server opens after it has decided, in the process that needs most: pipes and
 * eventfds that it shares with its workers, a poller, a ring, one for a moment.
 */
#define CLIENT_LIMIT_OWN_DESCRIPTORS 10

/* Processes that are not for clients: the server itself, and a shell to look after it. */
#define CLIENT_LIMIT_OWN_PROCESSES 8

/* Memory of the server itself, without workers and clients. */
#define CLIENT_LIMIT_OWN_KIB 1024

/* What an engine takes of the machine. Memory includes the kernel's, as measured and rounded up. */
struct client_need {
	bool process;                  /* each client takes a process or a thread */
	bool many_workers;             /* each worker has descriptors of its own, and memory */
	unsigned int kib;              /* memory of a client */
	unsigned int worker_kib;       /* memory of a worker without clients */
	unsigned int space_kib;        /* address space of a client, 0: nothing to speak of */
	unsigned int worker_space_kib; /* address space of a worker without clients */
};

/*
 * The tightest of what the descriptors, the processes and the memory of this machine and of our
 * cgroups allow, besides what is in use already. A client takes one descriptor in the process that
 * serves it; for the fork engine, whose children have a table each, that is a ration
 * (docs/decisions/0004). Raises the soft limit of descriptors if that is needed for `wanted`
 * clients.
 */
struct sysinfo_bound client_limit_of_machine(uint64_t wanted, struct client_need need,
					     uint32_t n_workers);

/*
 * Decides. asked 0: nobody asked, CLIENT_LIMIT_DEFAULT or what is possible. Pure.
 * Returns 0, or ERR_OUT_OF_RANGE when more was asked for than `bound` allows, or it allows none.
 */
MUST_USE int client_limit_decide(uint64_t asked, struct sysinfo_bound bound, uint64_t *ret_clients);

#endif
