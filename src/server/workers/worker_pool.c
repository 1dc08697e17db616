/* SPDX-License-Identifier: MIT */
#include "server/workers/worker_pool.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/units.h"
#include "net/io.h"
#include "net/shm.h"
#include "net/signals.h"
#include "server/control.h"
#include "server/engine.h"

/* Limits on the size of an event ring, in records; the number of the worker's clients decides. */
#define RING_RECORDS_MIN 64
#define RING_RECORDS_MAX 512

/* Maximum attempts to sum up totals while clients end. */
#define TOTALS_TRIES 16

/*
 * A worker that ran for less than MEMBER_EARLY_NS ended early, and the next start is delayed:
 * the first and the maximum delay.
 */
#define MEMBER_EARLY_NS       CLOCK_NS_PER_S
#define MEMBER_PAUSE_FIRST_NS (100 * CLOCK_NS_PER_MS)
#define MEMBER_PAUSE_MAX_NS   (5 * CLOCK_NS_PER_S)

/* ---- shared memory ---- */

/* Returns a worker's share of --max-clients. */
static uint32_t share_of(const struct server *server, uint32_t i)
{
	uint32_t n = server->config->n_workers;
	return server->config->max_clients / n + (i < server->config->max_clients % n);
}

static uint32_t ring_records_for(uint32_t share)
{
	uint32_t n_places = RING_RECORDS_MIN;
	while (n_places < share && n_places < RING_RECORDS_MAX)
		n_places *= 2;
	return n_places;
}

/* Divides memory into aligned parts; if memory is NULL it only counts. */
struct arena {
	char *memory;
	size_t used, page_size;
};

static void *arena_take(struct arena *arena, size_t size)
{
	void *piece = arena->memory != NULL ? arena->memory + arena->used : NULL;
	arena->used += (size + 63) / 64 * 64;
	return piece;
}

/* The next part begins on a new page. Returns its offset from the start. */
static size_t arena_take_pages(struct arena *arena)
{
	arena->used = (arena->used + arena->page_size - 1) / arena->page_size * arena->page_size;
	return arena->used;
}

/* Lays out the memory: first the shared part, then the part of each worker, in separate pages. */
static void lay_out(struct worker_pool *pool, struct arena *arena)
{
	struct server *server = pool->server;
	pool->wakeup_sleep = arena_take(arena, sizeof(*pool->wakeup_sleep));
	pool->last_logged_ns = arena_take(arena, sizeof(*pool->last_logged_ns));
	pool->listen_state = arena_take(arena, sizeof(*pool->listen_state));
	for (uint32_t i = 0; i < pool->n_members; i++) {
		struct pool_member *member = &pool->members[i];
		uint32_t share = share_of(server, i);
		size_t entry_size = server->config->engine->entry_size;
		member->memory_from = arena_take_pages(arena);
		member->slot = arena_take(arena, sizeof(*member->slot));
		member->event_ring = (struct event_ring){
			.ring = arena_take(arena, event_ring_size(ring_records_for(share))),
			.n_places = ring_records_for(share),
		};
		void *table = arena_take(arena, client_table_size(share, entry_size));
		if (table != NULL)
			client_table_place(&pool->tables[i], table, share, entry_size);
		member->memory_to = arena_take_pages(arena);
	}
}

void pool_keep_only(const struct worker_pool *pool, uint32_t i)
{
	char *memory = pool->memory;
	size_t shared_to = pool->members[0].memory_from;
	const struct pool_member *member = &pool->members[i];
	if (member->memory_from > shared_to)
		shm_unmap(memory + shared_to, member->memory_from - shared_to);
	if (pool->memory_size > member->memory_to)
		shm_unmap(memory + member->memory_to, pool->memory_size - member->memory_to);
}

void pool_close(struct worker_pool *pool)
{
	if (pool->memory != NULL) {
		wakeup_close(&pool->wakeup);
		shm_unmap(pool->memory, pool->memory_size);
	}
	free(pool->tables);
	free(pool->members);
	*pool = (struct worker_pool){ 0 };
}

MUST_USE static int share_memory(struct worker_pool *pool)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	struct arena counter = { .page_size = page_size };
	lay_out(pool, &counter);
	int rc = shm_map_shared(counter.used, &pool->memory);
	if (rc < 0)
		return rc;
	pool->memory_size = counter.used;
	struct arena arena = { .memory = pool->memory, .page_size = page_size };
	lay_out(pool, &arena);
	pool->wakeup.fd = -1;
	return 0;
}

int pool_open(struct worker_pool *pool, struct server *server)
{
	uint32_t n = server->config->n_workers;
	*pool = (struct worker_pool){ .server = server, .n_members = n, .n_used = n };
	pool->members = calloc(n, sizeof(*pool->members));
	pool->tables = calloc(n, sizeof(*pool->tables));
	if (pool->members == NULL || pool->tables == NULL)
		return -ENOMEM;
	int rc = share_memory(pool);
	if (rc == 0)
		rc = wakeup_open(&pool->wakeup, pool->wakeup_sleep);
	return rc;
}

/* ---- records of workers ---- */

/* Returns whether the supervisor accepts. Then it has a table of all clients. */
static bool has_dispatch(const struct worker_pool *pool)
{
	return pool->server->clients.limit != 0;
}

/* Counts and logs a record. If we passed that client to a worker, frees its entry (dispatch.h). */
static void count_end(struct worker_pool *pool, const struct conn_record *record)
{
	struct client_table *clients = &pool->server->clients;
	struct client *client = client_table_find_ticket(clients, record->ticket);
	control_count(pool->server, record);
	if (client != NULL)
		client_table_remove(clients, client);
}

/* At most a full ring at once: a worker that keeps posting must not delay the supervisor. */
bool pool_fetch(struct worker_pool *pool, uint32_t i)
{
	struct pool_member *member = &pool->members[i];
	struct conn_record record;
	bool any = false;
	for (uint32_t n = 0; n < member->event_ring.n_places; n++) {
		if (!event_ring_next(&member->event_ring, &record))
			break;
		if (record.serial != 0)
			member->last_read_serial = record.serial;
		count_end(pool, &record);
		any = true;
	}
	return any;
}

bool pool_fetch_all(struct worker_pool *pool)
{
	bool any = false;
	log_hold();
	for (uint32_t i = 0; i < pool->n_used; i++)
		any |= pool_fetch(pool, i);
	log_release();
	return any;
}

/*
 * Returns the next client that a worker serves, the first if `after` is NULL. Skips the client
 * whose record was already read, because it may still be in the table.
 */
static const struct client *next_client_of(const struct worker_pool *pool, uint32_t i,
					   const struct client *after)
{
	const struct client_table *table = &pool->tables[i];
	const struct client *client = client_table_next(table, after);
	if (client != NULL && atomic_load(&client->serial) == pool->members[i].last_read_serial)
		client = client_table_next(table, client);
	return client;
}

uint32_t pool_count_clients(const struct worker_pool *pool)
{
	uint32_t count = 0;
	if (has_dispatch(pool))
		return pool->server->clients
			.count; /* including clients that are being passed to a worker */
	for (uint32_t i = 0; i < pool->n_used; i++) {
		for (const struct client *client = next_client_of(pool, i, NULL); client != NULL;
		     client = next_client_of(pool, i, client))
			count++;
	}
	return count;
}

uint64_t pool_count_accepted(const struct worker_pool *pool)
{
	uint64_t count = 0;
	for (uint32_t i = 0; i < pool->n_used; i++)
		count += atomic_load(&pool->members[i].slot->accepted);
	return count;
}

static uint64_t count_accepted(const struct worker_pool *pool)
{
	return pool->server->control->totals.accepted +
	       (has_dispatch(pool) ? 0 : pool_count_accepted(pool));
}

uint64_t pool_found_empty(const struct worker_pool *pool)
{
	uint64_t found = 0;
	for (uint32_t i = 0; i < pool->n_used; i++)
		found |= atomic_load(&pool->members[i].slot->found_empty);
	return found;
}

bool pool_has_room(const struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->n_used; i++) {
		const struct pool_member *member = &pool->members[i];
		if (member->pid != 0 && atomic_load(&member->slot->is_full) == 0)
			return true;
	}
	return false;
}

bool pool_has_closed(const struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->n_used; i++) {
		const struct pool_member *member = &pool->members[i];
		if (member->pid != 0 && atomic_load(&member->slot->has_closed) == 0)
			return false;
	}
	return true;
}

/*
 * Adds the recorded totals and the bytes of current clients. Repeats if a client came or ended
 * meanwhile.
 */
void pool_log_totals(struct worker_pool *pool)
{
	struct totals totals;
	uint32_t n_clients;
	for (int tries = 0; tries < TOTALS_TRIES; tries++) {
		pool_fetch_all(pool);
		totals = pool->server->control->totals;
		totals.accepted = count_accepted(pool);
		n_clients = pool_count_clients(pool);
		for (uint32_t i = 0; i < pool->n_used; i++) {
			for (const struct client *client = next_client_of(pool, i, NULL);
			     client != NULL; client = next_client_of(pool, i, client))
				totals_add_client(&totals, client);
		}
		if (!pool_fetch_all(pool) && count_accepted(pool) == totals.accepted)
			break;
	}
	totals_log(&totals, n_clients);
}

bool pool_any_serves(const struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->n_members; i++) {
		const struct pool_member *member = &pool->members[i];
		if (member->pid != 0 && atomic_load(&member->slot->is_serving) != 0)
			return true;
	}
	return false;
}

/* ---- the end of a worker ---- */

void pool_member_plan_next(struct pool_member *member)
{
	uint64_t lived_ns = clock_now_ns() - member->started_ns;
	member->n_early_ends = lived_ns < MEMBER_EARLY_NS ? member->n_early_ends + 1 : 0;
	uint64_t pause_ns = 0;
	if (member->n_early_ends > 0)
		pause_ns = MEMBER_PAUSE_FIRST_NS;
	for (unsigned int i = 1; i < member->n_early_ends && pause_ns < MEMBER_PAUSE_MAX_NS; i++)
		pause_ns *= 2;
	if (pause_ns > MEMBER_PAUSE_MAX_NS)
		pause_ns = MEMBER_PAUSE_MAX_NS;
	member->start_at_ns = clock_deadline_ns(pause_ns);
}

void pool_member_log_end(const struct pool_member *member, const struct child_end *end,
			 uint32_t n_clients, bool is_replaced)
{
	struct units_text clients = units_count(n_clients, "client");
	const char *what_then = is_replaced ? "; another worker replaces it" : "";
	if (end->signal != 0)
		log_warning("worker %d was killed by %s, and with it %s%s", (int)end->pid,
			    signals_name(end->signal).text, clients.text, what_then);
	else
		log_warning("worker %d failed: %s, and with it %s%s", (int)end->pid,
			    err_text(atomic_load(&member->slot->code)).text, clients.text,
			    what_then);
}

void pool_kill_all(const struct worker_pool *pool)
{
	/* A pid is not reused until the worker is reaped: no other process can be killed. */
	for (uint32_t i = 0; i < pool->n_used; i++) {
		if (pool->members[i].pid != 0)
			kill(pool->members[i].pid, SIGKILL);
	}
}

void pool_continue_idle(struct worker_pool *pool)
{
	uint64_t now_ns = clock_now_ns();
	bool is_due = pool->continue_at_ns != 0 && now_ns >= pool->continue_at_ns;
	if (is_due || pool->continue_at_ns == 0)
		pool->continue_at_ns = now_ns + DRAIN_CHECK_NS;
	for (uint32_t i = 0; is_due && i < pool->n_used; i++) {
		if (pool->members[i].pid != 0 && next_client_of(pool, i, NULL) == NULL)
			kill(pool->members[i].pid, SIGCONT);
	}
}

/*
 * Counts the remaining clients of a dead worker, except a client in the table whose record was
 * read.
 */
static uint32_t count_remaining_clients(struct worker_pool *pool, uint32_t i,
					const struct child_end *end)
{
	const struct pool_member *member = &pool->members[i];
	uint32_t count = 0;
	for (const struct client *client = next_client_of(pool, i, NULL); client != NULL;
	     client = next_client_of(pool, i, client)) {
		count_end(pool, &(struct conn_record){
					.peer = client->peer,
					.in = atomic_load(&client->stats.in),
					.out = atomic_load(&client->stats.out),
					.lasted_ns = clock_now_ns() - client->start_ns,
					.reason = end->signal != 0 ? CLOSE_KILLED : CLOSE_ERROR,
					.code = atomic_load(&member->slot->code),
					.signal = end->signal,
					.serial = atomic_load(&client->serial),
					.ticket = client->ticket,
					.fault_tag = client->fault_tag,
				});
		count++;
	}
	return count;
}

/* Counts the connection that it had taken from the supervisor and not added to its table yet. */
static void count_lost_message(struct worker_pool *pool, uint32_t i, const struct child_end *end)
{
	const struct dispatch_message *message = &pool->members[i].slot->message;
	if (client_table_find_ticket(&pool->server->clients, message->ticket) != NULL)
		count_end(pool, &(struct conn_record){
					.peer = message->peer,
					.reason = CLOSE_KILLED,
					.signal = end->signal,
					.ticket = message->ticket,
					.was_turned_away = true,
				});
}

uint32_t pool_reap(struct worker_pool *pool, uint32_t i, const struct child_end *end)
{
	pool_fetch(pool, i);
	uint32_t n_clients = count_remaining_clients(pool, i, end);
	count_lost_message(pool, i, end);
	client_table_reset(&pool->tables[i]);
	struct worker_slot *slot = pool->members[i].slot;
	uint64_t n_accepted = atomic_exchange(&slot->accepted, 0);
	if (!has_dispatch(pool))
		pool->server->control->totals.accepted += n_accepted;
	slot->message.ticket = 0;
	return n_clients;
}
