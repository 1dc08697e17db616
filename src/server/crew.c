/* SPDX-License-Identifier: MIT */
#include "server/crew.h"

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
#include "net/signals.h"
#include "server/engine.h"

/* Reports that a worker can have waiting, by the number of its clients. */
#define REPORTS_LEAST 64
#define REPORTS_MOST  512

/* While totals are summed up, clients end: so often it is tried anew. */
#define TOTALS_TRIES 16

/*
 * A worker that lived for less has died young, and the next waits: at first, and at most so long.
 */
#define MEMBER_YOUNG_NS       CLOCK_NS_PER_S
#define MEMBER_PAUSE_FIRST_NS (100 * CLOCK_NS_PER_MS)
#define MEMBER_PAUSE_MOST_NS  (5 * CLOCK_NS_PER_S)

/* ---- shared memory ---- */

/* A worker's share of the clients. */
static uint32_t share_of(const struct server *server, uint32_t i)
{
	uint32_t n = server->n_workers;
	return server->max_clients / n + (i < server->max_clients % n);
}

static uint32_t reports_of(uint32_t share)
{
	uint32_t n_places = REPORTS_LEAST;
	while (n_places < share && n_places < REPORTS_MOST)
		n_places *= 2;
	return n_places;
}

/* Cuts pieces off a large one; with NULL as memory it only counts. */
struct carver {
	char *memory;
	size_t used, page_size;
};

static void *carve(struct carver *carver, size_t size)
{
	void *piece = carver->memory != NULL ? carver->memory + carver->used : NULL;
	carver->used += (size + 63) / 64 * 64;
	return piece;
}

/* What comes next begins on a page of its own. Returns how far it is from the start. */
static size_t carve_page(struct carver *carver)
{
	carver->used =
		(carver->used + carver->page_size - 1) / carver->page_size * carver->page_size;
	return carver->used;
}

/* What all share comes first, then the memory of each worker, in pages of its own. */
static void lay_out(struct crew *crew, struct carver *carver)
{
	struct server *server = crew->server;
	crew->wakeup_sleep = carve(carver, sizeof(*crew->wakeup_sleep));
	crew->said_ns = carve(carver, sizeof(*crew->said_ns));
	crew->listen_state = carve(carver, sizeof(*crew->listen_state));
	for (uint32_t i = 0; i < crew->n_members; i++) {
		struct member *member = &crew->members[i];
		uint32_t share = share_of(server, i);
		size_t entry_size = server->engine->entry_size;
		member->memory_from = carve_page(carver);
		member->slot = carve(carver, sizeof(*member->slot));
		member->reports = (struct reports){
			.ring = carve(carver, reports_size(reports_of(share))),
			.n_places = reports_of(share),
		};
		void *table = carve(carver, clients_size(share, entry_size));
		if (table != NULL)
			clients_place(&crew->tables[i], table, share, entry_size);
		member->memory_to = carve_page(carver);
	}
}

void crew_keep_only(const struct crew *crew, uint32_t i)
{
	char *memory = crew->memory;
	size_t shared_to = crew->members[0].memory_from;
	const struct member *member = &crew->members[i];
	if (member->memory_from > shared_to)
		process_unshare(memory + shared_to, member->memory_from - shared_to);
	if (crew->memory_size > member->memory_to)
		process_unshare(memory + member->memory_to, crew->memory_size - member->memory_to);
}

void crew_close(struct crew *crew)
{
	if (crew->memory != NULL) {
		wakeup_close(&crew->wakeup);
		process_unshare(crew->memory, crew->memory_size);
	}
	free(crew->tables);
	free(crew->members);
	*crew = (struct crew){ 0 };
}

MUST_USE static int share_memory(struct crew *crew)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	struct carver counter = { .page_size = page_size };
	lay_out(crew, &counter);
	int rc = process_share(counter.used, &crew->memory);
	if (rc < 0)
		return rc;
	crew->memory_size = counter.used;
	struct carver carver = { .memory = crew->memory, .page_size = page_size };
	lay_out(crew, &carver);
	crew->wakeup.fd = -1;
	return 0;
}

int crew_open(struct crew *crew, struct server *server)
{
	uint32_t n = server->n_workers;
	*crew = (struct crew){ .server = server, .n_members = n, .n_used = n };
	crew->members = calloc(n, sizeof(*crew->members));
	crew->tables = calloc(n, sizeof(*crew->tables));
	if (crew->members == NULL || crew->tables == NULL)
		return -ENOMEM;
	int rc = share_memory(crew);
	if (rc == 0)
		rc = wakeup_open(&crew->wakeup, crew->wakeup_sleep);
	return rc;
}

/* ---- what workers tell ---- */

/* Is it the supervisor that accepts? Then it has a table of all clients. */
static bool has_dispatch(const struct crew *crew)
{
	return crew->server->clients.most != 0;
}

/* Counts and logs an end. If we passed that client to a worker, its place is free (dispatch.h). */
static void count_end(struct crew *crew, const struct ending_facts *facts)
{
	struct clients *clients = &crew->server->clients;
	struct client *client = clients_of_ticket(clients, facts->ticket);
	server_count(crew->server, facts);
	if (client != NULL)
		clients_leave(clients, client);
}

/* No more than a full ring at once: a worker that goes on reporting must not hold us up. */
bool crew_fetch(struct crew *crew, uint32_t i)
{
	struct member *member = &crew->members[i];
	struct ending_facts facts;
	bool any = false;
	for (uint32_t n = 0; n < member->reports.n_places; n++) {
		if (!reports_next(&member->reports, &facts))
			break;
		if (facts.serial != 0)
			member->last_told = facts.serial;
		count_end(crew, &facts);
		any = true;
	}
	return any;
}

bool crew_fetch_all(struct crew *crew)
{
	bool any = false;
	log_hold();
	for (uint32_t i = 0; i < crew->n_used; i++)
		any |= crew_fetch(crew, i);
	log_release();
	return any;
}

/*
 * The next client of a worker that is there, the first after NULL. One whose end it has told is not
 * there any more, though it may still be in the table.
 */
static const struct client *next_of(const struct crew *crew, uint32_t i, const struct client *after)
{
	const struct clients *table = &crew->tables[i];
	const struct client *client = clients_next(table, after);
	if (client != NULL && atomic_load(&client->serial) == crew->members[i].last_told)
		client = clients_next(table, client);
	return client;
}

uint32_t crew_count_clients(const struct crew *crew)
{
	uint32_t count = 0;
	if (has_dispatch(crew))
		return crew->server->clients.count; /* on their way to a worker, too */
	for (uint32_t i = 0; i < crew->n_used; i++) {
		for (const struct client *client = next_of(crew, i, NULL); client != NULL;
		     client = next_of(crew, i, client))
			count++;
	}
	return count;
}

uint64_t crew_count_taken(const struct crew *crew)
{
	uint64_t count = 0;
	for (uint32_t i = 0; i < crew->n_used; i++)
		count += atomic_load(&crew->members[i].slot->accepted);
	return count;
}

static uint64_t count_accepted(const struct crew *crew)
{
	return crew->server->totals.accepted + (has_dispatch(crew) ? 0 : crew_count_taken(crew));
}

uint64_t crew_found_empty(const struct crew *crew)
{
	uint64_t found = 0;
	for (uint32_t i = 0; i < crew->n_used; i++)
		found |= atomic_load(&crew->members[i].slot->found_empty);
	return found;
}

bool crew_has_room(const struct crew *crew)
{
	for (uint32_t i = 0; i < crew->n_used; i++) {
		const struct member *member = &crew->members[i];
		if (member->pid != 0 && atomic_load(&member->slot->is_full) == 0)
			return true;
	}
	return false;
}

bool crew_has_closed(const struct crew *crew)
{
	for (uint32_t i = 0; i < crew->n_used; i++) {
		const struct member *member = &crew->members[i];
		if (member->pid != 0 && atomic_load(&member->slot->has_closed) == 0)
			return false;
	}
	return true;
}

/* What has been told, and what those who are there have moved: meanwhile nobody may come or go. */
void crew_say_totals(struct crew *crew)
{
	struct totals totals;
	uint32_t n_clients;
	for (int tries = 0; tries < TOTALS_TRIES; tries++) {
		crew_fetch_all(crew);
		totals = crew->server->totals;
		totals.accepted = count_accepted(crew);
		n_clients = crew_count_clients(crew);
		for (uint32_t i = 0; i < crew->n_used; i++) {
			for (const struct client *client = next_of(crew, i, NULL); client != NULL;
			     client = next_of(crew, i, client))
				server_add_moving(&totals, client);
		}
		if (!crew_fetch_all(crew) && count_accepted(crew) == totals.accepted)
			break;
	}
	server_say_totals(&totals, n_clients);
}

bool crew_any_serves(const struct crew *crew)
{
	for (uint32_t i = 0; i < crew->n_members; i++) {
		const struct member *member = &crew->members[i];
		if (member->pid != 0 && atomic_load(&member->slot->is_serving) != 0)
			return true;
	}
	return false;
}

/* ---- the end of one ---- */

void member_plan_next(struct member *member)
{
	uint64_t lived_ns = clock_now_ns() - member->started_ns;
	member->n_young = lived_ns < MEMBER_YOUNG_NS ? member->n_young + 1 : 0;
	uint64_t pause_ns = 0;
	if (member->n_young > 0)
		pause_ns = MEMBER_PAUSE_FIRST_NS;
	for (unsigned int i = 1; i < member->n_young && pause_ns < MEMBER_PAUSE_MOST_NS; i++)
		pause_ns *= 2;
	if (pause_ns > MEMBER_PAUSE_MOST_NS)
		pause_ns = MEMBER_PAUSE_MOST_NS;
	member->start_at_ns = clock_deadline_ns(pause_ns);
}

void member_warn_of_death(const struct member *member, const struct process_end *end,
			  uint32_t n_clients, bool is_replaced)
{
	struct units_text clients = units_count(n_clients, "client");
	const char *what_then = is_replaced ? "; another takes its place" : "";
	if (end->signal != 0)
		log_warning("worker %d was killed by %s, and with it %s%s", (int)end->pid,
			    signals_name(end->signal).text, clients.text, what_then);
	else
		log_warning("worker %d failed: %s, and with it %s%s", (int)end->pid,
			    err_text(atomic_load(&member->slot->code)).text, clients.text,
			    what_then);
}

void crew_kill_all(const struct crew *crew)
{
	/* Their pids are theirs until we reap them: no stranger can be hit. */
	for (uint32_t i = 0; i < crew->n_used; i++) {
		if (crew->members[i].pid != 0)
			kill(crew->members[i].pid, SIGKILL);
	}
}

void crew_continue_idle(struct crew *crew)
{
	uint64_t now_ns = clock_now_ns();
	bool is_due = crew->continue_at_ns != 0 && now_ns >= crew->continue_at_ns;
	if (is_due || crew->continue_at_ns == 0)
		crew->continue_at_ns = now_ns + DRAIN_LOOK_NS;
	for (uint32_t i = 0; is_due && i < crew->n_used; i++) {
		if (crew->members[i].pid != 0 && next_of(crew, i, NULL) == NULL)
			kill(crew->members[i].pid, SIGCONT);
	}
}

/* Whoever it had when it died, but for one whose end it has told and who was still in the table. */
static uint32_t count_its_clients(struct crew *crew, uint32_t i, const struct process_end *end)
{
	const struct member *member = &crew->members[i];
	uint32_t count = 0;
	for (const struct client *client = next_of(crew, i, NULL); client != NULL;
	     client = next_of(crew, i, client)) {
		count_end(crew, &(struct ending_facts){
					.peer = client->peer,
					.in = atomic_load(&client->score.in),
					.out = atomic_load(&client->score.out),
					.lasted_ns = clock_now_ns() - client->start_ns,
					.reason = end->signal != 0 ? ENDING_KILLED : ENDING_ERROR,
					.code = atomic_load(&member->slot->code),
					.signal = end->signal,
					.serial = atomic_load(&client->serial),
					.ticket = client->ticket,
				});
		count++;
	}
	return count;
}

/* The connection that it had taken from the supervisor and not entered yet, if there is one. */
static void count_its_last_message(struct crew *crew, uint32_t i, const struct process_end *end)
{
	const struct dispatch_message *message = &crew->members[i].slot->message;
	if (clients_of_ticket(&crew->server->clients, message->ticket) != NULL)
		count_end(crew, &(struct ending_facts){
					.peer = message->peer,
					.reason = ENDING_KILLED,
					.signal = end->signal,
					.ticket = message->ticket,
					.was_turned_away = true,
				});
}

uint32_t crew_bury(struct crew *crew, uint32_t i, const struct process_end *end)
{
	crew_fetch(crew, i);
	uint32_t n_clients = count_its_clients(crew, i, end);
	count_its_last_message(crew, i, end);
	clients_reset(&crew->tables[i]);
	struct worker_slot *slot = crew->members[i].slot;
	uint64_t n_accepted = atomic_exchange(&slot->accepted, 0);
	if (!has_dispatch(crew))
		crew->server->totals.accepted += n_accepted;
	slot->message.ticket = 0;
	return n_clients;
}
