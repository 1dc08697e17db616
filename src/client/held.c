/* SPDX-License-Identifier: MIT */
/*
 * The happy path: a connection is opened (held_open.c) and beats at once, because what accepts it
 * may be a balancer without a server behind it; then on its beat. Each heartbeat is back, whole and
 * right, before the next is due; one that takes longer delays that, and what was due meanwhile is
 * left out.
 *
 * What else can happen, while a heartbeat is under way or not: the server ends or resets, the
 * kernel gives the connection up, a byte is wrong or was never sent, a heartbeat is not back in
 * time. Each is a death, counted and reported; the connection is opened again after a pause, as
 * often as it takes, on whichever address of the server answers.
 */
#include "client/held_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/units.h"
#include "client/obituary.h"

/* Receives of one before it is the others' turn. */
#define RECEIVES_MOST 4

uint64_t held_next_beat_ns(const struct holding *holding, uint32_t who)
{
	uint64_t interval_ns = holding->config->interval_ns, now_ns = holding->now_ns;
	if (interval_ns == 0 || interval_ns >= CLOCK_NEVER / 4)
		return CLOCK_NEVER;
	uint64_t first_ns = holding->start_ns + interval_ns / holding->n * who;
	if (now_ns < first_ns)
		return first_ns;
	return first_ns + ((now_ns - first_ns) / interval_ns + 1) * interval_ns;
}

/* Empty for a unix socket that has not been bound. */
static struct addr_text local_address(int fd)
{
	struct addr addr;
	struct addr_text none = { .text = "" };
	if (addr_of_socket(fd, &addr) < 0 || addr.any.sa_family == AF_UNIX)
		return none;
	return addr_format(&addr);
}

/* ---- the end of a connection ---- */

void held_close(struct holding *holding, struct held *held)
{
	bool was_open = held->state == HELD_OPEN || held->state == HELD_WRONG;
	holding->disconnects->n_throughout -= was_open && !held->has_failed && held->n_beats > 0;
	held->has_failed = true;
	held->state = HELD_CLOSED;
	io_close(&held->fd);
	held->n_failures++;
	held_wake_at(holding, held, holding->now_ns + redial_pause_ns(held->n_failures));
}

void held_die(struct holding *holding, struct held *held, enum disconnect_cause cause,
	      const char *why, uint64_t at_ns)
{
	struct disconnects *disconnects = holding->disconnects;
	struct disconnect disconnect = {
		.cause = cause,
		.connection = held_index(holding, held) + 1,
		.at_ns = at_ns - holding->start_ns,
		.age_ns = at_ns - held->since_ns,
		.n_beats = held->n_beats,
		.silent_ns = held->returned > 0 ? at_ns - held->good_ns : DISCONNECT_NO_BYTE,
	};
	snprintf(disconnect.why, sizeof(disconnect.why), "%s", why);
	snprintf(disconnect.from, sizeof(disconnect.from), "%s", local_address(held->fd).text);
	disconnects_add(disconnects, &disconnect);
	disconnects->n_open--;
	holding->n_proven -= held->n_beats > 0;
	disconnects->n_lost += is_beating(held);
	held->died_ns = at_ns;
	teller_say(holding->teller, "%s", obituary_of(&disconnect).text);
	held_close(holding, held);
}

void held_note_local(struct holding *holding, int code)
{
	holding->n_local += err_is_local(code);
	holding->local_code = err_is_local(code) ? code : holding->local_code;
}

/* While a heartbeat is under way, how much of it came back is reported too. */
static void die_of_loss(struct holding *holding, struct held *held, enum disconnect_cause cause,
			const char *what)
{
	uint64_t size = holding->config->size;
	char why[sizeof(((struct disconnect *)0)->why)];
	if (is_beating(held))
		snprintf(why, sizeof(why), "%s: %" PRIu64 " of %" PRIu64 " byte%s came back", what,
			 size - (held->due - held->returned), size, units_s(size));
	else
		snprintf(why, sizeof(why), "%s", what);
	held_die(holding, held, cause, why, holding->now_ns);
}

static void die_of_code(struct holding *holding, struct held *held, int code)
{
	held_note_local(holding, code);
	die_of_loss(holding, held, disconnect_of_code(code), err_text(code).text);
}

/* ---- heartbeats ---- */

/* What cannot be sent now goes when there is room. */
static void send_unsent(struct holding *holding, struct held *held)
{
	while (held->state == HELD_OPEN && held->sent < held->due) {
		uint64_t left = held->due - held->sent;
		size_t size = left < HELD_PIECE ? (size_t)left : HELD_PIECE;
		payload_fill(&held->payload, held->sent, holding->piece, size);
		ssize_t n = io_send(held->fd, holding->piece, size);
		if (n == -EAGAIN || n == -EPIPE) /* that it is gone, and how, the receive says */
			return;
		if (n < 0)
			die_of_code(holding, held, (int)n);
		else
			held->sent += (uint64_t)n;
	}
}

static void begin_beat(struct holding *holding, struct held *held)
{
	holding->now_ns = clock_now_ns();
	held->begun_ns = holding->now_ns;
	held->due += holding->config->size;
	holding->disconnects->n_begun++;
	held_wake_at(holding, held, held_timeout_ns(holding));
	send_unsent(holding, held);
}

/* Only once its first heartbeat is back: a balancer accepts without a server behind it. */
static void say_open_again(struct holding *holding, const struct held *held)
{
	uint64_t from_ns = held->died_ns != 0 ? held->died_ns : holding->start_ns;
	struct addr_text from = local_address(held->fd);
	struct addr_text to = { .text = "" }; /* empty: as in the first line */
	if (held->generation > 0 && held->generation == holding->redial.generation)
		to = addr_format(&holding->redial.addr);
	teller_say(holding->teller,
		   "connection %" PRIu32 " is open%s after %.3f s, attempt %" PRIu32 "%s%s%s%s",
		   held_index(holding, held) + 1, held->died_ns != 0 ? " again" : "",
		   clock_s(holding->now_ns - from_ns), held->n_attempts,
		   from.text[0] != '\0' ? ", from " : "", from.text,
		   to.text[0] != '\0' ? " to " : "", to.text);
}

/* The connection has proved that there is an echo behind it. */
static void first_beat_is_back(struct holding *holding, struct held *held)
{
	holding->n_proven++;
	holding->disconnects->n_throughout += !held->has_failed;
	if (held->generation == holding->redial.generation)
		served_by_note(holding->served_by, &holding->redial.addr);
	if (held->has_failed)
		say_open_again(holding, held);
	held->told = 0;
	held->n_attempts = 0;
}

static void beat_is_back(struct holding *holding, struct held *held)
{
	struct disconnects *disconnects = holding->disconnects;
	disconnects->n_back++;
	disconnects_note_time(disconnects, holding->now_ns - held->begun_ns);
	holding->has_echoed = true;
	if (held->n_beats++ == 0)
		first_beat_is_back(holding, held);
	held->n_failures = 0;
	held_wake_at(holding, held, held_next_beat_ns(holding, held_index(holding, held)));
}

/* ---- open ---- */

void held_opened(struct holding *holding, struct held *held)
{
	struct disconnects *disconnects = holding->disconnects;
	held->state = HELD_OPEN;
	held->since_ns = holding->now_ns;
	disconnects->n_opened++;
	disconnects->n_open++;
	begin_beat(holding, held);
}

/* ---- receiving ---- */

static void verify(struct holding *holding, struct held *held, size_t n)
{
	uint64_t in_flight = held->sent - held->returned;
	bool was_beating = is_beating(held);
	size_t most = n < in_flight ? n : (size_t)in_flight;
	size_t n_right = payload_match(&held->payload, held->returned, holding->piece, most);
	held->returned += n_right;
	holding->disconnects->bytes_verified += n_right;
	if (n_right > 0)
		held->good_ns = holding->now_ns;
	if (was_beating && !is_beating(held))
		beat_is_back(holding, held);
	if (n_right < n)
		held_judge_wrong(holding, held, n_right, n);
}

/* Edge-triggered: until there is no more, or, if there is a lot, as an event again. */
static void receive(struct holding *holding, struct held *held, bool empties)
{
	for (int i = 0; held->state == HELD_OPEN; i++) {
		if (i == RECEIVES_MOST) {
			int rc = poller_change(&holding->poller, held->fd, HELD_EDGES,
					       held_index(holding, held));
			if (rc < 0)
				die_of_code(holding, held, rc);
			return;
		}
		ssize_t n = io_recv(held->fd, holding->piece, HELD_PIECE);
		if (n == -EAGAIN)
			return;
		holding->now_ns = clock_now_ns();
		if (n > 0)
			verify(holding, held, (size_t)n);
		else if (n == 0)
			die_of_loss(holding, held, DISCONNECT_ENDED,
				    "the server ended the connection");
		else
			die_of_code(holding, held, (int)n);
		if (n > 0 && (size_t)n < HELD_PIECE && !empties)
			return;
	}
}

void held_event(struct holding *holding, uint64_t tag, uint32_t events)
{
	if (tag == HELD_TAG_DIALED) {
		held_server_dialed(holding);
		return;
	}
	if (tag >= HELD_TAG_DIAGNOSED) {
		held_diagnosed(holding, (size_t)(tag - HELD_TAG_DIAGNOSED));
		return;
	}
	struct held *held = &holding->list[tag];
	if (held->state == HELD_CONNECTING && held->fd >= 0)
		held_connected(holding, held);
	if (held->state == HELD_OPEN && (events & EPOLLOUT))
		send_unsent(holding, held);
	if (held->state == HELD_OPEN)
		receive(holding, held, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

/* ---- time ---- */

static void heartbeat_is_late(struct holding *holding, struct held *held)
{
	char what[64];
	snprintf(what, sizeof(what), "no reply within %s",
		 units_duration(holding->config->wait_ns).text);
	die_of_loss(holding, held, DISCONNECT_TIMEOUT, what);
}

void held_wake(struct holding *holding, uint32_t who)
{
	struct held *held = &holding->list[who];
	if (held->state == HELD_CLOSED) {
		held_enter_queue(holding, held);
	} else if (held->state == HELD_CONNECTING && held->fd >= 0) {
		held_is_late(holding, held);
	} else if (held->state == HELD_CONNECTING) {
		holding->n_connecting--;
		held->state = HELD_QUEUED;
		held_open_one(holding, held);
	} else if (is_beating(held) && holding->now_ns < held_late_ns(holding, held)) {
		held_wake_at(holding, held, held_late_ns(holding, held));
	} else if (is_beating(held)) {
		heartbeat_is_late(holding, held);
	} else {
		begin_beat(holding, held);
	}
}

/* ---- all of them ---- */

int held_open_all(struct holding *holding)
{
	uint32_t n = (uint32_t)holding->config->n_connections;
	int rc = wakes_open(&holding->wakes, n);
	if (rc < 0)
		return rc;
	holding->n = n;
	holding->list = calloc(n, sizeof(*holding->list));
	holding->queue = calloc(n, sizeof(*holding->queue));
	if (holding->list == NULL || holding->queue == NULL) {
		free(holding->list);
		free(holding->queue);
		wakes_close(&holding->wakes);
		return -ENOMEM;
	}
	holding->now_ns = holding->start_ns;
	for (uint32_t i = 0; i < n; i++) {
		holding->list[i].fd = -1;
		holding->list[i].good_ns = holding->start_ns;
		held_enter_queue(holding, &holding->list[i]);
	}
	return 0;
}

void held_finish(struct holding *holding)
{
	struct disconnects *disconnects = holding->disconnects;
	holding->now_ns = clock_now_ns();
	for (uint32_t i = 0; i < holding->n; i++) {
		struct held *held = &holding->list[i];
		if (held->state == HELD_OPEN)
			receive(holding, held, true);
		if (held->state != HELD_OPEN || !is_beating(held))
			continue;
		if (holding->now_ns >= held_late_ns(holding, held)) {
			heartbeat_is_late(holding, held);
			continue;
		}
		disconnects->n_unfinished++;
		disconnects_note_time(disconnects, holding->now_ns - held->begun_ns);
	}
	for (size_t i = 0; i < HELD_DIAGNOSES_MAX; i++) {
		if (holding->diagnoses[i].diagnosing != NULL)
			held_diagnosed(holding, i);
	}
}

void held_close_all(struct holding *holding)
{
	struct disconnects *disconnects = holding->disconnects;
	for (uint32_t i = 0; i < holding->n; i++) {
		struct held *held = &holding->list[i];
		uint64_t age_ns = holding->now_ns - held->since_ns;
		if (held->state == HELD_OPEN && age_ns > disconnects->longest_ns)
			disconnects->longest_ns = age_ns;
		io_close(&held->fd);
	}
	redial_cancel(&holding->redial);
	wakes_close(&holding->wakes);
	free(holding->list);
	free(holding->queue);
}
