/* SPDX-License-Identifier: MIT */
/*
 * The happy path: a connection is opened and beats at once, for who accepts may still be a balancer
 * with nobody behind it; then on its beat. Each heartbeat is back, whole and right, before the next
 * is due; one that takes longer delays that, and what was due meanwhile is left out.
 *
 * What else can happen, while a heartbeat is under way or not: the server ends or resets, the
 * kernel gives the connection up, a byte is wrong or was never sent, a heartbeat is not back in
 * time. Each is a death, counted and told; the connection is opened again after a pause, as often
 * as it takes.
 */
#include "client/held.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/units.h"
#include "client/obituary.h"
#include "client/wrong.h"
#include "net/connect.h"

/* So many connect at a time, or short queues overflow and SYNs are lost. */
#define CONNECTING_MOST 128

/* Receives of one before it is the others' turn. */
#define RECEIVES_MOST 4

#define PAUSE_FIRST_NS (100 * CLOCK_NS_PER_MS)
#define PAUSE_MOST_NS  (5 * CLOCK_NS_PER_S)

/* A diagnosis may take a moment of waiting: one a second, or the heartbeats of others suffer. */
#define ASK_PAUSE_NS CLOCK_NS_PER_S

#define EDGES (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static uint32_t who_is(const struct holding *holding, const struct held *held)
{
	return (uint32_t)(held - holding->list);
}

static void wake_at(struct holding *holding, const struct held *held, uint64_t at_ns)
{
	wakes_set(&holding->wakes, who_is(holding, held), at_ns);
}

static uint64_t patience_end_ns(const struct holding *holding)
{
	uint64_t wait_ns = holding->config->wait_ns;
	bool is_endless = wait_ns == 0 || wait_ns >= CLOCK_NEVER - holding->now_ns;
	return is_endless ? CLOCK_NEVER : holding->now_ns + wait_ns;
}

static bool is_beating(const struct held *held)
{
	return held->returned < held->due;
}

uint64_t held_pause_ns(uint32_t n_failures)
{
	uint32_t doublings = n_failures > 0 ? n_failures - 1 : 0;
	if (doublings > 6)
		doublings = 6;
	uint64_t pause_ns = PAUSE_FIRST_NS << doublings;
	return clock_earlier_ns(pause_ns, PAUSE_MOST_NS);
}

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

static void close_for_a_while(struct holding *holding, struct held *held)
{
	holding->deaths->n_throughout -= !held->has_failed && held->state == HELD_OPEN;
	held->has_failed = true;
	held->state = HELD_CLOSED;
	io_close(&held->fd);
	held->n_failures++;
	wake_at(holding, held, holding->now_ns + held_pause_ns(held->n_failures));
}

PRINTF_LIKE(4, 5)
static void die(struct holding *holding, struct held *held, enum death_cause cause,
		const char *format, ...)
{
	struct deaths *deaths = holding->deaths;
	struct death death = {
		.cause = cause,
		.connection = who_is(holding, held) + 1,
		.at_ns = holding->now_ns - holding->start_ns,
		.age_ns = holding->now_ns - held->since_ns,
		.n_beats = held->n_beats,
		.silent_ns = held->returned > 0 ? holding->now_ns - held->good_ns : DEATH_NO_BYTE,
	};
	va_list values;
	va_start(values, format);
	vsnprintf(death.why, sizeof(death.why), format, values);
	va_end(values);
	snprintf(death.from, sizeof(death.from), "%s", local_address(held->fd).text);
	deaths_add(deaths, &death);
	deaths->n_open--;
	holding->n_proven -= held->n_beats > 0;
	deaths->n_lost += is_beating(held);
	held->died_ns = holding->now_ns;
	teller_say(holding->teller, "%s", obituary_of(&death).text);
	close_for_a_while(holding, held);
}

static void note_local(struct holding *holding, int code)
{
	holding->n_local += err_is_local(code);
	holding->local_code = err_is_local(code) ? code : holding->local_code;
}

/* While a heartbeat is under way, how much of it came back is said too. */
static void die_of_loss(struct holding *holding, struct held *held, enum death_cause cause,
			const char *what)
{
	uint64_t size = holding->config->size;
	if (is_beating(held))
		die(holding, held, cause, "%s: %" PRIu64 " of %" PRIu64 " bytes came back", what,
		    size - (held->due - held->returned), size);
	else
		die(holding, held, cause, "%s", what);
}

static void die_of_code(struct holding *holding, struct held *held, int code)
{
	note_local(holding, code);
	die_of_loss(holding, held, death_of_code(code), err_text(code).text);
}

/* It could not be opened. Of a series of failures with one cause, the first is told. */
static void fail_to_open(struct holding *holding, struct held *held, int code)
{
	enum death_cause cause = death_of_code(code);
	holding->deaths->n_not_opened[cause]++;
	note_local(holding, code);
	holding->n_connecting -= held->state == HELD_CONNECTING;
	if (held->told != (uint8_t)cause + 1)
		teller_say(holding->teller, "connection %" PRIu32 " cannot be opened%s (%s): %s",
			   who_is(holding, held) + 1, held->died_ns != 0 ? " again" : "",
			   death_name(cause), err_text(code).text);
	held->told = (uint8_t)(cause + 1);
	close_for_a_while(holding, held);
}

/* ---- heartbeats ---- */

/* What cannot be sent now goes when there is room. */
static void send_unsent(struct holding *holding, struct held *held)
{
	while (held->state == HELD_OPEN && held->sent < held->due) {
		uint64_t left = held->due - held->sent;
		size_t size = left < HELD_PIECE ? (size_t)left : HELD_PIECE;
		pattern_fill(&held->pattern, held->sent, holding->piece, size);
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
	holding->deaths->n_begun++;
	wake_at(holding, held, patience_end_ns(holding));
	send_unsent(holding, held);
}

/* Only once its first heartbeat is back: a balancer accepts without a server behind it. */
static void say_open_again(struct holding *holding, const struct held *held)
{
	uint64_t from_ns = held->died_ns != 0 ? held->died_ns : holding->start_ns;
	struct addr_text from = local_address(held->fd);
	teller_say(holding->teller,
		   "connection %" PRIu32 " is open%s after %.3f s, attempt %" PRIu32 "%s%s",
		   who_is(holding, held) + 1, held->died_ns != 0 ? " again" : "",
		   clock_s(holding->now_ns - from_ns), held->n_attempts,
		   from.text[0] != '\0' ? ", from " : "", from.text);
}

/* The connection has proved that there is an echo behind it. */
static void first_beat_is_back(struct holding *holding, struct held *held)
{
	holding->n_proven++;
	if (held->has_failed)
		say_open_again(holding, held);
	held->told = 0;
	held->n_attempts = 0;
}

static void beat_is_back(struct holding *holding, struct held *held)
{
	struct deaths *deaths = holding->deaths;
	deaths->n_back++;
	if (held->begun_ns >= holding->asked_ns) /* or a part of it was ours, who did not listen */
		histogram_record(&deaths->round_trip, holding->now_ns - held->begun_ns);
	holding->has_echoed = true;
	if (held->n_beats++ == 0)
		first_beat_is_back(holding, held);
	held->n_failures = 0;
	wake_at(holding, held, held_next_beat_ns(holding, who_is(holding, held)));
}

/* ---- opening ---- */

static void enter_queue(struct holding *holding, struct held *held)
{
	held->state = HELD_QUEUED;
	held->since_ns = holding->now_ns;
	uint32_t place = (holding->queue_first + holding->n_queued++) % holding->n;
	holding->queue[place] = who_is(holding, held);
	wake_at(holding, held, CLOCK_NEVER);
}

static void opened(struct holding *holding, struct held *held)
{
	struct deaths *deaths = holding->deaths;
	held->state = HELD_OPEN;
	held->since_ns = holding->now_ns;
	deaths->n_opened++;
	deaths->n_open++;
	deaths->n_throughout += !held->has_failed;
	begin_beat(holding, held);
}

static void begin_connection(struct holding *holding, struct held *held, int fd)
{
	held->fd = fd;
	held->number = holding->n_numbers++ % PATTERN_CONNECTIONS;
	held->pattern = pattern_of(holding->config->seed, held->number);
	held->sent = held->returned = held->due = held->n_beats = 0;
}

/* The queue of a unix socket is full: as long as there is patience, ask again. */
static void ask_again(struct holding *holding, struct held *held)
{
	uint64_t wait_ns = holding->config->wait_ns;
	if (wait_ns != 0 && holding->now_ns - held->since_ns > wait_ns) {
		fail_to_open(holding, held, ERR_QUEUE_FULL);
		return;
	}
	held->n_attempts--;
	held->state = HELD_CONNECTING;
	holding->n_connecting++;
	wake_at(holding, held, holding->now_ns + CONNECT_RETRY_NS);
}

static void open_one(struct holding *holding, struct held *held)
{
	int fd = connect_begin(&holding->server, NULL);
	held->n_attempts++;
	if (fd == -EAGAIN) {
		ask_again(holding, held);
		return;
	}
	if (fd < 0) {
		fail_to_open(holding, held, fd);
		return;
	}
	begin_connection(holding, held, fd);
	held->state = HELD_CONNECTING;
	holding->n_connecting++;
	wake_at(holding, held, patience_end_ns(holding));
	int rc = poller_add(&holding->poller, fd, EDGES, who_is(holding, held));
	if (rc < 0)
		fail_to_open(holding, held, rc);
}

void held_open_queued(struct holding *holding)
{
	while (holding->n_queued > 0 && holding->n_connecting < CONNECTING_MOST) {
		uint32_t who = holding->queue[holding->queue_first];
		holding->queue_first = (holding->queue_first + 1) % holding->n;
		holding->n_queued--;
		open_one(holding, &holding->list[who]);
	}
}

static void connected(struct holding *holding, struct held *held)
{
	int rc = connect_outcome(held->fd);
	if (rc < 0) {
		fail_to_open(holding, held, rc);
		return;
	}
	holding->n_connecting--;
	opened(holding, held);
}

/* ---- receiving ---- */

/*
 * A diagnosis names the connection by the number of its payload, which is not the one that we say.
 */
static const char *without_name(const char *what, uint64_t number)
{
	char name[64];
	int n = snprintf(name, sizeof(name), "connection %" PRIu64 ": ", number);
	return strncmp(what, name, (size_t)n) == 0 ? what + n : what;
}

/* Bytes from n_right on are wrong. */
static void die_of_wrong_bytes(struct holding *holding, struct held *held, size_t n_right, size_t n)
{
	unsigned char *from = holding->piece + n_right;
	bool asks = !holding->has_echoed && !holding->has_asked;
	n -= n_right;
	bool may_wait = holding->now_ns >= holding->may_ask_ns;
	if (may_wait)
		n = wrong_await_more(held->fd, from, n, DIAGNOSIS_MOST);
	uint64_t n_numbers = holding->n_numbers;
	const struct diagnosis_case wrong = {
		.seed = holding->config->seed,
		.connection = held->number,
		.n_connections = n_numbers < PATTERN_CONNECTIONS ? n_numbers : PATTERN_CONNECTIONS,
		.offset = held->returned,
		.sent = held->sent,
		.most_sent = PATTERN_SIZE,
		.received = from,
		.n = n,
	};
	holding->has_asked |= asks;
	struct wrong_text what = wrong_say(&wrong, asks ? &holding->server : NULL);
	if (may_wait || asks) {
		holding->asked_ns = clock_now_ns();
		holding->may_ask_ns = holding->asked_ns + ASK_PAUSE_NS;
	}
	die(holding, held, DEATH_WRONG, "%s", without_name(what.text, held->number));
}

static void verify(struct holding *holding, struct held *held, size_t n)
{
	uint64_t in_flight = held->sent - held->returned;
	bool was_beating = is_beating(held);
	size_t most = n < in_flight ? n : (size_t)in_flight;
	size_t n_right = pattern_match(&held->pattern, held->returned, holding->piece, most);
	held->returned += n_right;
	holding->deaths->bytes_verified += n_right;
	if (n_right > 0)
		held->good_ns = holding->now_ns;
	if (was_beating && !is_beating(held))
		beat_is_back(holding, held);
	if (n_right < n)
		die_of_wrong_bytes(holding, held, n_right, n);
}

/* Edge-triggered: until there is no more, or, if there is a lot, as an event again. */
static void receive(struct holding *holding, struct held *held, bool empties)
{
	for (int i = 0; held->state == HELD_OPEN; i++) {
		if (i == RECEIVES_MOST) {
			int rc = poller_change(&holding->poller, held->fd, EDGES,
					       who_is(holding, held));
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
			die_of_loss(holding, held, DEATH_ENDED, "the server ended the connection");
		else
			die_of_code(holding, held, (int)n);
		if (n > 0 && (size_t)n < HELD_PIECE && !empties)
			return;
	}
}

void held_event(struct holding *holding, uint32_t who, uint32_t events)
{
	struct held *held = &holding->list[who];
	if (held->state == HELD_CONNECTING && held->fd >= 0)
		connected(holding, held);
	if (held->state == HELD_OPEN && (events & EPOLLOUT))
		send_unsent(holding, held);
	if (held->state == HELD_OPEN)
		receive(holding, held, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

/* ---- time ---- */

static void lose_patience(struct holding *holding, struct held *held)
{
	char what[64];
	snprintf(what, sizeof(what), "no reply within %s",
		 units_duration(holding->config->wait_ns).text);
	die_of_loss(holding, held, DEATH_TIMEOUT, what);
}

void held_wake(struct holding *holding, uint32_t who)
{
	struct held *held = &holding->list[who];
	if (held->state == HELD_CLOSED) {
		enter_queue(holding, held);
	} else if (held->state == HELD_CONNECTING && held->fd >= 0) {
		fail_to_open(holding, held, -ETIMEDOUT);
	} else if (held->state == HELD_CONNECTING) {
		holding->n_connecting--;
		held->state = HELD_QUEUED;
		open_one(holding, held);
	} else if (is_beating(held)) {
		lose_patience(holding, held);
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
		enter_queue(holding, &holding->list[i]);
	}
	return 0;
}

/* A heartbeat that is under way is as if it had never been sent. */
void held_close_all(struct holding *holding)
{
	struct deaths *deaths = holding->deaths;
	for (uint32_t i = 0; i < holding->n; i++) {
		struct held *held = &holding->list[i];
		uint64_t age_ns = holding->now_ns - held->since_ns;
		if (held->state == HELD_OPEN) {
			deaths->n_begun -= is_beating(held);
			if (age_ns > deaths->longest_ns)
				deaths->longest_ns = age_ns;
		}
		io_close(&held->fd);
	}
	wakes_close(&holding->wakes);
	free(holding->list);
	free(holding->queue);
}

void held_adopt(struct holding *holding, int fd)
{
	struct held *held = &holding->list[holding->queue[holding->queue_first]];
	holding->queue_first = (holding->queue_first + 1) % holding->n;
	holding->n_queued--;
	begin_connection(holding, held, fd);
	int rc = poller_add(&holding->poller, fd, EDGES, who_is(holding, held));
	if (rc < 0)
		fail_to_open(holding, held, rc);
	else
		opened(holding, held);
}
