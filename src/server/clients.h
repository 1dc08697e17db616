/* SPDX-License-Identifier: MIT */
/*
 * The table of clients: who is being served, by which child, and what came of it.
 *
 * It lies in memory that parent and children share. A child writes into its own entry's score, and
 * nowhere else, with every step of its conversation; so the parent knows what was echoed even of a
 * child that was killed between two instructions. Each number has one writer, and is one store.
 *
 * All the rest is the parent's. It enters a client before the child exists and takes it out after
 * the child was reaped, both from its one loop: a child that ends at once cannot be missed, and the
 * count cannot drift. Shared memory has one more merit: fork(2) does not copy its page tables, and
 * the parent's writes after it are no copies on write.
 */
#ifndef SERVER_CLIENTS_H
#define SERVER_CLIENTS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/map.h"
#include "net/addr.h"

/* What a child tells. Lock-free, or a killed child could leave a lock behind. */
struct score {
	_Atomic uint64_t in, out; /* bytes received and sent */
	_Atomic int ending;       /* enum ending, written last */
	_Atomic int code;         /* the negative code behind ENDING_ERROR */
};
static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "scores need no lock");

/* "[V6%interface]:port" at its longest. */
#define CLIENT_PEER_SIZE 72

/* What ps(1) shows of a child, before the name of its client. */
#define CLIENT_TITLE "tcpecho: serving "

/* One client. Each on its own cache lines, as its child writes while others do. */
struct client {
	_Alignas(64) struct score score;
	pid_t pid;          /* its child, 0: not started, or the entry is free */
	uint32_t next_free; /* of a free entry: the next one, index + 1 */
	bool has_source;
	uint64_t source; /* for --max-per-source, addr_source() */
	uint64_t start_ns;
	int fd; /* the connected socket, in its child */
	bool is_unix;
	bool has_list; /* its child puts on its own list of calls (server/sandbox.h) */
	char title[sizeof(CLIENT_TITLE) - 1 + CLIENT_PEER_SIZE]; /* what ps(1) shows: "...: PEER" */
	const char *peer;                                        /* where in the title it begins */
};

struct clients {
	struct client *list;
	uint32_t most, count;
	uint32_t used;        /* entries from here on have never been used */
	uint32_t first_free;  /* index + 1, 0: none */
	struct map by_pid;    /* pid -> index + 1 */
	struct map by_source; /* source -> how many clients */
	void *memory;
	size_t memory_size;
};

/* Makes a table for `most` clients. Returns 0 or -ENOMEM. */
MUST_USE int clients_open(struct clients *ret_clients, uint32_t most);

/* Gives the memory back; no child may be left. A zeroed table is fine. */
void clients_close(struct clients *clients);

/* Enters a client who has no child yet. The table must not be full. */
struct client *clients_enter(struct clients *clients, const struct addr *peer, const char *name);

/* The client's child has been started. */
void clients_started(struct clients *clients, struct client *client, pid_t pid);

/* The client of a child, or NULL. */
struct client *clients_find(const struct clients *clients, pid_t pid);

/* Takes a client out: it has ended, or its child could not be started. */
void clients_leave(struct clients *clients, struct client *client);

/* How many clients a source has. */
uint64_t clients_of_source(const struct clients *clients, uint64_t source);

/* Walks over those whose child has been started: the next after one, the first after NULL. */
struct client *clients_next(const struct clients *clients, const struct client *after);

#endif
