/* SPDX-License-Identifier: MIT */
#include "server/client_table.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "net/shm.h"

#define CACHE_LINE ((size_t)64)

static size_t whole_lines(size_t size)
{
	return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static size_t list_size(uint32_t limit, size_t entry_size)
{
	return whole_lines(limit * entry_size);
}

static size_t map_size(uint32_t limit)
{
	return whole_lines(u64_map_slots(limit) * sizeof(struct u64_map_entry));
}

size_t client_table_size(uint32_t limit, size_t entry_size)
{
	return CACHE_LINE + list_size(limit, entry_size) + 2 * map_size(limit);
}

void client_table_place(struct client_table *ret_clients, void *memory, uint32_t limit,
			size_t entry_size)
{
	char *entries = (char *)memory + CACHE_LINE;
	char *maps = entries + list_size(limit, entry_size);
	size_t n_places = u64_map_slots(limit);
	*ret_clients = (struct client_table){
		.entries = entries,
		.entry_size = entry_size,
		.used = memory,
		.limit = limit,
		.by_pid = { (struct u64_map_entry *)maps, n_places },
		.by_source = { (struct u64_map_entry *)(maps + map_size(limit)), n_places },
	};
}

int client_table_open(struct client_table *ret_clients, uint32_t limit, size_t entry_size)
{
	size_t size = client_table_size(limit, entry_size);
	void *memory;
	int rc = shm_map_shared(size, &memory);
	if (rc < 0)
		return rc;
	client_table_place(ret_clients, memory, limit, entry_size);
	ret_clients->memory = memory;
	ret_clients->memory_size = size;
	return 0;
}

void client_table_hide_from_children(const struct client_table *clients)
{
	shm_hide_from_children(clients->memory, clients->memory_size);
}

void client_table_close(struct client_table *clients)
{
	if (clients->memory != NULL)
		shm_unmap(clients->memory, clients->memory_size);
	*clients = (struct client_table){ 0 };
}

uint32_t client_table_index(const struct client_table *clients, const struct client *client)
{
	return (uint32_t)((size_t)((const char *)client - clients->entries) / clients->entry_size);
}

struct client *client_table_at(const struct client_table *clients, uint32_t index)
{
	return (struct client *)(void *)(clients->entries + index * clients->entry_size);
}

/* ---- sources ---- */

/* Counts a client for its source. Returns false if the source is at its limit. */
MUST_USE static bool count_in(struct client_table *clients, const struct peer *peer)
{
	uint64_t source;
	if (clients->max_per_source == 0 || !peer_source(peer, &source))
		return true;
	uint64_t count = u64_map_get(&clients->by_source, source);
	if (count >= clients->max_per_source)
		return false;
	u64_map_set(&clients->by_source, source, count + 1);
	return true;
}

static void count_out(struct client_table *clients, const struct peer *peer)
{
	uint64_t source;
	if (clients->max_per_source != 0 && peer_source(peer, &source))
		u64_map_set(&clients->by_source, source,
			    u64_map_get(&clients->by_source, source) - 1);
}

/* ---- clients ---- */

/*
 * Takes a free entry: the one returned last, because it is in the cache, or the first unused one.
 */
static struct client *take_entry(struct client_table *clients)
{
	if (clients->first_free == 0) {
		uint32_t used = atomic_load_explicit(clients->used, memory_order_relaxed);
		atomic_store_explicit(clients->used, used + 1, memory_order_release);
		return client_table_at(clients, used);
	}
	struct client *client = client_table_at(clients, clients->first_free - 1);
	clients->first_free = client->next_free;
	return client;
}

/* Returns the next serial, never 0. */
static uint32_t next_serial(struct client_table *clients)
{
	if (++clients->last_serial == 0)
		clients->last_serial = 1;
	return clients->last_serial;
}

struct client *client_table_add(struct client_table *clients, const struct peer *peer,
				uint64_t ticket)
{
	assert(clients->count < clients->limit);
	if (!count_in(clients, peer))
		return NULL;
	struct client *client = take_entry(clients);
	memset(client, 0, clients->entry_size);
	client->peer = *peer;
	client->ticket = ticket;
	client->start_ns = clock_now_ns();
	client->fd = -1;
	clients->count++;
	atomic_store_explicit(&client->serial, next_serial(clients), memory_order_release);
	return client;
}

uint64_t client_table_ticket(const struct client_table *clients, const struct client *client)
{
	uint64_t serial = atomic_load_explicit(&client->serial, memory_order_relaxed);
	return serial << 32 | client_table_index(clients, client);
}

struct client *client_table_find_ticket(const struct client_table *clients, uint64_t ticket)
{
	if (ticket == 0 || (uint32_t)ticket >= clients->limit)
		return NULL;
	struct client *client = client_table_at(clients, (uint32_t)ticket);
	return client_table_ticket(clients, client) == ticket ? client : NULL;
}

void client_table_set_pid(struct client_table *clients, struct client *client, pid_t pid)
{
	client->pid = pid;
	u64_map_set(&clients->by_pid, (uint64_t)pid,
		    (uint64_t)client_table_index(clients, client) + 1);
}

struct client *client_table_find(const struct client_table *clients, pid_t pid)
{
	uint64_t place = u64_map_get(&clients->by_pid, (uint64_t)pid);
	return place != 0 ? client_table_at(clients, (uint32_t)place - 1) : NULL;
}

void client_table_remove(struct client_table *clients, struct client *client)
{
	assert(clients->count > 0);
	if (client->pid != 0)
		u64_map_set(&clients->by_pid, (uint64_t)client->pid, 0);
	count_out(clients, &client->peer);
	client->pid = 0;
	client->next_free = clients->first_free;
	clients->first_free = client_table_index(clients, client) + 1;
	clients->count--;
	atomic_store_explicit(&client->serial, 0, memory_order_release);
}

void client_table_reset(struct client_table *clients)
{
	bool any_child = false;
	for (struct client *client = client_table_next(clients, NULL); client != NULL;
	     client = client_table_next(clients, client)) {
		any_child |= client->pid != 0;
		atomic_store_explicit(&client->serial, 0, memory_order_release);
	}
	if (any_child)
		memset(clients->by_pid.entries, 0,
		       clients->by_pid.n_places * sizeof(struct u64_map_entry));
	atomic_store_explicit(clients->used, 0, memory_order_release);
	clients->count = clients->first_free = 0;
}

struct client *client_table_next(const struct client_table *clients, const struct client *after)
{
	uint32_t from = after != NULL ? client_table_index(clients, after) + 1 : 0;
	if (clients->used == NULL)
		return NULL; /* a zeroed table is empty */
	uint32_t used = atomic_load_explicit(clients->used, memory_order_acquire);
	if (used > clients->limit)
		used = clients->limit; /* a compromised worker may have changed it */
	for (uint32_t i = from; i < used; i++) {
		struct client *client = client_table_at(clients, i);
		if (atomic_load_explicit(&client->serial, memory_order_acquire) != 0)
			return client;
	}
	return NULL;
}
