/* SPDX-License-Identifier: MIT */
#include "server/admission.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/u64_map.h"
#include "net/io.h"
#include "net/listen.h"
#include "net/oom.h"
#include "net/sockopt.h"
#include "net/sysinfo.h"
#include "server/blocking/session.h"
#include "server/workers/dispatch.h"

/* The wait queue uses at most 1/N of our descriptors, so that enough are left for serving. */
#define ROOM_SHARE_OF_DESCRIPTORS 4

/* With more clients than this, the kernel must not send all keepalive probes at once. */
#define CROWD 128

/*
 * Normal maximum time to resume a passed socket, unless this process waits for a CPU; and the
 * number of tries.
 */
#define RESUME_NS    (CLOCK_NS_PER_MS / 20)
#define RESUME_TRIES 10

void admission_setup(struct admission *admission, struct server *server, admission_serve_fn *serve,
		     void *engine)
{
	uint64_t n_descriptors = sysinfo_descriptors(0);
	admission->server = server;
	admission->serve = serve;
	admission->engine = engine;
	admission->last_said_ns =
		server->link != NULL ? server->link->last_said_ns : &admission->own_last_said_ns;
	admission->listen_state =
		server->link != NULL ? server->link->listen_state : &admission->own_listen_state;
	admission->message = server->link != NULL ? server->link->message : &admission->own_message;
	uint64_t places = n_descriptors / ROOM_SHARE_OF_DESCRIPTORS;
	admission->queue_limit =
		places < ADMISSION_QUEUE_MAX ? (size_t)places : ADMISSION_QUEUE_MAX;
	linger_setup(&admission->linger, n_descriptors);
}

static enum drain_phase phase_of(const struct admission *admission)
{
	return admission->server->drain.phase;
}

static bool is_table_full(const struct admission *admission)
{
	return admission->server->clients.count >= admission->server->clients.most;
}

bool admission_is_paused(const struct admission *admission)
{
	return admission->resume_ns != 0;
}

static bool may_serve(const struct admission *admission)
{
	return !is_table_full(admission) && !admission_is_paused(admission) &&
	       phase_of(admission) < DRAIN_ABORTING;
}

bool admission_is_open(const struct admission *admission)
{
	return may_serve(admission);
}

void admission_client_ended(struct admission *admission)
{
	admission->resume_ns = 0;
}

uint64_t admission_deadline_ns(const struct admission *admission)
{
	uint64_t deadline_ns = admission_is_paused(admission) ? admission->resume_ns : CLOCK_NEVER;
	deadline_ns = clock_earlier_ns(deadline_ns, linger_deadline_ns(&admission->linger));
	return clock_earlier_ns(deadline_ns, listen_drain_deadline_ns(&admission->listen_drain));
}

void admission_pause(struct admission *admission, const char *what, int code)
{
	admission->resume_ns = clock_deadline_ns(ADMISSION_PAUSE_NS);
	if (code == -EBUSY)
		return; /* workers are slow for a moment: no resource is short */
	if (log_once_a_second(admission->last_said_ns))
		log_warning("%s: %s, clients wait", what, err_text(code).text);
}

/* Ends a connection that was not served, with a lingering close. */
static void turn_away(struct admission *admission, struct waiting_client *waiting,
		      enum close_reason reason)
{
	struct client_table *clients = &admission->server->clients;
	struct client *passed_on =
		NULL; /* a client in the supervisor's table that no worker has taken */
	if (admission->server->link == NULL)
		passed_on = client_table_of_ticket(clients, waiting->ticket);
	if (passed_on != NULL)
		client_table_remove(clients, passed_on);
	linger_add(&admission->linger, waiting->fd);
	server_client_turned_away(admission->server, &waiting->peer, reason, 0, waiting->ticket);
}

/* Serves a connection if possible now. Returns whether it did. */
static bool serve_now(struct admission *admission, struct waiting_client *waiting)
{
	struct client_table *clients = &admission->server->clients;
	if (!may_serve(admission))
		return false;
	/* Add it before serving: it may have ended before this process runs again. */
	struct client *client = client_table_add(clients, &waiting->peer, waiting->ticket);
	if (client == NULL)
		return false;
	client->fd = waiting->fd;
	if (clients->count > CROWD && waiting->peer.family != AF_UNIX)
		sockopt_spread_keepalive(client->fd, clients->last_serial);
	int rc = admission->serve(admission->engine, client);
	if (rc < 0) {
		client_table_remove(clients, client);
		admission_pause(admission, "cannot start serving a client", rc);
	}
	return rc == 0;
}

/* ---- the wait queue ---- */

static void take_out(struct admission *admission, size_t i)
{
	admission->n_waiting--;
	memmove(&admission->wait_queue[i], &admission->wait_queue[i + 1],
		(admission->n_waiting - i) * sizeof(admission->wait_queue[0]));
}

/*
 * Makes room for a connection if another source has at least two connections more in the queue: the
 * latest of that source is turned away. Returns false if no source has.
 */
static bool make_room_for(struct admission *admission, const struct peer *peer)
{
	struct u64_map_entry entries[2 * ADMISSION_QUEUE_MAX]; /* a power of two */
	struct u64_map counts = { entries, ARRAY_LEN(entries) };
	uint64_t source, most = 0;
	size_t victim = 0;
	memset(entries, 0, sizeof(entries));
	for (size_t i = 0; i < admission->n_waiting; i++) {
		if (!peer_source(&admission->wait_queue[i].peer, &source))
			continue;
		uint64_t count = u64_map_get(&counts, source) + 1;
		u64_map_set(&counts, source, count);
		if (count >= most) { /* the latest connection of the source with the most */
			most = count;
			victim = i;
		}
	}
	if (!peer_source(peer, &source) || most <= u64_map_get(&counts, source) + 1)
		return false;
	struct waiting_client waiting = admission->wait_queue[victim];
	take_out(admission, victim);
	turn_away(admission, &waiting, CLOSE_SOURCE);
	return true;
}

/*
 * Queues an accepted connection: its source is at its limit, or a resource is short. In the second
 * case admission is paused, so at most one more connection comes. One entry is reserved for it.
 */
static void enqueue_waiting(struct admission *admission, struct waiting_client waiting)
{
	bool has_place =
		admission_is_paused(admission) || admission->n_waiting < admission->queue_limit;
	if (!has_place && !make_room_for(admission, &waiting.peer)) {
		turn_away(admission, &waiting, CLOSE_SOURCE);
		return;
	}
	assert(admission->n_waiting < ARRAY_LEN(admission->wait_queue));
	waiting.start_ns = clock_now_ns();
	waiting.poll_events = POLLRDHUP;
	admission->wait_queue[admission->n_waiting++] = waiting;
}

size_t admission_poll_waiting(const struct admission *admission, struct pollfd *ret_polls)
{
	for (size_t i = 0; i < admission->n_waiting; i++)
		ret_polls[i] = (struct pollfd){ .fd = admission->wait_queue[i].fd,
						.events = admission->wait_queue[i].poll_events };
	return admission->n_waiting;
}

/*
 * Returns whether the client has ended a waiting connection and nothing is left to echo. *ret_code:
 * 0 or the error. A client may also have sent bytes and then its FIN: it waits for the echo.
 */
static bool has_ended(struct waiting_client *waiting, int *ret_code)
{
	char byte;
	ssize_t n = io_pending_error(waiting->fd);
	if (n == 0)
		n = io_peek(waiting->fd, &byte, sizeof(byte));
	if (n > 0)
		waiting->poll_events = 0; /* from now on only errors matter */
	*ret_code = n < 0 ? (int)n : 0;
	return n <= 0 && n != -EAGAIN;
}

void admission_drop_ended(struct admission *admission, const struct pollfd *polls)
{
	size_t n = admission->n_waiting;
	admission->n_waiting = 0;
	for (size_t i = 0; i < n; i++) {
		struct waiting_client waiting = admission->wait_queue[i];
		int code;
		if (polls[i].revents == 0 || !has_ended(&waiting, &code)) {
			admission->wait_queue[admission->n_waiting++] = waiting;
			continue;
		}
		io_close(&waiting.fd);
		server_client_left(admission->server, &waiting.peer, waiting.start_ns, code);
	}
}

void admission_serve_waiting(struct admission *admission)
{
	size_t n = admission->n_waiting;
	/* A client being served is not in the queue: serve_now() may serve the whole connection. */
	admission->n_waiting = 0;
	for (size_t i = 0; i < n; i++) {
		struct waiting_client waiting = admission->wait_queue[i];
		if (!serve_now(admission, &waiting))
			admission->wait_queue[admission->n_waiting++] = waiting;
	}
}

/* Returns the connection that was just accepted from a listening socket. */
static struct waiting_client waiting_client_of(struct admission *admission,
					       const struct listener *listener, int fd,
					       const struct addr *peer)
{
	if (atomic_load_explicit(admission->listen_state, memory_order_relaxed) !=
	    LISTEN_DRAIN_SERVING)
		listen_release(fd, listener->addr.any.sa_family);
	server_client_accepted(admission->server);
	return (struct waiting_client){ .fd = fd, .peer = peer_of(fd, peer) };
}

/* Accepts one connection. It uses memory of our cgroup: if that is short, pause. */
static enum accept_verdict accept_one(const struct listener *listener, int *ret_fd,
				      struct addr *ret_peer, int *reterr_code)
{
	*reterr_code = -ENOMEM;
	return oom_is_near() ? ACCEPT_PAUSE
			     : accept_client(listener->fd, ret_fd, ret_peer, reterr_code);
}

/* Takes the next connection from a listening socket or from the supervisor. */
static enum accept_verdict take_next(struct admission *admission, const struct listener *listener,
				     struct waiting_client *ret_waiting, int *reterr_code)
{
	struct server *server = admission->server;
	int fd;
	if (!listener->is_dispatch) {
		struct addr peer;
		enum accept_verdict verdict = accept_one(listener, &fd, &peer, reterr_code);
		if (verdict == ACCEPT_GOT)
			*ret_waiting = waiting_client_of(admission, listener, fd, &peer);
		return verdict;
	}
	struct dispatch_message *message = admission->message;
	enum accept_verdict verdict = dispatch_take(listener->fd, message, &fd, reterr_code);
	if (verdict == ACCEPT_GOT) {
		*ret_waiting = (struct waiting_client){
			.fd = fd,
			.peer = message->peer,
			.ticket = message->ticket,
		};
		server_client_accepted(server);
	} else if (message->ticket != 0) {
		server_client_turned_away(server, &message->peer, CLOSE_ERROR, *reterr_code,
					  message->ticket);
	}
	return verdict;
}

static void arrive(struct admission *admission, struct waiting_client waiting)
{
	if (!serve_now(admission, &waiting))
		enqueue_waiting(admission, waiting);
}

enum accept_verdict admission_accept(struct admission *admission, const struct listener *listener,
				     bool *is_ready)
{
	for (int i = 0; i < ADMISSION_BUDGET && admission_is_open(admission); i++) {
		int code;
		struct waiting_client waiting;
		enum accept_verdict verdict = take_next(admission, listener, &waiting, &code);
		*is_ready &= verdict == ACCEPT_PAUSE;
		switch (verdict) {
		case ACCEPT_GOT:
			arrive(admission, waiting);
			/*
			 * Serving may take the whole connection; the socket may be closed
			 * meanwhile.
			 */
			if (listener->fd < 0)
				return ACCEPT_GOT;
			break;
		case ACCEPT_NEXT:
			break;
		case ACCEPT_PAUSE:
			if (linger_close_oldest(&admission->linger))
				break; /* that may have freed what is short */
			admission_pause(admission, "cannot accept", code);
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

/* Pause between two polls of a unix socket while the listening sockets are being stopped. */
#define STOPPING_LOOK_NS CLOCK_NS_PER_MS

/* Records that accept(2) found the queue of a listening socket empty. state: the state before. */
static void note_empty(struct admission *admission, size_t number, int state)
{
	const struct listener *listener = &admission->server->listeners.list[number];
	if (!listen_drain_gets_blind(listener))
		return;
	if (state == LISTEN_DRAIN_STOPPED)
		admission->found_empty |= UINT64_C(1) << number;
	else if (state == LISTEN_DRAIN_STOPPING) /* a shut socket is always ready */
		ignore_result(io_wait(NULL, 0, clock_deadline_ns(STOPPING_LOOK_NS)));
}

int admission_accept_ready(struct admission *admission, bool *is_ready)
{
	struct listeners *listeners = &admission->server->listeners;
	for (size_t i = 0; i < listeners->n; i++) {
		if (listeners->list[i].fd < 0 || !is_ready[i])
			continue;
		int state = atomic_load(admission->listen_state);
		enum accept_verdict verdict =
			admission_accept(admission, &listeners->list[i], &is_ready[i]);
		if (verdict == ACCEPT_NONE)
			note_empty(admission, i, state);
		else if (verdict == ACCEPT_LOST && phase_of(admission) == DRAIN_SERVING)
			return -EBADF;
		else if (verdict == ACCEPT_LOST)
			listener_close(&listeners->list[i]);
	}
	return 0;
}

bool admission_is_over(const struct admission *admission)
{
	const struct server *server = admission->server;
	return phase_of(admission) != DRAIN_SERVING && server->clients.count == 0 &&
	       admission->n_waiting == 0 && admission->linger.n == 0 &&
	       !listeners_any_open(&server->listeners);
}

/* ---- the end of the server ---- */

/* Maximum connections turned away from one queue: more than it can hold. */
#define QUEUE_MAX (2 * LISTEN_BACKLOG)

/* Turns away one connection of an accept queue. Returns ACCEPT_GOT, or why it stops. */
static enum accept_verdict turn_next_away(struct admission *admission,
					  const struct listener *listener)
{
	for (;;) {
		int code;
		struct waiting_client waiting;
		enum accept_verdict verdict = take_next(admission, listener, &waiting, &code);
		if (verdict == ACCEPT_NEXT)
			continue;
		if (verdict == ACCEPT_PAUSE && linger_close_oldest(&admission->linger))
			continue;
		if (verdict != ACCEPT_GOT)
			return verdict;
		turn_away(admission, &waiting, CLOSE_DRAIN);
		return verdict;
	}
}

/* is_last: closes lingering sockets instead of waiting for room. Returns why it stopped. */
static enum accept_verdict turn_queue_away(struct admission *admission,
					   const struct listener *listener, bool is_last)
{
	for (int i = 0; i < QUEUE_MAX && listener->fd >= 0; i++) {
		if (!is_last && !linger_has_room(&admission->linger))
			break;
		enum accept_verdict verdict = turn_next_away(admission, listener);
		if (verdict != ACCEPT_GOT)
			return verdict;
	}
	return ACCEPT_GOT;
}

void admission_turn_away(struct admission *admission, const struct listener *listener)
{
	ignore_result(turn_queue_away(admission, listener, phase_of(admission) == DRAIN_KILLING));
}

static void turn_room_away(struct admission *admission, bool is_last)
{
	while (admission->n_waiting > 0 && (is_last || linger_has_room(&admission->linger)))
		turn_away(admission, &admission->wait_queue[--admission->n_waiting], CLOSE_DRAIN);
}

static void turn_queues_away(struct admission *admission, bool is_last)
{
	const struct listeners *listeners = &admission->server->listeners;
	for (size_t i = 0; i < listeners->n; i++) {
		if (turn_queue_away(admission, &listeners->list[i], is_last) == ACCEPT_NONE)
			note_empty(admission, i, LISTEN_DRAIN_STOPPED);
	}
}

void admission_stop(struct admission *admission)
{
	listen_drain_begin(&admission->listen_drain, &admission->server->listeners,
			   admission->listen_state);
}

bool admission_drain(struct admission *admission, uint64_t found_empty, bool has_room)
{
	const struct listeners *listeners = &admission->server->listeners;
	admission_stop(admission);
	if (phase_of(admission) == DRAIN_KILLING)
		return true;
	if (phase_of(admission) == DRAIN_ABORTING)
		turn_queues_away(admission, false);
	found_empty |= admission->found_empty;
	if (!has_room)
		found_empty |= admission->listen_drain.was_empty;
	return listen_drain_is_empty(&admission->listen_drain, listeners, found_empty);
}

/*
 * Makes a passed socket accept new connections again (net/listen.h), because the process that
 * created it may keep using it. If no process does, a connection that arrives before the close is
 * reset. That window is a microsecond, unless this process waits for a CPU in between: then the
 * socket is stopped once more.
 */
static void resume(struct admission *admission, const struct listener *listener)
{
	int fd = listener->fd, family = listener->addr.any.sa_family;
	for (int i = 0; i < RESUME_TRIES; i++) {
		uint64_t start_ns = clock_now_ns();
		listen_resume(fd, family);
		if (clock_now_ns() - start_ns < RESUME_NS)
			return;
		ignore_result(listen_stop(fd, family, true));
		ignore_result(turn_queue_away(admission, listener, true));
	}
	listen_resume(fd, family);
}

void admission_close(struct admission *admission)
{
	struct listeners *listeners = &admission->server->listeners;
	admission_stop(admission); /* a worker whose supervisor is dead has not done this yet */
	turn_queues_away(admission, true);
	for (size_t i = 0; i < listeners->n; i++) {
		struct listener *listener = &listeners->list[i];
		if (listener->is_passed && listener->fd >= 0)
			resume(admission, listener);
		listener_close(listener);
	}
	admission->listen_drain.is_over = true;
}

void admission_pass_time(struct admission *admission)
{
	enum drain_phase phase = phase_of(admission);
	if (admission_is_paused(admission) && clock_now_ns() >= admission->resume_ns)
		admission->resume_ns = 0;
	linger_pass_time(&admission->linger, phase >= DRAIN_ABORTING ? SESSION_LINGER_ABORTING_NS
								     : SESSION_LINGER_IDLE_NS);
	if (phase >= DRAIN_ABORTING)
		turn_room_away(admission, phase == DRAIN_KILLING);
	if (phase == DRAIN_KILLING)
		linger_close_all(&admission->linger);
}
