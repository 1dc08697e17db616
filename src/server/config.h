/* SPDX-License-Identifier: MIT */
/*
 * The configuration of a running server: what was decided at its start. Constant afterwards, and
 * the same in all its processes.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct faults;

/*
 * Maximum bytes per receive, and maximum bytes kept for a client that does not read. Large, so that
 * bulk data needs few calls, but small enough for the cache of a core; small echoes use only the
 * first page of a child's buffer.
 */
#define CLIENT_BUFFER_SIZE ((size_t)64 * 1024)

struct server_config {
	const struct engine *engine;
	uint64_t max_per_source; /* 0: no limit */
	uint64_t idle_timeout_ns;
	uint64_t drain_timeout_ns;
	uint64_t busy_poll_ns; /* event loops: time to poll before sleeping */
	uint32_t max_clients;
	uint32_t n_workers;          /* in engines that have workers */
	uint32_t per_worker;         /* maximum clients at once per worker */
	bool quiet;                  /* no access log */
	const struct faults *faults; /* NULL: none */
};

#endif
