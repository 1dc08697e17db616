/* SPDX-License-Identifier: MIT */
/*
 * The maximum number of clients: the requested number against the limits of this machine.
 *
 * A requested number that this machine does not allow is an error at start, because that is better
 * than a failure at run time. The default is lowered instead, with a warning.
 */
#ifndef SERVER_CLIENT_LIMIT_H
#define SERVER_CLIENT_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/sysinfo.h"

#define CLIENT_LIMIT_DEFAULT 1024

/* Upper limit of the client limit. It bounds every table. */
#define CLIENT_LIMIT_MAX 4000000

/*
 * Descriptors that the server opens after the decision, in the process that needs the most: the
 * pipes and eventfds shared with workers, an epoll descriptor, a ring, a temporary one.
 */
#define CLIENT_LIMIT_OWN_DESCRIPTORS 10

/* Processes that do not serve clients: the server itself, and a shell for the operator. */
#define CLIENT_LIMIT_OWN_PROCESSES 8

/* Memory of the server itself, without workers and clients. */
#define CLIENT_LIMIT_OWN_KIB 1024

/* Resources that an engine needs. Memory includes kernel memory, as measured and rounded up. */
struct client_need {
	bool process;                  /* each client needs a process or a thread */
	bool many_workers;             /* each worker needs descriptors and memory for itself */
	unsigned int kib;              /* memory per client */
	unsigned int worker_kib;       /* memory per worker without clients */
	unsigned int space_kib;        /* address space per client, 0: negligible */
	unsigned int worker_space_kib; /* address space per worker without clients */
};

/*
 * Returns the strictest of the limits on descriptors, processes and memory of this machine and of
 * our cgroups, less what is in use. A client needs one descriptor in the process that serves it.
 * This rule also applies to the fork engine, although each child has its own descriptor table
 * (docs/decisions/0004). Raises the soft limit on descriptors if `wanted` clients need that.
 */
struct sysinfo_bound client_limit_of_machine(uint64_t wanted, struct client_need need,
					     uint32_t n_workers);

/*
 * Decides on the limit. asked: the requested number; 0: CLIENT_LIMIT_DEFAULT, or what is possible.
 * Pure. Returns 0, or ERR_OUT_OF_RANGE if `asked` exceeds `bound` or `bound` allows no client.
 */
MUST_USE int client_limit_decide(uint64_t asked, struct sysinfo_bound bound, uint64_t *ret_clients);

#endif
