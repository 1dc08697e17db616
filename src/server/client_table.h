/* SPDX-License-Identifier: MIT */
/*
 * The table of clients: who is being served, by whom, and what came of it.
 *
 * A table has one owner, which enters clients and takes them out: the server itself
 * (engines/fork.c, server/workers/dispatch.h) or a worker (server/workers/worker.h). It enters a
 * client before it is served and takes it out when that is over, from its one loop: so the count
 * cannot drift.
 *
 * The table of a worker lies in memory that it shares with its supervisor. What serves a client, a
 * loop or a thread, writes into the client's score with every step of the conversation, and the
 * supervisor knows what was echoed even if the worker is killed between two instructions. Each
 * number has one writer, and is one store. A child of the fork engine has its score elsewhere, and
 * no part of the table: what the table says the server believes.
 *
 * Shared memory has one more merit: fork(2) does not copy its page tables, and the parent's writes
 * after it are no copies on write.
 *
 * An engine keeps what it needs to know of a client behind what all of them need: its entries begin
 * with a struct client, and the table is told how large they are.
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

/* What is told of a conversation. Lock-free, or one who is killed could leave a lock behind. */
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
	_Atomic uint32_t
		serial;     /* which client of this table it is, from 1; 0: the entry is free */
	uint32_t next_free; /* of a free entry: the next one, index + 1 */
	pid_t pid;          /* the child that serves it alone, 0: there is none */
	int fd;             /* the connected socket, in whoever serves it */
	uint64_t ticket;    /* of a worker's client: its number in the supervisor's table, or 0 */
};

struct client_table {
	char *entries;
	size_t entry_size;
	_Atomic uint32_t *used; /* beside them: entries from here on have never been used */
	uint32_t most, count;
	uint32_t first_free;   /* index + 1, 0: none */
	uint32_t last_serial;  /* of the latest client */
	struct u64_map by_pid; /* pid -> index + 1 */
	struct u64_map
		by_source; /* source -> number of clients; kept only where there is a limit */
	uint64_t most_per_source; /* the limit, 0: none */
	void *memory;             /* NULL: it lies in somebody else's */
	size_t memory_size;
};

/*
 * Makes a table for `most` clients, whose entries are of that size and begin with a struct client.
 * Returns 0 or -ENOMEM.
 */
MUST_USE int client_table_open(struct client_table *ret_clients, uint32_t most, size_t entry_size);

/* Children that are started from now on do not get the memory of client_table_open(). */
void client_table_withhold(const struct client_table *clients);

/*
 * The same in zeroed memory of the caller's, of client_table_size() bytes, aligned to a cache line.
 */
size_t client_table_size(uint32_t most, size_t entry_size);
void client_table_place(struct client_table *ret_clients, void *memory, uint32_t most,
			size_t entry_size);

/* Gives the memory back, if it is its own; nobody may be served any more. A zeroed one is fine. */
void client_table_close(struct client_table *clients);

/*
 * Enters a client that is not served yet. The table must not be full. ticket: as in struct client.
 * Returns NULL if its source has most_per_source clients already.
 */
MUST_USE struct client *client_table_add(struct client_table *clients, const struct peer *peer,
					 uint64_t ticket);

/* A number for a client that no other client of this table gets, not 0; and the client, or NULL. */
uint64_t client_table_ticket(const struct client_table *clients, const struct client *client);
struct client *client_table_of_ticket(const struct client_table *clients, uint64_t ticket);

/* The client's child has been started. */
void client_table_started(struct client_table *clients, struct client *client, pid_t pid);

/* The client of a child, or NULL. */
struct client *client_table_find(const struct client_table *clients, pid_t pid);

/* Takes a client out: it has ended, or nobody could be started to serve it. */
void client_table_remove(struct client_table *clients, struct client *client);

/*
 * Makes a table without a limit empty whose owner has died: what it was doing when it died does not
 * matter. From here on its caller is the owner.
 */
void client_table_reset(struct client_table *clients);

/* Walks over those who are there: the next after one, the first after NULL. */
struct client *client_table_next(const struct client_table *clients, const struct client *after);

/* The number of an entry, and the entry of a number. */
uint32_t client_table_index(const struct client_table *clients, const struct client *client);
struct client *client_table_at(const struct client_table *clients, uint32_t index);

#endif
