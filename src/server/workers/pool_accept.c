/* SPDX-License-Identifier: MIT */
#include "server/workers/pool_accept.h"

#include "net/io.h"
#include "net/wakeup.h"

MUST_USE static int open_dispatch(struct pool_accept *accept)
{
	struct server *server = accept->server;
	if (server->config->max_per_source == 0)
		return 0;
	int rc = client_table_open(&server->clients, server->config->max_clients,
				   sizeof(struct client));
	if (rc < 0)
		return rc;
	client_table_hide_from_children(&server->clients); /* workers have their own tables */
	server->clients.max_per_source = server->config->max_per_source;
	return dispatch_open(&accept->dispatch, &server->clients);
}

int pool_accept_open(struct pool_accept *accept, struct server *server,
		     const struct worker_pool *pool)
{
	*accept = (struct pool_accept){
		.server = server,
		.pool = pool,
		.dispatch = { .sender_fd = -1, .receiver_fd = -1 },
	};
	admission_setup(&accept->admission, server);
	accept->admission.listen_state = pool->listen_state;
	accept->wakeup_fd = wakeup_open_edge();
	return accept->wakeup_fd < 0 ? accept->wakeup_fd : open_dispatch(accept);
}

void pool_accept_close(struct pool_accept *accept)
{
	dispatch_close(&accept->dispatch);
	io_close(&accept->wakeup_fd);
}

bool pool_accept_dispatches(const struct pool_accept *accept)
{
	return accept->dispatch.clients != NULL;
}

bool pool_accept_has_waiting(const struct pool_accept *accept)
{
	return accept->admission.wait_queue.n > 0;
}

void pool_accept_become_worker(struct pool_accept *accept)
{
	if (!pool_accept_dispatches(accept))
		return;
	dispatch_replace_listeners(&accept->dispatch, &accept->server->listeners);
	/* A worker must not access the supervisor's table. */
	client_table_close(&accept->server->clients);
}

/* ---- a turn ---- */

/* Returns whether a connection may wait for one worker while another has room. */
static bool has_watch(const struct pool_accept *accept)
{
	return accept->server->config->n_workers > 1 && !accept->queue_is_empty &&
	       accept->server->drain.phase <= DRAIN_DRAINING;
}

/* Returns the listening socket, or -1 if it must not be polled now. */
static int listener_fd(const struct pool_accept *accept, size_t i)
{
	const struct admission *admission = &accept->admission;
	bool wanted = accept->watch_polls;
	if (pool_accept_dispatches(accept))
		wanted = admission_is_open(admission) && (admission->found_empty >> i & 1) == 0;
	return wanted ? listen_drain_poll_fd(&admission->listen_drain, &accept->server->listeners,
					     i)
		      : -1;
}

size_t pool_accept_poll(struct pool_accept *accept, struct pollfd *ret_polls, uint64_t *deadline_ns)
{
	const struct dispatch *dispatch = &accept->dispatch;
	uint64_t now_ns = clock_now_ns();
	size_t n = 0;
	accept->watch_polls = has_watch(accept) && accept_watch_polls(&accept->watch, now_ns);
	if (has_watch(accept))
		*deadline_ns = clock_earlier_ns(*deadline_ns,
						accept_watch_deadline_ns(&accept->watch, now_ns));
	*deadline_ns = clock_earlier_ns(*deadline_ns, admission_deadline_ns(&accept->admission));
	/* poll(2) ignores a negative descriptor. */
	ret_polls[n++] = (struct pollfd){
		.fd = accept->watch_polls ? dispatch->receiver_fd : -1,
		.events = POLLIN,
	};
	ret_polls[n++] = (struct pollfd){
		.fd = dispatch->is_full ? dispatch->sender_fd : -1,
		.events = POLLOUT,
	};
	for (size_t i = 0; i < accept->server->listeners.n; i++)
		ret_polls[n++] = (struct pollfd){
			.fd = listener_fd(accept, i),
			.events = POLLIN,
		};
	return n + wait_queue_poll(&accept->admission.wait_queue, &ret_polls[n]);
}

/* Handles the result of polling for waiting connections (server/workers/accept_watch.h). */
static void evaluate_watch(struct pool_accept *accept, bool is_ready)
{
	static const uint64_t one = 1;
	struct accept_watch *watch = &accept->watch;
	if (!is_ready) {
		accept_watch_found_none(watch);
		return;
	}
	bool is_left = accept_watch_found(watch, pool_count_accepted(accept->pool), clock_now_ns());
	accept->may_be_stuck = watch->is_stuck;
	if (is_left)
		ignore_result(io_write(accept->wakeup_fd, &one, sizeof(one)));
}

void pool_accept_handle_polls(struct pool_accept *accept, const struct pollfd *polls)
{
	size_t n = accept->server->listeners.n;
	bool any_ready = false;
	for (size_t i = 0; i < n; i++) {
		accept->admission.is_ready[i] = polls[2 + i].revents != 0;
		any_ready |= accept->admission.is_ready[i];
	}
	if (accept->watch_polls)
		evaluate_watch(accept,
			       pool_accept_dispatches(accept) ? polls[0].revents != 0 : any_ready);
	if (polls[1].revents != 0) {
		accept->dispatch.is_full = false;
		admission_client_ended(&accept->admission);
	}
	admission_drop_ended(&accept->admission, &polls[2 + n]);
}

int pool_accept_dispatch(struct pool_accept *accept)
{
	struct admission *admission = &accept->admission;
	struct client *client;
	int rc;
	admission_check_time(admission);
	if (!pool_accept_dispatches(accept))
		return 0;
	while ((rc = admission_next(admission, &client)) > 0) {
		int code = dispatch_send(&accept->dispatch, client);
		if (code < 0)
			admission_put_back(admission, client, code);
	}
	return rc;
}

/* ---- the end of the server ---- */

/* Returns whether the channel to the workers is empty. Empties it after the drain timeout. */
static bool is_channel_empty(struct pool_accept *accept)
{
	struct pollfd channel = { .fd = accept->dispatch.receiver_fd, .events = POLLIN };
	if (accept->server->drain.phase >= DRAIN_ABORTING)
		admission_turn_away(&accept->admission, &(struct listener){
								.fd = channel.fd,
								.is_dispatch = true,
							});
	return io_wait(&channel, 1, 0) == 0;
}

/*
 * Only the supervisor has the listening sockets: it closes them as soon as their queues are empty.
 */
static void drain_dispatch(struct pool_accept *accept)
{
	struct admission *admission = &accept->admission;
	bool is_empty = admission_drain(admission, 0, admission_is_open(admission));
	if (is_empty && listeners_any_open(&accept->server->listeners))
		admission_close(admission);
	is_empty = is_channel_empty(accept) && is_empty && !pool_accept_has_waiting(accept);
	accept->queue_is_empty |= is_empty || accept->server->drain.phase == DRAIN_KILLING;
}

void pool_accept_drain(struct pool_accept *accept)
{
	struct admission *admission = &accept->admission;
	if (pool_accept_dispatches(accept)) {
		drain_dispatch(accept);
		return;
	}
	accept->queue_is_empty |= admission_drain(admission, pool_found_empty(accept->pool),
						  pool_has_room(accept->pool));
	/*
	 * Our copy of a listening socket must be the last to be closed: a passed socket must not be
	 * resumed earlier.
	 */
	bool is_killing = accept->server->drain.phase == DRAIN_KILLING;
	if (accept->queue_is_empty && (is_killing || pool_has_closed(accept->pool)))
		admission_close(admission);
}
