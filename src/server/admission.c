/* SPDX-License-Identifier: MIT */
#include "server/admission.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/io.h"
#include "net/listen.h"
#include "net/oom.h"
#include "net/sockopt.h"
#include "net/sysinfo.h"
#include "server/linger.h"
#include "server/workers/dispatch.h"

/* With more clients than this, the kernel must not send all keepalive probes at once. */
#define MANY_CLIENTS 128

/*
 * Normal maximum time to resume a passed socket, unless this process waits for a CPU; and the
 * number of tries.
 */
#define RESUME_NS    (CLOCK_NS_PER_MS / 20)
#define RESUME_TRIES 10

void admission_setup(struct admission *admission, struct server *server)
{
	uint64_t n_descriptors = sysinfo_descriptors(0);
	admission->server = server;
	admission->last_logged_ns = server->link != NULL ? server->link->last_logged_ns
							 : &admission->own_last_logged_ns;
	admission->listen_state =
		server->link != NULL ? server->link->listen_state : &admission->own_listen_state;
	admission->message = server->link != NULL ? server->link->message : &admission->own_message;
	wait_queue_setup(&admission->wait_queue, n_descriptors);
	linger_setup(&admission->linger, n_descriptors);
}

static enum drain_phase phase_of(const struct admission *admission)
{
	return admission->server->drain.phase;
}

static bool is_table_full(const struct admission *admission)
{
	return admission->server->clients.count >= admission->server->clients.limit;
}

bool admission_is_paused(const struct admission *admission)
{
	return admission->resume_ns != 0;
}

bool admission_is_open(const struct admission *admission)
{
	return !is_table_full(admission) && !admission_is_paused(admission) &&
	       phase_of(admission) < DRAIN_ABORTING;
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
	if (log_once_a_second(admission->last_logged_ns))
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
		passed_on = client_table_find_ticket(clients, waiting->ticket);
	if (passed_on != NULL)
		client_table_remove(clients, passed_on);
	linger_add(&admission->linger, waiting->fd);
	server_client_turned_away(admission->server, &waiting->peer, reason, 0, waiting->ticket);
}

/* ---- the wait queue ---- */

/* Queues a connection that was just accepted and whose source is at its limit. */
static void enqueue_waiting(struct admission *admission, struct waiting_client waiting)
{
	struct wait_queue *queue = &admission->wait_queue;
	if (queue->n >= queue->limit) {
		size_t excess = wait_queue_find_excess(queue, &waiting.peer);
		if (excess == queue->n) {
			turn_away(admission, &waiting, CLOSE_SOURCE);
			return;
		}
		struct waiting_client other = wait_queue_remove(queue, excess);
		turn_away(admission, &other, CLOSE_SOURCE);
	}
	wait_queue_insert(queue, queue->n, waiting);
}

void admission_drop_ended(struct admission *admission, const struct pollfd *polls)
{
	struct wait_queue *queue = &admission->wait_queue;
	const struct pollfd *end = polls + queue->n;
	for (size_t i = 0; polls < end; polls++) {
		int code;
		if (polls->revents == 0 || !wait_queue_has_ended(&queue->list[i], &code)) {
			i++;
			continue;
		}
		struct waiting_client waiting = wait_queue_remove(queue, i);
		io_close(&waiting.fd);
		server_client_left(admission->server, &waiting.peer, waiting.start_ns, code);
	}
}

/* ---- handing out clients ---- */

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
static enum accept_verdict take_connection(struct admission *admission,
					   const struct listener *listener,
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
	enum accept_verdict verdict = dispatch_receive(listener->fd, message, &fd, reterr_code);
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

/* Pause between two polls of a unix socket while the listening sockets are being stopped. */
#define STOPPING_POLL_NS CLOCK_NS_PER_MS

/* Records that accept(2) found the queue of a listening socket empty. state: the state before. */
static void record_empty_queue(struct admission *admission, size_t number, int state)
{
	const struct listener *listener = &admission->server->listeners.list[number];
	if (!listen_drain_needs_accept(listener))
		return;
	if (state == LISTEN_DRAIN_STOPPED)
		admission->found_empty |= UINT64_C(1) << number;
	else if (state == LISTEN_DRAIN_STOPPING) /* a shut socket is always ready */
		ignore_result(io_wait(NULL, 0, clock_deadline_ns(STOPPING_POLL_NS)));
}

/*
 * Adds a connection to the table and hands it out. place: its index in the wait queue, from which
 * it has been taken. Returns NULL if its source is at its limit.
 */
static struct client *hand_out(struct admission *admission, const struct waiting_client *waiting,
			       size_t place)
{
	struct client_table *clients = &admission->server->clients;
	/* Add it before it is served: it may have ended before this process runs again. */
	struct client *client = client_table_add(clients, &waiting->peer, waiting->ticket);
	if (client == NULL)
		return NULL;
	client->fd = waiting->fd;
	if (clients->count > MANY_CLIENTS && waiting->peer.family != AF_UNIX)
		sockopt_spread_keepalive(client->fd, clients->last_serial);
	admission->turn.client = *waiting;
	admission->turn.place = place;
	return client;
}

void admission_put_back(struct admission *admission, struct client *client, int code)
{
	client_table_remove(&admission->server->clients, client);
	admission_pause(admission, "cannot start serving a client", code);
	wait_queue_insert(&admission->wait_queue, admission->turn.place, admission->turn.client);
}

/* Returns the next client of the wait queue that can be served, or NULL. */
static struct client *next_waiting(struct admission *admission)
{
	struct wait_queue *queue = &admission->wait_queue;
	size_t *i = &admission->turn.waiting;
	for (; *i < queue->n && admission_is_open(admission); ++*i) {
		struct client *client = hand_out(admission, &queue->list[*i], *i);
		if (client == NULL)
			continue;
		wait_queue_remove(queue, *i); /* the next one has this index now */
		return client;
	}
	return NULL;
}

/*
 * Accepts from listening socket i until a connection can be served. Returns 1 and *ret_client; 0
 * if the accept queue is empty, the turn of the socket is over or admission is closed; -EBADF.
 */
MUST_USE static int accept_next(struct admission *admission, size_t i, struct client **ret_client)
{
	struct listener *listener = &admission->server->listeners.list[i];
	while (listener->fd >= 0 && admission->turn.n_tries < ADMISSION_BUDGET &&
	       admission_is_open(admission)) {
		int code, state = atomic_load(admission->listen_state);
		struct waiting_client waiting;
		enum accept_verdict verdict = take_connection(admission, listener, &waiting, &code);
		admission->turn.n_tries++;
		admission->is_ready[i] &= verdict == ACCEPT_PAUSE;
		switch (verdict) {
		case ACCEPT_GOT:
			*ret_client = hand_out(admission, &waiting, admission->wait_queue.n);
			if (*ret_client != NULL)
				return 1;
			enqueue_waiting(admission, waiting);
			break;
		case ACCEPT_NEXT:
			break;
		case ACCEPT_PAUSE:
			if (linger_close_oldest(&admission->linger))
				break; /* that may have freed what is short */
			admission_pause(admission, "cannot accept", code);
			return 0;
		case ACCEPT_NONE:
			record_empty_queue(admission, i, state);
			return 0;
		case ACCEPT_LOST:
			log_error("cannot accept on %s: %s", addr_format(&listener->addr).text,
				  err_text(code).text);
			if (phase_of(admission) == DRAIN_SERVING)
				return -EBADF;
			listener_close(listener);
			return 0;
		}
	}
	return 0;
}

int admission_next(struct admission *admission, struct client **ret_client)
{
	struct admission_turn *turn = &admission->turn;
	int rc = 0;
	*ret_client = next_waiting(admission);
	if (*ret_client != NULL)
		return 1;
	while (turn->listener < admission->server->listeners.n) {
		if (admission->is_ready[turn->listener] || turn->n_tries > 0)
			rc = accept_next(admission, turn->listener, ret_client);
		if (rc != 0)
			return rc;
		turn->listener++;
		turn->n_tries = 0;
	}
	*turn = (struct admission_turn){ 0 };
	return 0;
}

bool admission_is_over(const struct admission *admission)
{
	const struct server *server = admission->server;
	return phase_of(admission) != DRAIN_SERVING && server->clients.count == 0 &&
	       admission->wait_queue.n == 0 && admission->linger.n == 0 &&
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
		enum accept_verdict verdict = take_connection(admission, listener, &waiting, &code);
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

static void turn_waiting_away(struct admission *admission, bool is_last)
{
	struct wait_queue *queue = &admission->wait_queue;
	while (queue->n > 0 && (is_last || linger_has_room(&admission->linger)))
		turn_away(admission, &queue->list[--queue->n], CLOSE_DRAIN);
}

static void turn_queues_away(struct admission *admission, bool is_last)
{
	const struct listeners *listeners = &admission->server->listeners;
	for (size_t i = 0; i < listeners->n; i++) {
		if (turn_queue_away(admission, &listeners->list[i], is_last) == ACCEPT_NONE)
			record_empty_queue(admission, i, LISTEN_DRAIN_STOPPED);
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
static void resume_listening(struct admission *admission, const struct listener *listener)
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
			resume_listening(admission, listener);
		listener_close(listener);
	}
	admission->listen_drain.is_over = true;
}

void admission_check_time(struct admission *admission)
{
	enum drain_phase phase = phase_of(admission);
	if (admission_is_paused(admission) && clock_now_ns() >= admission->resume_ns)
		admission->resume_ns = 0;
	linger_check_time(&admission->linger,
			  phase >= DRAIN_ABORTING ? LINGER_ABORTING_NS : LINGER_IDLE_NS);
	if (phase >= DRAIN_ABORTING)
		turn_waiting_away(admission, phase == DRAIN_KILLING);
	if (phase == DRAIN_KILLING)
		linger_close_all(&admission->linger);
}
