/* SPDX-License-Identifier: MIT */
#include "server/admission.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/io.h"
#include "net/listen.h"
#include "net/machine.h"
#include "net/options.h"

/* The room may hold this share of our descriptors, so that waiting never starves serving. */
#define ROOM_SHARE_OF_DESCRIPTORS 4

/* From so many on they are a crowd, of which the kernel must not ask for all at once. */
#define CROWD 128

/* Reads of what a client who is turned away has sent: more than a receive buffer has at first. */
#define TURN_AWAY_READS 64

void admission_setup(struct admission *admission, struct server *server, admission_serve_fn *serve,
		     void *engine)
{
	uint64_t places = machine_descriptors(0) / ROOM_SHARE_OF_DESCRIPTORS;
	admission->server = server;
	admission->serve = serve;
	admission->engine = engine;
	admission->last_said_ns = server->upward != NULL ? server->upward->last_said_ns
							 : &admission->own_last_said_ns;
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

static bool may_serve(const struct admission *admission)
{
	return !is_full(admission) && !is_paused(admission);
}

/* One who can serve a single client does nothing else while that one waits. */
static bool is_taken_by_one_who_waits(const struct admission *admission)
{
	return admission->server->clients.most == 1 && admission->n_waiting > 0;
}

bool admission_is_open(const struct admission *admission)
{
	return may_serve(admission) && !is_taken_by_one_who_waits(admission);
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

/* Does somebody wait whom another worker's client can make room for? */
static bool waits_for_others(const struct admission *admission)
{
	const struct source_limit *limit = admission->server->clients.limit;
	return limit != NULL && limit->n_tables > 1 && admission->n_waiting > 0;
}

uint64_t admission_deadline_ns(const struct admission *admission)
{
	uint64_t deadline_ns = is_paused(admission) ? admission->resume_ns : CLOCK_NEVER;
	if (waits_for_others(admission) && !is_full(admission))
		deadline_ns = clock_earlier_ns(deadline_ns, clock_deadline_ns(ADMISSION_LOOK_NS));
	return deadline_ns;
}

static void pause_for(struct admission *admission, const char *what, int code)
{
	admission->resume_ns = clock_deadline_ns(ADMISSION_PAUSE_NS);
	if (log_once_a_second(admission->last_said_ns))
		log_warning("%s: %s, clients wait", what, err_text(code).text);
}

/* Ends a client who was not served: with a FIN, and if he behaves without a reset. */
static void turn_away(struct admission *admission, struct arrival *arrival, enum ending reason)
{
	char forgotten[16 * 1024];
	clients_wait_no_more(&admission->server->clients, arrival->ticket);
	ignore_result(io_send_end(arrival->fd)); /* if it fails, the client is gone already */
	/* What he sent already would, unread, make a reset of the close. */
	for (int i = 0; i < TURN_AWAY_READS; i++) {
		if (io_recv(arrival->fd, forgotten, sizeof(forgotten)) <= 0)
			break;
	}
	io_close(&arrival->fd);
	server_client_turned_away(admission->server, &arrival->peer, reason);
}

/* Serves an arrival if that can be done now. Returns whether it was. */
static bool serve_now(struct admission *admission, struct arrival *arrival)
{
	struct clients *clients = &admission->server->clients;
	if (!may_serve(admission))
		return false;
	/* Before it is served: whoever serves it may have ended before we run again. */
	struct client *client = clients_enter(clients, &arrival->peer, arrival->ticket);
	if (client == NULL)
		return false;
	client->fd = arrival->fd;
	arrival->ticket = 0;
	if (clients->count > CROWD && arrival->peer.family != AF_UNIX)
		options_spread_keepalive(client->fd, clients->last_serial);
	int rc = admission->serve(admission->engine, client);
	if (rc < 0) {
		clients_leave(clients, client);
		pause_for(admission, "cannot start serving a client", rc);
	}
	return rc == 0;
}

/*
 * Lets an arrival wait, for his source or, as the machine has no process for him, for that: then
 * admission has paused, so that is one client at most, for whom there is one place more.
 */
static void let_wait(struct admission *admission, struct arrival *arrival)
{
	if (!is_paused(admission) && arrival->ticket == 0) {
		if (admission->n_waiting < admission->n_places)
			arrival->ticket = clients_wait(&admission->server->clients, &arrival->peer);
		if (arrival->ticket == 0) {
			turn_away(admission, arrival, ENDING_SOURCE);
			return;
		}
		/* Room that was made just before it waited was told to nobody. */
		if (serve_now(admission, arrival))
			return;
	}
	assert(admission->n_waiting < ARRAY_LEN(admission->room));
	admission->room[admission->n_waiting++] = *arrival;
}

void admission_serve_waiting(struct admission *admission)
{
	size_t n = admission->n_waiting;
	/* Who is served is not in the room any more: serving may be the whole conversation. */
	admission->n_waiting = 0;
	for (size_t i = 0; i < n; i++) {
		struct arrival arrival = admission->room[i];
		if (!serve_now(admission, &arrival))
			admission->room[admission->n_waiting++] = arrival;
	}
}

static void arrive(struct admission *admission, int fd, const struct addr *peer)
{
	struct arrival arrival = { .fd = fd, .peer = peer_of(fd, peer) };
	server_client_accepted(admission->server);
	if (!serve_now(admission, &arrival))
		let_wait(admission, &arrival);
}

enum accept_verdict admission_accept(struct admission *admission, const struct listener *listener,
				     bool *is_ready)
{
	for (int i = 0; i < ADMISSION_BUDGET && admission_is_open(admission); i++) {
		int fd, code;
		struct addr peer;
		enum accept_verdict verdict = accept_client(listener->fd, &fd, &peer, &code);
		*is_ready &= verdict == ACCEPT_PAUSE;
		switch (verdict) {
		case ACCEPT_GOT:
			arrive(admission, fd, &peer);
			/* Serving may be the whole conversation, in which we heard of the end. */
			if (listener->fd < 0)
				return ACCEPT_NONE;
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

static bool is_draining(const struct admission *admission)
{
	return admission->server->drain.phase != DRAIN_SERVING;
}

int admission_accept_ready(struct admission *admission, bool *is_ready)
{
	struct listeners *listeners = &admission->server->listeners;
	bool draining = is_draining(admission);
	for (size_t i = 0; i < listeners->n; i++) {
		struct listener *listener = &listeners->list[i];
		if (listener->fd < 0 || (!draining && !is_ready[i]))
			continue;
		enum accept_verdict verdict = admission_accept(admission, listener, &is_ready[i]);
		if (draining && (verdict == ACCEPT_NONE || verdict == ACCEPT_LOST))
			listener_close(listener);
		else if (verdict == ACCEPT_LOST)
			return -EBADF;
	}
	return 0;
}

bool admission_has_queue_to_empty(const struct admission *admission)
{
	return is_draining(admission) && admission_is_open(admission) &&
	       listeners_any_open(&admission->server->listeners);
}

bool admission_is_over(const struct admission *admission)
{
	const struct server *server = admission->server;
	return is_draining(admission) && server->clients.count == 0 && admission->n_waiting == 0 &&
	       !listeners_any_open(&server->listeners);
}

/* Turns away who is still in the queue of a listening socket. */
static void empty_queue(struct admission *admission, const struct listener *listener)
{
	for (int i = 0; i < LISTEN_BACKLOG && listener->fd >= 0; i++) {
		int fd, code;
		struct addr peer;
		enum accept_verdict verdict = accept_client(listener->fd, &fd, &peer, &code);
		if (verdict == ACCEPT_NEXT)
			continue;
		if (verdict != ACCEPT_GOT)
			return;
		struct arrival arrival = { .fd = fd, .peer = peer_of(fd, &peer) };
		server_client_accepted(admission->server);
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
