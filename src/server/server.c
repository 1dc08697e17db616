/* SPDX-License-Identifier: MIT */
#include "server/server.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/io.h"
#include "net/wakeup.h"
#include "server/control.h"
#include "server/faults.h"
#include "server/workers/event_ring.h"

void server_log_shortage(const struct server *server, const char *what, int code)
{
	if (server->link != NULL && log_once_a_second(server->link->last_logged_ns))
		log_warning("%s: %s, clients wait", what, err_text(code).text);
}

/* Returns why a child ended: its own close reason, unless it was killed or failed. */
static enum close_reason reason_of_child(const struct conn_stats *stats, int signal, int status)
{
	if (signal != 0)
		return CLOSE_KILLED;
	int stored = atomic_load_explicit(&stats->reason, memory_order_acquire);
	enum close_reason reason = (enum close_reason)(stored & FAULTS_REASON_MASK);
	return reason == CLOSE_NONE || status != 0 ? CLOSE_ERROR : reason;
}

/* The ring is full only while the supervisor is stopped: retry. */
static void post_to_supervisor(const struct supervisor_link *link, const struct conn_record *record)
{
	while (!event_ring_post(link->event_ring, record)) {
		wakeup_post(link->wakeup);
		struct pollfd presence = { .fd = link->presence_fd, .events = POLLIN };
		if (io_wait(&presence, 1, clock_deadline_ns(CLOCK_NS_PER_MS)) > 0)
			return; /* the supervisor is dead */
	}
	wakeup_post(link->wakeup);
}

/* Counts and logs a connection that has ended, in the supervisor if this is a worker. */
static void count_ended(struct server *server, const struct conn_record *record)
{
	if (server->link != NULL)
		post_to_supervisor(server->link, record);
	else
		control_count(server, record);
}

void server_client_accepted(struct server *server)
{
	if (server->link != NULL)
		atomic_fetch_add_explicit(server->link->accepted, 1, memory_order_relaxed);
	else
		server->control->totals.accepted++;
}

void server_client_ended(struct server *server, struct client *client, int signal, int status)
{
	const struct conn_stats *stats = &client->stats;
	const struct conn_record record = {
		.peer = client->peer,
		.in = atomic_load_explicit(&stats->in, memory_order_relaxed),
		.out = atomic_load_explicit(&stats->out, memory_order_relaxed),
		.lasted_ns = clock_now_ns() - client->start_ns,
		.reason = reason_of_child(stats, signal, status),
		.code = atomic_load_explicit(&stats->code, memory_order_relaxed),
		.signal = signal,
		.serial = atomic_load_explicit(&client->serial, memory_order_relaxed),
		.ticket = client->ticket,
		.fault_tag = client->fault_tag,
		.fired = (uint32_t)atomic_load_explicit(&stats->reason, memory_order_relaxed) >>
			 FAULTS_REASON_BITS,
	};
	count_ended(server, &record);
	client_table_remove(&server->clients, client);
}

void server_client_turned_away(struct server *server, const struct peer *peer,
			       enum close_reason reason, int code, uint64_t ticket)
{
	count_ended(server, &(struct conn_record){
				    .peer = *peer,
				    .reason = reason,
				    .code = code,
				    .ticket = ticket,
				    .was_turned_away = true,
			    });
}

void server_client_left(struct server *server, const struct peer *peer, uint64_t start_ns, int code)
{
	count_ended(server, &(struct conn_record){
				    .peer = *peer,
				    .lasted_ns = clock_now_ns() - start_ns,
				    .reason = code < 0 ? close_reason_of_code(code) : CLOSE_EOF,
				    .code = code,
			    });
}
