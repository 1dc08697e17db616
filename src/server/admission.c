/* SPDX-License-Identifier: MIT */
#include "server/admission.h"

#include <assert.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/io.h"
#include "net/listen.h"
#include "net/machine.h"

/* The room may hold this share of our descriptors, so that waiting never starves serving. */
#define ROOM_SHARE_OF_DESCRIPTORS 4

/* Reads of what a client who is turned away has sent: more than a receive buffer has at first. */
#define TURN_AWAY_READS 64

void admission_setup(struct admission *admission, struct server *server, admission_serve_fn *serve,
		     void *engine)
{
	uint64_t places = machine_descriptors(0) / ROOM_SHARE_OF_DESCRIPTORS;
	admission->server = server;
	admission->serve = serve;
	admission->engine = engine;
	admission->n_places = places < ADMISSION_ROOM ? (size_t)places : ADMISSION_ROOM;
}

static bool is_full(const struct admission *admission)
{
	return admission->server->clients.count >= admission->server->clients.most;
}

static bool is_paused(const struct admission *admission)
{
	return admission->resume_ns != 0;
}

bool admission_is_open(const struct admission *admission)
{
	return !is_full(admission) && !is_paused(admission);
}

void admission_pass_time(struct admission *admission)
{
	if (is_paused(admission) && clock_now_ns() >= admission->resume_ns)
		admission->resume_ns = 0;
}

void admission_client_ended(struct admission *admission)
{
	admission->resume_ns = 0;
}

uint64_t admission_deadline_ns(const struct admission *admission)
{
	return is_paused(admission) ? admission->resume_ns : CLOCK_NEVER;
}

static void pause_for(struct admission *admission, const char *what, int code)
{
	admission->resume_ns = clock_deadline_ns(ADMISSION_PAUSE_NS);
	if (log_once_a_second(&admission->last_said_ns))
		log_warning("%s: %s, clients wait", what, err_text(code).text);
}

static bool is_over_source_limit(const struct admission *admission, const struct addr *peer)
{
	uint64_t most = admission->server->max_per_source;
	uint64_t source;
	return most != 0 && addr_source(peer, &source) &&
	       clients_of_source(&admission->server->clients, source) >= most;
}

/* Ends a client who was not served: with a FIN, and if he behaves without a reset. */
static void turn_away(struct admission *admission, struct arrival *arrival, enum ending reason)
{
	char forgotten[16 * 1024];
	ignore_result(io_send_end(arrival->fd)); /* if it fails, the client is gone already */
	/* What he sent already would, unread, make a reset of the close. */
	for (int i = 0; i < TURN_AWAY_READS; i++) {
		if (io_recv(arrival->fd, forgotten, sizeof(forgotten)) <= 0)
			break;
	}
	io_close(&arrival->fd);
	server_client_turned_away(admission->server, arrival->name.text, reason);
}

/* Serves an arrival if that can be done now. Returns whether it was. */
static bool serve_now(struct admission *admission, const struct arrival *arrival)
{
	if (!admission_is_open(admission) || is_over_source_limit(admission, &arrival->peer))
		return false;
	int rc = admission->serve(admission->engine, arrival);
	if (rc < 0)
		pause_for(admission, "cannot start serving a client", rc);
	return rc == 0;
}

/*
 * Lets an arrival wait. There is one place more for a client whom the machine has no process for:
 * never more than one, because admission pauses with the first.
 */
static void let_wait(struct admission *admission, struct arrival *arrival)
{
	if (!is_paused(admission) && admission->n_waiting >= admission->n_places) {
		turn_away(admission, arrival, ENDING_SOURCE);
		return;
	}
	assert(admission->n_waiting < ARRAY_LEN(admission->room));
	admission->room[admission->n_waiting++] = *arrival;
}

void admission_serve_waiting(struct admission *admission)
{
	size_t still_waiting = 0;
	for (size_t i = 0; i < admission->n_waiting; i++) {
		struct arrival *arrival = &admission->room[i];
		if (!serve_now(admission, arrival))
			admission->room[still_waiting++] = *arrival;
	}
	admission->n_waiting = still_waiting;
}

static void arrive(struct admission *admission, int fd, const struct addr *peer)
{
	struct arrival arrival = { .fd = fd, .peer = *peer, .name = accept_peer_name(fd, peer) };
	admission->server->totals.accepted++;
	if (!serve_now(admission, &arrival))
		let_wait(admission, &arrival);
}

enum accept_verdict admission_accept(struct admission *admission, const struct listener *listener)
{
	for (int i = 0; i < ADMISSION_BUDGET && admission_is_open(admission); i++) {
		int fd, code;
		struct addr peer;
		enum accept_verdict verdict = accept_client(listener->fd, &fd, &peer, &code);
		switch (verdict) {
		case ACCEPT_GOT:
			arrive(admission, fd, &peer);
			break;
		case ACCEPT_NEXT:
			break;
		case ACCEPT_PAUSE:
			pause_for(admission, "cannot accept", code);
			return verdict;
		case ACCEPT_NONE:
			return verdict;
		case ACCEPT_LOST:
			log_error("cannot accept on %s: %s", addr_format(&listener->addr).text,
				  err_text(code).text);
			return verdict;
		}
	}
	return ACCEPT_GOT;
}

/* Turns away who is still in the queue of a listening socket. */
static void empty_queue(struct admission *admission, const struct listener *listener)
{
	for (int i = 0; i < LISTEN_BACKLOG && listener->fd >= 0; i++) {
		struct arrival arrival;
		int code;
		enum accept_verdict verdict =
			accept_client(listener->fd, &arrival.fd, &arrival.peer, &code);
		if (verdict == ACCEPT_NEXT)
			continue;
		if (verdict != ACCEPT_GOT)
			return;
		arrival.name = accept_peer_name(arrival.fd, &arrival.peer);
		admission->server->totals.accepted++;
		turn_away(admission, &arrival, ENDING_DRAIN);
	}
}

void admission_close(struct admission *admission)
{
	const struct listeners *listeners = &admission->server->listeners;
	/* With no time to drain, or two signals at once, that has not been done yet. */
	listeners_shut_queues(listeners);
	for (size_t i = 0; i < listeners->n; i++)
		empty_queue(admission, &listeners->list[i]);
	for (size_t i = 0; i < admission->n_waiting; i++)
		turn_away(admission, &admission->room[i], ENDING_DRAIN);
	admission->n_waiting = 0;
}
