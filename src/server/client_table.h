/* SPDX-License-Identifier: MIT */
/*
 * The client table: the clients being served, the process that serves each, and their statistics.
 *
 * Each table has one owner: the server itself (engines/fork.c, server/workers/dispatch.h) or a
 * worker (server/workers/worker.h). The owner adds a client before it is served and removes it
 * afterwards, from one loop. So the count is always exact.
 *
 * A worker's table lies in memory that the worker shares with its supervisor. The loop or thread
 * that serves a client updates the client's statistics at every step of the connection. So the
 * supervisor knows what was echoed even if the worker is killed between two instructions. Each
 * number has one writer and is written by one store. A child of the fork engine has its statistics
 * in other memory and no access to the table, because the server trusts the table.
 *
 * Shared memory has another advantage: fork(2) does not copy its page tables, and the parent's
 * writes after fork(2) cause no copy on write.
 *
 * An engine keeps its own data of a client behind the common part: each entry begins with a struct
 * client, and client_table_open() gets the size of an entry.
 */
#ifndef SERVER_CLIENT_TABLE_H
#define SERVER_CLIENT_TABLE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/u64_map.h"
#include "net/peer.h"

/*
 * Statistics of a connection. They are lock-free, because a killed process could leave a lock held.
 */
struct conn_stats {
	_Atomic uint64_t in, out; /* bytes received and sent */
	_Atomic int reason;       /* enum close_reason, written last */
	_Atomic int code;         /* the negative code behind CLOSE_ERROR */
};
static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "scores need no lock");

/* One client, as every engine knows it. */
struct client {
	struct conn_stats stats;
	struct peer peer;
	uint64_t start_ns;
	_Atomic uint32_t serial; /* number in this table, from 1; 0: the entry is free */
	union {
		uint32_t next_free; /* in a free entry: the next free entry, index + 1 */
		uint32_t fault_tag; /* otherwise, with faults on request: server/faults.h */
	};
	pid_t pid;       /* the child that serves only this client, 0: none */
	int fd;          /* the connected socket, in the process that serves it */
	uint64_t ticket; /* in a worker: the client's number in the supervisor's table, or 0 */
};

struct client_table {
	char *entries;
	size_t entry_size;
	_Atomic uint32_t *used; /* in the same memory: entries from here on were never used */
	uint32_t limit, count;
	uint32_t first_free;      /* index + 1, 0: none */
	uint32_t last_serial;     /* serial of the latest client */
	struct u64_map by_pid;    /* pid -> index + 1 */
	struct u64_map by_source; /* source -> number of clients; only with a limit */
	uint64_t max_per_source;  /* the limit, 0: none */
	void *memory;             /* NULL: the memory belongs to the caller */
	size_t memory_size;
};

/*
 * Makes a table for `limit` clients. Each entry has entry_size bytes and begins with a struct
 * client. Returns 0 or -ENOMEM.
 */
MUST_USE int client_table_open(struct client_table *ret_clients, uint32_t limit, size_t entry_size);

/* Children started from now on do not inherit the memory of client_table_open(). */
void client_table_hide_from_children(const struct client_table *clients);

/* The same in zeroed memory of the caller: client_table_size() bytes, aligned to a cache line. */
size_t client_table_size(uint32_t limit, size_t entry_size);
void client_table_place(struct client_table *ret_clients, void *memory, uint32_t limit,
			size_t entry_size);

/* Frees the memory if the table owns it. No client may still be served. A zeroed table is valid. */
void client_table_close(struct client_table *clients);

/*
 * Adds a client that is not served yet. The table must not be full. ticket: as in struct client.
 * Returns NULL if the source already has max_per_source clients.
 */
MUST_USE struct client *client_table_add(struct client_table *clients, const struct peer *peer,
					 uint64_t ticket);

/*
 * client_table_ticket() returns a number that identifies this client and no other client of this
 * table; never 0. client_table_find_ticket() returns the client of a ticket, or NULL.
 */
uint64_t client_table_ticket(const struct client_table *clients, const struct client *client);
struct client *client_table_find_ticket(const struct client_table *clients, uint64_t ticket);

/* Records the child that serves the client. */
void client_table_set_pid(struct client_table *clients, struct client *client, pid_t pid);

/* Returns the client of a child, or NULL. */
struct client *client_table_find(const struct client_table *clients, pid_t pid);

/* Removes a client: it has ended, or no process could be started to serve it. */
void client_table_remove(struct client_table *clients, struct client *client);

/*
 * Empties a table without a limit after its owner has ended, whatever the owner was doing. The
 * caller becomes the owner.
 */
void client_table_reset(struct client_table *clients);

/* Iterates over the clients: returns the client after `after`; the first if `after` is NULL. */
struct client *client_table_next(const struct client_table *clients, const struct client *after);

/* Returns the index of an entry; returns the entry of an index. */
uint32_t client_table_index(const struct client_table *clients, const struct client *client);
struct client *client_table_at(const struct client_table *clients, uint32_t index);

#endif
