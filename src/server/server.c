/* SPDX-License-Identifier: MIT */
#include "server/server.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/units.h"
#include "net/io.h"
#include "net/signals.h"
#include "net/wakeup.h"
#include "server/workers/event_ring.h"

struct drain_limit_text {
	char text[64];
};

/* Returns "for 30s at most", or "without a time limit". */
static struct drain_limit_text drain_limit(const struct server *server)
{
	struct drain_limit_text out = { "without a time limit" };
	if (server->drain_timeout_ns != CLOCK_NEVER)
		snprintf(out.text, sizeof(out.text), "for %s at most",
			 units_duration(server->drain_timeout_ns).text);
	return out;
}

/* The phase without clients: connections or processes may still remain. */
static void say_phase_without_clients(const struct drain *drain)
{
	if (drain->phase == DRAIN_DRAINING)
		log_notice("%s: no new clients; no client is being served",
			   signals_name(drain->asked_by).text);
	else if (drain->phase == DRAIN_ABORTING)
		log_notice("drain timeout: no client is being served");
	else
		log_notice("killing all processes: no client is being served");
}

static void say_phase(const struct server *server, uint32_t n_clients)
{
	const struct drain *drain = &server->drain;
	struct units_text clients = units_count(n_clients, "client");
	if (drain->phase == DRAIN_DRAINING)
		log_notice("%s: no new clients; %" PRIu32 " may finish, %s",
			   signals_name(drain->asked_by).text, n_clients, drain_limit(server).text);
	else if (drain->phase == DRAIN_ABORTING)
		log_notice("drain timeout: ending %s", clients.text);
	else
		log_notice("killing %s", clients.text);
}

void server_log_phase(struct server *server, uint32_t n_clients)
{
	if (server->drain.phase == DRAIN_SERVING)
		return;
	if (server->drain.phase == DRAIN_DRAINING)
		activation_tell(&server->manager, "STOPPING=1");
	if (n_clients > 0)
		say_phase(server, n_clients);
	else
		say_phase_without_clients(&server->drain);
}

/* ---- output that was not read ---- */

/* Time between two attempts to write. */
#define RETRY_NS (500 * CLOCK_NS_PER_MS)

void server_close_ready(struct server *server)
{
	struct writer *writer = &server->ready.writer;
	if (writer->fd > STDERR_FILENO)
		io_close(&writer->fd);
	writer->fd =
		-1; /* a copier process writes the rest, if it is read before this process ends */
}

int server_write_ready(struct server *server)
{
	struct ready_lines *ready = &server->ready;
	ssize_t n = 0;
	if (ready->writer.fd < 0)
		return 0;
	while (n >= 0 && ready->from < ready->size) {
		n = writer_write(&ready->writer, ready->text + ready->from,
				 ready->size - ready->from);
		ready->from += n > 0 ? (size_t)n : 0;
	}
	if (n != -EAGAIN)
		server_close_ready(server);
	return n < 0 ? (int)n : 0;
}

static bool is_ready_unread(const struct server *server)
{
	return server->ready.writer.fd >= 0 && server->ready.size > 0;
}

uint64_t server_deadline_ns(const struct server *server)
{
	bool is_behind =
		is_ready_unread(server) || server->manager.unsent != NULL || log_is_behind();
	uint64_t retry_ns = is_behind ? clock_deadline_ns(RETRY_NS) : CLOCK_NEVER;
	return clock_earlier_ns(retry_ns, drain_deadline_ns(&server->drain));
}

static void retry_unsent(struct server *server)
{
	int rc = is_ready_unread(server) ? server_write_ready(server) : 0;
	if (rc < 0 && rc != -EAGAIN)
		log_warning("cannot write to --ready-fd: %s", err_text(rc).text);
	activation_retry(&server->manager);
	if (log_is_behind())
		log_catch_up();
}

/* ---- signals ---- */

struct server_asked server_read_signals(struct server *server)
{
	struct server_asked asked = { 0 };
	int signal;
	uint64_t now_ns = clock_now_ns();
	retry_unsent(server);
	/* At most one new phase per call, so that each phase is logged and carried out. */
	while (!asked.new_phase && (signal = signals_next(server->signals_fd)) != 0) {
		switch (signal) {
		case SIGCHLD:
			asked.child_ended = true;
			break;
		case SIGUSR1:
			asked.totals = true;
			break;
		default: /* INT, TERM */
			asked.new_phase = drain_ask(&server->drain, signal, clock_now_ns(),
						    server->drain_timeout_ns);
			break;
		}
	}
	if (!asked.new_phase)
		server->drain.heard_ns = now_ns;
	return asked;
}

bool server_pass_time(struct server *server)
{
	return drain_pass_time(&server->drain, clock_now_ns());
}

void server_log_shortage(const struct server *server, const char *what, int code)
{
	if (server->link != NULL && log_once_a_second(server->link->last_said_ns))
		log_warning("%s: %s, clients wait", what, err_text(code).text);
}

int server_wait(struct pollfd *fds, size_t n, uint64_t deadline_ns)
{
	static _Atomic uint64_t last_said_ns;
	int rc = io_wait(fds, n, deadline_ns);
	if (rc != -ENOMEM)
		return rc;
	for (size_t i = 0; i < n; i++)
		fds[i].revents = 0;
	if (log_once_a_second(&last_said_ns))
		log_warning("cannot wait for events: %s, it is tried again", err_text(rc).text);
	return 0;
}

/* Returns why a child ended: its own close reason, unless it was killed or failed. */
static enum close_reason reason_of_child(const struct conn_stats *stats, int signal, int status)
{
	if (signal != 0)
		return CLOSE_KILLED;
	enum close_reason said =
		(enum close_reason)atomic_load_explicit(&stats->reason, memory_order_acquire);
	return said == CLOSE_NONE || status != 0 ? CLOSE_ERROR : said;
}

/* Returns whether the server prevented this client from finishing, after the shutdown request. */
static bool is_cut_off(const struct server *server, enum close_reason reason)
{
	return server->drain.phase != DRAIN_SERVING &&
	       (reason == CLOSE_DRAIN || reason == CLOSE_KILLED || reason == CLOSE_ERROR);
}

void server_count(struct server *server, const struct conn_record *facts)
{
	struct totals *totals = &server->totals;
	totals->ended += !facts->was_turned_away;
	totals->turned_away += facts->was_turned_away;
	totals->killed += facts->signal != 0;
	totals->cut_off += is_cut_off(server, facts->reason);
	totals->in += facts->in;
	totals->out += facts->out;
	if (!server->quiet)
		conn_record_log(facts);
}

/* The ring is full only while the supervisor is stopped: retry. */
static void tell_supervisor(const struct supervisor_link *link, const struct conn_record *facts)
{
	while (!event_ring_post(link->event_ring, facts)) {
		wakeup_post(link->wakeup);
		struct pollfd presence = { .fd = link->presence_fd, .events = POLLIN };
		if (io_wait(&presence, 1, clock_deadline_ns(CLOCK_NS_PER_MS)) > 0)
			return; /* the supervisor is dead */
	}
	wakeup_post(link->wakeup);
}

static void tell(struct server *server, const struct conn_record *facts)
{
	if (server->link != NULL)
		tell_supervisor(server->link, facts);
	else
		server_count(server, facts);
}

void server_client_accepted(struct server *server)
{
	if (server->link != NULL)
		atomic_fetch_add_explicit(server->link->accepted, 1, memory_order_relaxed);
	else
		server->totals.accepted++;
}

void server_client_ended(struct server *server, struct client *client, int signal, int status)
{
	const struct conn_stats *stats = &client->stats;
	const struct conn_record facts = {
		.peer = client->peer,
		.in = atomic_load_explicit(&stats->in, memory_order_relaxed),
		.out = atomic_load_explicit(&stats->out, memory_order_relaxed),
		.lasted_ns = clock_now_ns() - client->start_ns,
		.reason = reason_of_child(stats, signal, status),
		.code = atomic_load_explicit(&stats->code, memory_order_relaxed),
		.signal = signal,
		.serial = atomic_load_explicit(&client->serial, memory_order_relaxed),
		.ticket = client->ticket,
	};
	tell(server, &facts);
	client_table_remove(&server->clients, client);
}

void server_client_turned_away(struct server *server, const struct peer *peer,
			       enum close_reason reason, int code, uint64_t ticket)
{
	tell(server, &(struct conn_record){
			     .peer = *peer,
			     .reason = reason,
			     .code = code,
			     .ticket = ticket,
			     .was_turned_away = true,
		     });
}

void server_client_left(struct server *server, const struct peer *peer, uint64_t start_ns, int code)
{
	tell(server, &(struct conn_record){
			     .peer = *peer,
			     .lasted_ns = clock_now_ns() - start_ns,
			     .reason = code < 0 ? close_reason_of_code(code) : CLOSE_EOF,
			     .code = code,
		     });
}

void server_add_moving(struct totals *totals, const struct client *client)
{
	totals->in += atomic_load_explicit(&client->stats.in, memory_order_relaxed);
	totals->out += atomic_load_explicit(&client->stats.out, memory_order_relaxed);
}

void server_log_totals_now(const struct totals *totals, uint64_t n_clients)
{
	struct log_record record;
	log_record_begin(&record, "totals");
	log_record_count(&record, "clients", n_clients);
	log_record_count(&record, "accepted", totals->accepted);
	log_record_count(&record, "ended", totals->ended);
	log_record_count(&record, "killed", totals->killed);
	log_record_count(&record, "turned_away", totals->turned_away);
	log_record_count(&record, "in", totals->in);
	log_record_count(&record, "out", totals->out);
	log_record_end(&record);
}

void server_log_totals(const struct server *server)
{
	struct totals totals = server->totals;
	const struct client_table *clients = &server->clients;
	for (const struct client *client = client_table_next(clients, NULL); client != NULL;
	     client = client_table_next(clients, client))
		server_add_moving(&totals, client);
	server_log_totals_now(&totals, server->clients.count);
}
