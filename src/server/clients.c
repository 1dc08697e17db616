/* SPDX-License-Identifier: MIT */
#include "server/clients.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "net/io.h"
#include "net/process.h"

#define CACHE_LINE ((size_t)64)

static size_t whole_lines(size_t size)
{
	return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static size_t list_size(uint32_t most, size_t entry_size)
{
	return whole_lines(most * entry_size);
}

static size_t map_size(uint32_t most)
{
	return whole_lines(map_places(most) * sizeof(struct map_entry));
}

size_t clients_size(uint32_t most, size_t entry_size)
{
	return CACHE_LINE + list_size(most, entry_size) + 2 * map_size(most);
}

void clients_place(struct clients *ret_clients, void *memory, uint32_t most, size_t entry_size)
{
	char *entries = (char *)memory + CACHE_LINE;
	char *maps = entries + list_size(most, entry_size);
	size_t n_places = map_places(most);
	*ret_clients = (struct clients){
		.entries = entries,
		.entry_size = entry_size,
		.used = memory,
		.most = most,
		.by_pid = { (struct map_entry *)maps, n_places },
		.by_source = { (struct map_entry *)(maps + map_size(most)), n_places },
	};
}

int clients_open(struct clients *ret_clients, uint32_t most, size_t entry_size)
{
	size_t size = clients_size(most, entry_size);
	void *memory;
	int rc = process_share(size, &memory);
	if (rc < 0)
		return rc;
	clients_place(ret_clients, memory, most, entry_size);
	ret_clients->memory = memory;
	ret_clients->memory_size = size;
	return 0;
}

void clients_close(struct clients *clients)
{
	if (clients->memory != NULL)
		process_unshare(clients->memory, clients->memory_size);
	*clients = (struct clients){ 0 };
}

uint32_t clients_index(const struct clients *clients, const struct client *client)
{
	return (uint32_t)((size_t)((const char *)client - clients->entries) / clients->entry_size);
}

struct client *clients_at(const struct clients *clients, uint32_t index)
{
	return (struct client *)(void *)(clients->entries + index * clients->entry_size);
}

/* ---- sources ---- */

int clients_limit_sources(struct source_limit *limit, uint64_t most, struct clients *tables,
			  size_t n_tables, int room_fd)
{
	limit->most = most;
	limit->room_fd = room_fd;
	limit->tables = tables;
	limit->n_tables = n_tables;
	for (size_t i = 0; i < n_tables; i++) {
		tables[i].limit = limit;
		tables[i].place = &tables[i];
	}
	return lock_open(&limit->lock);
}

/* Whoever waits may look again. */
static void tell_of_room(const struct source_limit *limit)
{
	static const uint64_t one = 1;
	if (limit->room_fd >= 0)
		ignore_result(io_write(limit->room_fd, &one, sizeof(one))); /* it never fills up */
}

/* For these the limit's lock must be held. */

static bool has_too_many(const struct source_limit *limit, uint64_t source)
{
	uint64_t count = 0;
	for (size_t i = 0; i < limit->n_tables; i++)
		count += map_get(&limit->tables[i].by_source, source);
	return count >= limit->most;
}

/* The place of a ticket; of 0, a free one. NULL: there is none. */
static struct waiting *waiting_of(struct source_limit *limit, uint64_t ticket)
{
	for (size_t i = 0; i < ARRAY_LEN(limit->waiting); i++) {
		if (limit->waiting[i].ticket == ticket)
			return &limit->waiting[i];
	}
	return NULL;
}

/* Does somebody of this source wait who came before whoever has this ticket, or has none? */
static bool came_before(const struct source_limit *limit, uint64_t source, uint64_t ticket)
{
	for (size_t i = 0; i < ARRAY_LEN(limit->waiting); i++) {
		const struct waiting *waiting = &limit->waiting[i];
		if (waiting->ticket != 0 && waiting->source == source &&
		    (ticket == 0 || waiting->ticket < ticket))
			return true;
	}
	return false;
}

static void forget_ticket(struct source_limit *limit, uint64_t ticket)
{
	struct waiting *waiting = ticket != 0 ? waiting_of(limit, ticket) : NULL;
	if (waiting != NULL)
		waiting->ticket = 0;
}

/* Counts a client in for his source. Returns false if he has to wait. */
MUST_USE static bool count_in(struct clients *clients, const struct peer *peer, uint64_t ticket)
{
	struct source_limit *limit = clients->limit;
	uint64_t source;
	if (limit == NULL || !peer_source(peer, &source))
		return true;
	lock_take(&limit->lock);
	bool may_come = !has_too_many(limit, source) && !came_before(limit, source, ticket);
	if (may_come) {
		map_set(&clients->by_source, source, map_get(&clients->by_source, source) + 1);
		forget_ticket(limit, ticket);
	}
	lock_give(&limit->lock);
	return may_come;
}

uint64_t clients_wait(struct clients *clients, const struct peer *peer)
{
	struct source_limit *limit = clients->limit;
	uint64_t ticket = 0;
	lock_take(&limit->lock);
	struct waiting *place = waiting_of(limit, 0);
	if (place != NULL) {
		ticket = ++limit->last_ticket;
		place->where = clients->place;
		place->peer = *peer;
		ignore_result(peer_source(peer, &place->source)); /* or it had no reason to wait */
		/* Last: whose it is must be right, should we die before the next line. */
		atomic_store_explicit(&place->ticket, ticket, memory_order_release);
	}
	lock_give(&limit->lock);
	return ticket;
}

void clients_wait_no_more(struct clients *clients, uint64_t ticket)
{
	if (ticket == 0)
		return;
	lock_take(&clients->limit->lock);
	forget_ticket(clients->limit, ticket);
	lock_give(&clients->limit->lock);
	tell_of_room(clients->limit); /* of him who was next */
}

bool clients_take_waiting(struct clients *clients, struct peer *ret_peer)
{
	struct source_limit *limit = clients->limit;
	bool found = false;
	if (limit == NULL)
		return false;
	lock_take(&limit->lock);
	for (size_t i = 0; i < ARRAY_LEN(limit->waiting) && !found; i++) {
		struct waiting *waiting = &limit->waiting[i];
		found = waiting->ticket != 0 && waiting->where == clients->place;
		if (found) {
			*ret_peer = waiting->peer;
			waiting->ticket = 0;
		}
	}
	lock_give(&limit->lock);
	return found;
}

static void count_out(struct clients *clients, const struct peer *peer)
{
	uint64_t source;
	if (clients->limit == NULL || !peer_source(peer, &source))
		return;
	lock_take(&clients->limit->lock);
	map_set(&clients->by_source, source, map_get(&clients->by_source, source) - 1);
	bool somebody_waits = came_before(clients->limit, source, 0);
	lock_give(&clients->limit->lock);
	if (somebody_waits)
		tell_of_room(clients->limit);
}

/* ---- clients ---- */

/* A free entry: one given back, the latest first because it is warm, or the first never used. */
static struct client *take_entry(struct clients *clients)
{
	if (clients->first_free == 0) {
		uint32_t used = atomic_load_explicit(clients->used, memory_order_relaxed);
		atomic_store_explicit(clients->used, used + 1, memory_order_release);
		return clients_at(clients, used);
	}
	struct client *client = clients_at(clients, clients->first_free - 1);
	clients->first_free = client->next_free;
	return client;
}

/* 0 is nobody's. */
static uint32_t next_serial(struct clients *clients)
{
	if (++clients->last_serial == 0)
		clients->last_serial = 1;
	return clients->last_serial;
}

struct client *clients_enter(struct clients *clients, const struct peer *peer, uint64_t ticket)
{
	assert(clients->count < clients->most);
	if (!count_in(clients, peer, ticket))
		return NULL;
	struct client *client = take_entry(clients);
	memset(client, 0, clients->entry_size);
	client->peer = *peer;
	client->start_ns = clock_now_ns();
	client->fd = -1;
	clients->count++;
	atomic_store_explicit(&client->serial, next_serial(clients), memory_order_release);
	return client;
}

void clients_started(struct clients *clients, struct client *client, pid_t pid)
{
	client->pid = pid;
	map_set(&clients->by_pid, (uint64_t)pid, (uint64_t)clients_index(clients, client) + 1);
}

struct client *clients_find(const struct clients *clients, pid_t pid)
{
	uint64_t place = map_get(&clients->by_pid, (uint64_t)pid);
	return place != 0 ? clients_at(clients, (uint32_t)place - 1) : NULL;
}

void clients_leave(struct clients *clients, struct client *client)
{
	assert(clients->count > 0);
	if (client->pid != 0)
		map_set(&clients->by_pid, (uint64_t)client->pid, 0);
	count_out(clients, &client->peer);
	client->pid = 0;
	client->next_free = clients->first_free;
	clients->first_free = clients_index(clients, client) + 1;
	clients->count--;
	atomic_store_explicit(&client->serial, 0, memory_order_release);
}

static void forget(struct map *map)
{
	memset(map->entries, 0, map->n_places * sizeof(struct map_entry));
}

void clients_reset(struct clients *clients)
{
	bool any_child = false;
	for (struct client *client = clients_next(clients, NULL); client != NULL;
	     client = clients_next(clients, client)) {
		any_child |= client->pid != 0;
		atomic_store_explicit(&client->serial, 0, memory_order_release);
	}
	if (any_child)
		forget(&clients->by_pid);
	if (clients->limit != NULL) {
		lock_take(&clients->limit->lock);
		forget(&clients->by_source);
		lock_give(&clients->limit->lock);
		tell_of_room(clients->limit);
	}
	atomic_store_explicit(clients->used, 0, memory_order_release);
	clients->count = clients->first_free = 0;
}

struct client *clients_next(const struct clients *clients, const struct client *after)
{
	uint32_t from = after != NULL ? clients_index(clients, after) + 1 : 0;
	if (clients->used == NULL)
		return NULL; /* a zeroed table has none */
	uint32_t used = atomic_load_explicit(clients->used, memory_order_acquire);
	if (used > clients->most)
		used = clients->most; /* whoever shares the table may have been taken over */
	for (uint32_t i = from; i < used; i++) {
		struct client *client = clients_at(clients, i);
		if (atomic_load_explicit(&client->serial, memory_order_acquire) != 0)
			return client;
	}
	return NULL;
}
