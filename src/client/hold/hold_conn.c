/* SPDX-License-Identifier: MIT */
/*
 * The happy path: a connection is opened (hold_open.c) and sends a heartbeat at once, because a
 * load balancer without a server may have accepted it; then one per interval. Each heartbeat comes
 * back, complete and correct, before the next is due. A slower one delays the next, and heartbeats
 * due meanwhile are left out.
 *
 * What else can happen, with or without a heartbeat in flight: the server closes or resets; the
 * kernel gives up the connection; a byte is wrong or was never sent; a heartbeat does not come back
 * in time. Each is a disconnect, counted and reported. The connection is opened again after a
 * pause, repeatedly if necessary, on any address of the server that answers.
 */
#include "client/hold/hold_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/units.h"

/* Maximum receives of one connection before the others are handled. */
#define RECEIVES_MAX 4

uint64_t hold_conn_next_heartbeat_ns(const struct hold_set *set, uint32_t index)
{
	uint64_t interval_ns = set->config->interval_ns, now_ns = set->now_ns;
	if (interval_ns == 0 || interval_ns >= CLOCK_NEVER / 4)
		return CLOCK_NEVER;
	uint64_t first_ns = set->start_ns + interval_ns / set->n * index;
	if (now_ns < first_ns)
		return first_ns;
	return first_ns + ((now_ns - first_ns) / interval_ns + 1) * interval_ns;
}

/* Returns "" for a unix socket that is not bound. */
static struct addr_text local_address(int fd)
{
	struct addr addr;
	struct addr_text none = { .text = "" };
	if (addr_of_socket(fd, &addr) < 0 || addr.any.sa_family == AF_UNIX)
		return none;
	return addr_format(&addr);
}

/* ---- the end of a connection ---- */

struct hold_line hold_conn_disconnect_line(const struct disconnect *disconnect)
{
	struct hold_line out;
	char silent[64] = "no byte ever came back";
	if (disconnect->silent_ns != DISCONNECT_NO_BYTE)
		snprintf(silent, sizeof(silent), "last good byte %.3f s ago",
			 clock_s(disconnect->silent_ns));
	snprintf(out.text, sizeof(out.text),
		 "connection %" PRIu64 " lost (%s): %s; %.3f s old, %" PRIu64
		 " heartbeat%s, %s%s%s",
		 disconnect->connection, disconnect_name(disconnect->cause), disconnect->why,
		 clock_s(disconnect->age_ns), disconnect->n_heartbeats,
		 units_s(disconnect->n_heartbeats), silent,
		 disconnect->from[0] != '\0' ? ", from " : "", disconnect->from);
	return out;
}

void hold_conn_close(struct hold_set *set, struct hold_conn *conn)
{
	bool was_open = conn->state == HOLD_OPEN || conn->state == HOLD_WRONG;
	set->disconnects->n_throughout -= was_open && !conn->has_failed && conn->n_heartbeats > 0;
	conn->has_failed = true;
	conn->state = HOLD_CLOSED;
	io_close(&conn->fd);
	conn->n_failures++;
	hold_conn_set_timer(set, conn, set->now_ns + redial_pause_ns(conn->n_failures));
}

void hold_conn_disconnect(struct hold_set *set, struct hold_conn *conn, enum disconnect_cause cause,
			  const char *why, uint64_t at_ns)
{
	struct disconnects *disconnects = set->disconnects;
	struct disconnect disconnect = {
		.cause = cause,
		.connection = hold_conn_index(set, conn) + 1,
		.at_ns = at_ns - set->start_ns,
		.age_ns = at_ns - conn->since_ns,
		.n_heartbeats = conn->n_heartbeats,
		.silent_ns =
			conn->stream.returned > 0 ? at_ns - conn->last_good_ns : DISCONNECT_NO_BYTE,
	};
	snprintf(disconnect.why, sizeof(disconnect.why), "%s", why);
	snprintf(disconnect.from, sizeof(disconnect.from), "%s", local_address(conn->fd).text);
	disconnects_add(disconnects, &disconnect);
	disconnects->n_open--;
	set->n_verified -= conn->n_heartbeats > 0;
	disconnects->n_lost += has_heartbeat_in_flight(conn);
	conn->disconnected_ns = at_ns;
	output_line(set->output, "%s", hold_conn_disconnect_line(&disconnect).text);
	hold_conn_close(set, conn);
}

void hold_conn_count_local_failure(struct hold_set *set, int code)
{
	set->n_local_failures += err_is_local(code);
	set->local_code = err_is_local(code) ? code : set->local_code;
}

/* Reports also how much of a heartbeat in flight came back. */
static void disconnect_now(struct hold_set *set, struct hold_conn *conn,
			   enum disconnect_cause cause, const char *what)
{
	char why[sizeof(((struct disconnect *)0)->why)];
	stream_describe_end(&conn->stream, what, set->config->size, why, sizeof(why));
	hold_conn_disconnect(set, conn, cause, why, set->now_ns);
}

static void disconnect_by_code(struct hold_set *set, struct hold_conn *conn, int code)
{
	hold_conn_count_local_failure(set, code);
	disconnect_now(set, conn, disconnect_of_code(code), err_text(code).text);
}

/* ---- heartbeats ---- */

/* Sends what is left of the heartbeat. The poller reports when there is room again. */
static void hold_send_unsent(struct hold_set *set, struct hold_conn *conn)
{
	while (conn->state == HOLD_OPEN && stream_unsent(&conn->stream) > 0) {
		size_t size = stream_fill(&conn->stream, set->buffer, HOLD_BUFFER_SIZE);
		ssize_t n = stream_send(&conn->stream, conn->fd, set->buffer, size);
		if (n < 0)
			disconnect_by_code(set, conn, (int)n);
		if (n <= 0)
			return;
	}
}

static void begin_heartbeat(struct hold_set *set, struct hold_conn *conn)
{
	set->now_ns = clock_now_ns();
	conn->begun_ns = set->now_ns;
	stream_add_due(&conn->stream, set->config->size);
	set->disconnects->n_begun++;
	hold_conn_set_timer(set, conn, hold_conn_new_deadline_ns(set));
	hold_send_unsent(set, conn);
}

/* Called when its first heartbeat is back: a load balancer accepts even without a server. */
static void print_open_again(struct hold_set *set, const struct hold_conn *conn)
{
	uint64_t from_ns = conn->disconnected_ns != 0 ? conn->disconnected_ns : set->start_ns;
	struct addr_text from = local_address(conn->fd);
	struct addr_text to = { .text = "" }; /* empty: as in the first line */
	if (conn->generation > 0 && conn->generation == set->redial.generation)
		to = addr_format(&set->redial.addr);
	output_line(set->output,
		    "connection %" PRIu32 " is open%s after %.3f s, attempt %" PRIu32 "%s%s%s%s",
		    hold_conn_index(set, conn) + 1, conn->disconnected_ns != 0 ? " again" : "",
		    clock_s(set->now_ns - from_ns), conn->n_attempts,
		    from.text[0] != '\0' ? ", from " : "", from.text,
		    to.text[0] != '\0' ? " to " : "", to.text);
}

/* The first heartbeat has come back: there is an echo server behind the connection. */
static void handle_first_heartbeat_back(struct hold_set *set, struct hold_conn *conn)
{
	set->n_verified++;
	set->disconnects->n_throughout += !conn->has_failed;
	if (conn->generation == set->redial.generation)
		served_by_note(set->served_by, &set->redial.addr);
	if (conn->has_failed)
		print_open_again(set, conn);
	conn->reported_cause = 0;
	conn->n_attempts = 0;
}

static void handle_heartbeat_back(struct hold_set *set, struct hold_conn *conn)
{
	struct disconnects *disconnects = set->disconnects;
	disconnects->n_back++;
	disconnects_note_time(disconnects, set->now_ns - conn->begun_ns);
	set->has_echoed = true;
	if (conn->n_heartbeats++ == 0)
		handle_first_heartbeat_back(set, conn);
	conn->n_failures = 0;
	hold_conn_set_timer(set, conn,
			    hold_conn_next_heartbeat_ns(set, hold_conn_index(set, conn)));
}

/* ---- open ---- */

void hold_conn_opened(struct hold_set *set, struct hold_conn *conn)
{
	struct disconnects *disconnects = set->disconnects;
	conn->state = HOLD_OPEN;
	conn->since_ns = set->now_ns;
	disconnects->n_opened++;
	disconnects->n_open++;
	begin_heartbeat(set, conn);
}

/* ---- receiving ---- */

static void hold_handle_received(struct hold_set *set, struct hold_conn *conn, size_t n)
{
	bool was_in_flight = has_heartbeat_in_flight(conn);
	size_t n_right = stream_verify(&conn->stream, set->buffer, n);
	set->disconnects->bytes_verified += n_right;
	if (n_right > 0)
		conn->last_good_ns = set->now_ns;
	if (was_in_flight && !has_heartbeat_in_flight(conn))
		handle_heartbeat_back(set, conn);
	if (n_right < n)
		hold_conn_handle_mismatch(set, conn, n_right, n);
}

/*
 * Receives until the socket is empty, because the poller is edge-triggered. If there is much, the
 * poller reports the connection again.
 */
static void hold_receive(struct hold_set *set, struct hold_conn *conn, bool empties)
{
	for (int i = 0; conn->state == HOLD_OPEN; i++) {
		if (i == RECEIVES_MAX) {
			int rc = poller_change(&set->poller, conn->fd, HOLD_EDGES,
					       hold_conn_index(set, conn));
			if (rc < 0)
				disconnect_by_code(set, conn, rc);
			return;
		}
		ssize_t n = io_recv(conn->fd, set->buffer, HOLD_BUFFER_SIZE);
		if (n == -EAGAIN)
			return;
		set->now_ns = clock_now_ns();
		if (n > 0)
			hold_handle_received(set, conn, (size_t)n);
		else if (n == 0)
			disconnect_now(set, conn, DISCONNECT_ENDED,
				       "the server ended the connection");
		else
			disconnect_by_code(set, conn, (int)n);
		if (n > 0 && (size_t)n < HOLD_BUFFER_SIZE && !empties)
			return;
	}
}

void hold_conn_event(struct hold_set *set, uint64_t tag, uint32_t events)
{
	if (tag == HOLD_TAG_DIALED) {
		hold_conn_handle_redial(set);
		return;
	}
	if (tag >= HOLD_TAG_DIAGNOSED) {
		hold_conn_handle_diagnosis(set, (size_t)(tag - HOLD_TAG_DIAGNOSED));
		return;
	}
	struct hold_conn *conn = &set->list[tag];
	if (conn->state == HOLD_CONNECTING && conn->fd >= 0)
		hold_conn_handle_connect(set, conn);
	if (conn->state == HOLD_OPEN && (events & EPOLLOUT))
		hold_send_unsent(set, conn);
	if (conn->state == HOLD_OPEN)
		hold_receive(set, conn, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

/* ---- time ---- */

static void fail_late_heartbeat(struct hold_set *set, struct hold_conn *conn)
{
	char what[64];
	snprintf(what, sizeof(what), "no reply within %s",
		 units_duration(set->config->wait_ns).text);
	disconnect_now(set, conn, DISCONNECT_TIMEOUT, what);
}

void hold_conn_handle_timer(struct hold_set *set, uint32_t index)
{
	struct hold_conn *conn = &set->list[index];
	if (conn->state == HOLD_CLOSED) {
		hold_conn_enter_queue(set, conn);
	} else if (conn->state == HOLD_CONNECTING && conn->fd >= 0) {
		hold_conn_handle_slow_connect(set, conn);
	} else if (conn->state == HOLD_CONNECTING) {
		set->n_connecting--;
		conn->state = HOLD_QUEUED;
		hold_conn_open_one(set, conn);
	} else if (has_heartbeat_in_flight(conn) &&
		   set->now_ns < hold_conn_deadline_ns(set, conn)) {
		hold_conn_set_timer(set, conn, hold_conn_deadline_ns(set, conn));
	} else if (has_heartbeat_in_flight(conn)) {
		fail_late_heartbeat(set, conn);
	} else {
		begin_heartbeat(set, conn);
	}
}

/* ---- all connections ---- */

int hold_conn_open_all(struct hold_set *set)
{
	uint32_t n = (uint32_t)set->config->n_connections;
	int rc = timer_heap_open(&set->timers, n);
	if (rc < 0)
		return rc;
	set->n = n;
	set->list = calloc(n, sizeof(*set->list));
	set->queue = calloc(n, sizeof(*set->queue));
	if (set->list == NULL || set->queue == NULL) {
		free(set->list);
		free(set->queue);
		timer_heap_close(&set->timers);
		return -ENOMEM;
	}
	set->now_ns = set->start_ns;
	for (uint32_t i = 0; i < n; i++) {
		set->list[i].fd = -1;
		set->list[i].last_good_ns = set->start_ns;
		hold_conn_enter_queue(set, &set->list[i]);
	}
	return 0;
}

void hold_conn_finish(struct hold_set *set)
{
	struct disconnects *disconnects = set->disconnects;
	set->now_ns = clock_now_ns();
	for (uint32_t i = 0; i < set->n; i++) {
		struct hold_conn *conn = &set->list[i];
		if (conn->state == HOLD_OPEN)
			hold_receive(set, conn, true);
		if (conn->state != HOLD_OPEN || !has_heartbeat_in_flight(conn))
			continue;
		if (set->now_ns >= hold_conn_deadline_ns(set, conn)) {
			fail_late_heartbeat(set, conn);
			continue;
		}
		disconnects->n_unfinished++;
		disconnects_note_time(disconnects, set->now_ns - conn->begun_ns);
	}
	for (size_t i = 0; i < HOLD_DIAGNOSES_MAX; i++) {
		if (set->diagnoses[i].diagnosing != NULL)
			hold_conn_handle_diagnosis(set, i);
	}
}

void hold_conn_close_all(struct hold_set *set)
{
	struct disconnects *disconnects = set->disconnects;
	for (uint32_t i = 0; i < set->n; i++) {
		struct hold_conn *conn = &set->list[i];
		uint64_t age_ns = set->now_ns - conn->since_ns;
		if (conn->state == HOLD_OPEN && age_ns > disconnects->longest_ns)
			disconnects->longest_ns = age_ns;
		io_close(&conn->fd);
	}
	redial_cancel(&set->redial);
	timer_heap_close(&set->timers);
	free(set->list);
	free(set->queue);
}
