/* SPDX-License-Identifier: MIT */
#include "server/clients.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "net/process.h"

int clients_open(struct clients *ret_clients, uint32_t most)
{
	size_t n_places = map_places(most);
	size_t list_size = most * sizeof(struct client);
	size_t map_size = n_places * sizeof(struct map_entry);
	size_t size = list_size + 2 * map_size;
	void *shared;
	int rc = process_share(size, &shared);
	if (rc < 0)
		return rc;

	char *memory = shared;
	*ret_clients = (struct clients){
		.list = (struct client *)memory,
		.most = most,
		.by_pid = { (struct map_entry *)(memory + list_size), n_places },
		.by_source = { (struct map_entry *)(memory + list_size + map_size), n_places },
		.memory = memory,
		.memory_size = size,
	};
	return 0;
}

void clients_close(struct clients *clients)
{
	if (clients->memory != NULL)
		process_unshare(clients->memory, clients->memory_size);
	*clients = (struct clients){ 0 };
}

/* A free entry: one given back, the latest first because it is warm, or the first never used. */
static struct client *take_entry(struct clients *clients)
{
	if (clients->first_free == 0)
		return &clients->list[clients->used++];
	struct client *client = &clients->list[clients->first_free - 1];
	clients->first_free = client->next_free;
	return client;
}

static void count_source(struct clients *clients, const struct client *client, int change)
{
	if (!client->has_source)
		return;
	uint64_t count = map_get(&clients->by_source, client->source);
	map_set(&clients->by_source, client->source, count + (uint64_t)change);
}

struct client *clients_enter(struct clients *clients, const struct addr *peer, const char *name)
{
	assert(clients->count < clients->most);
	struct client *client = take_entry(clients);
	*client = (struct client){ .start_ns = clock_now_ns(),
				   .is_unix = peer->any.sa_family == AF_UNIX };
	client->has_source = addr_source(peer, &client->source);
	snprintf(client->title, sizeof(client->title), CLIENT_TITLE "%s", name);
	client->peer = client->title + strlen(CLIENT_TITLE);
	count_source(clients, client, +1);
	clients->count++;
	return client;
}

static uint32_t index_of(const struct clients *clients, const struct client *client)
{
	return (uint32_t)(client - clients->list);
}

void clients_started(struct clients *clients, struct client *client, pid_t pid)
{
	client->pid = pid;
	map_set(&clients->by_pid, (uint64_t)pid, (uint64_t)index_of(clients, client) + 1);
}

struct client *clients_find(const struct clients *clients, pid_t pid)
{
	uint64_t place = map_get(&clients->by_pid, (uint64_t)pid);
	return place != 0 ? &clients->list[place - 1] : NULL;
}

void clients_leave(struct clients *clients, struct client *client)
{
	assert(clients->count > 0);
	if (client->pid != 0)
		map_set(&clients->by_pid, (uint64_t)client->pid, 0);
	count_source(clients, client, -1);
	client->pid = 0;
	client->next_free = clients->first_free;
	clients->first_free = index_of(clients, client) + 1;
	clients->count--;
}

uint64_t clients_of_source(const struct clients *clients, uint64_t source)
{
	return map_get(&clients->by_source, source);
}

struct client *clients_next(const struct clients *clients, const struct client *after)
{
	uint32_t from = after != NULL ? index_of(clients, after) + 1 : 0;
	for (uint32_t i = from; i < clients->used; i++) {
		if (clients->list[i].pid != 0)
			return &clients->list[i];
	}
	return NULL;
}
