/* SPDX-License-Identifier: MIT */
#include "server/server.h"

#include <inttypes.h>
#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"
#include "net/signals.h"

/* To the log, and to the service manager. */
static void say_phase(const struct server *server)
{
	uint32_t count = server->clients.count;
	switch (server->drain.phase) {
	case DRAIN_SERVING:
		break;
	case DRAIN_DRAINING:
		activation_tell(&server->manager, "STOPPING=1");
		log_notice("%s: no new clients; %" PRIu32 " may finish, for %s at most",
			   signals_name(server->drain.asked_by).text, count,
			   units_duration(server->drain_timeout_ns).text);
		break;
	case DRAIN_CALLING_OFF:
		log_notice("drain timeout: ending %" PRIu32 " clients", count);
		break;
	case DRAIN_KILLING:
		log_notice("killing %" PRIu32 " clients", count);
		break;
	}
}

bool server_hear_signals(struct server *server)
{
	bool child_ended = false;
	int signal;
	while ((signal = signals_next(server->signals_fd)) != 0) {
		switch (signal) {
		case SIGCHLD:
			child_ended = true;
			break;
		case SIGUSR1:
			server_log_totals(server);
			break;
		default: /* INT, TERM */
			if (drain_ask(&server->drain, signal, clock_now_ns(),
				      server->drain_timeout_ns))
				say_phase(server);
			break;
		}
	}
	return child_ended;
}

void server_pass_time(struct server *server)
{
	if (drain_pass_time(&server->drain, clock_now_ns()))
		say_phase(server);
}

/* Why a child ended: what it said itself, unless it could not. */
static enum ending reason_of(const struct score *score, int signal, int status)
{
	if (signal != 0)
		return ENDING_KILLED;
	enum ending said = (enum ending)atomic_load_explicit(&score->ending, memory_order_acquire);
	return said == ENDING_NONE || status != 0 ? ENDING_ERROR : said;
}

void server_client_ended(struct server *server, struct client *client, int signal, int status)
{
	const struct score *score = &client->score;
	struct ending_facts facts = {
		.peer = client->peer,
		.in = atomic_load_explicit(&score->in, memory_order_relaxed),
		.out = atomic_load_explicit(&score->out, memory_order_relaxed),
		.lasted_ns = clock_now_ns() - client->start_ns,
		.reason = reason_of(score, signal, status),
		.code = atomic_load_explicit(&score->code, memory_order_relaxed),
		.signal = signal,
	};
	server->totals.ended++;
	server->totals.killed += signal != 0;
	bool killed_by_us = signal != 0 && server->drain.phase == DRAIN_KILLING;
	server->totals.cut_off += facts.reason == ENDING_DRAIN || killed_by_us;
	server->totals.in += facts.in;
	server->totals.out += facts.out;
	if (!server->quiet)
		ending_log(&facts);
	clients_leave(&server->clients, client);
}

void server_client_turned_away(struct server *server, const char *peer, enum ending reason)
{
	server->totals.turned_away++;
	server->totals.cut_off += reason == ENDING_DRAIN;
	if (!server->quiet)
		ending_log(&(struct ending_facts){ .peer = peer, .reason = reason });
}

void server_log_totals(const struct server *server)
{
	struct totals totals = server->totals;
	for (const struct client *client = clients_next(&server->clients, NULL); client != NULL;
	     client = clients_next(&server->clients, client)) {
		totals.in += atomic_load_explicit(&client->score.in, memory_order_relaxed);
		totals.out += atomic_load_explicit(&client->score.out, memory_order_relaxed);
	}

	struct log_record record;
	log_record_begin(&record, "totals");
	log_record_count(&record, "clients", server->clients.count);
	log_record_count(&record, "accepted", totals.accepted);
	log_record_count(&record, "ended", totals.ended);
	log_record_count(&record, "killed", totals.killed);
	log_record_count(&record, "turned_away", totals.turned_away);
	log_record_count(&record, "in", totals.in);
	log_record_count(&record, "out", totals.out);
	log_record_end(&record);
}
