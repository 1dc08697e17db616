/* SPDX-License-Identifier: MIT */
/*
 * Opening connections that are held: one after the other from the queue, CONNECTING_MAX at a time,
 * to the address of the server that answered last. Where that fails, or has not answered after a
 * moment, the server is looked for anew (client/redial.h), once for all connections.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/err.h"
#include "client/held_internal.h"
#include "net/connect.h"

/* Connections that connect at the same time: with more, short queues overflow and SYNs are lost. */
#define CONNECTING_MAX 128

/* Looks for the server anew: its address failed, or does not answer soon. */
static void look_for_server(struct holding *holding, bool is_slow)
{
	int fd = redial_begin(&holding->redial, is_slow, holding->now_ns);
	if (fd < 0)
		return;
	int rc = poller_add(&holding->poller, fd, EPOLLIN, HELD_TAG_DIALED);
	if (rc < 0)
		redial_cancel(&holding->redial);
}

/* It could not be opened. Of a series of failures with one cause, the first is reported. */
static void fail_to_open(struct holding *holding, struct held *held, int code)
{
	enum disconnect_cause cause = disconnect_of_code(code);
	holding->disconnects->n_not_opened[cause]++;
	held_note_local(holding, code);
	holding->n_connecting -= held->state == HELD_CONNECTING;
	if (held->told != (uint8_t)cause + 1)
		teller_say(holding->teller, "connection %" PRIu32 " cannot be opened%s (%s): %s",
			   held_index(holding, held) + 1, held->died_ns != 0 ? " again" : "",
			   disconnect_name(cause), err_text(code).text);
	held->told = (uint8_t)(cause + 1);
	held_close(holding, held);
	look_for_server(holding, false);
}

void held_enter_queue(struct holding *holding, struct held *held)
{
	held->state = HELD_QUEUED;
	held->since_ns = holding->now_ns;
	uint32_t place = (holding->queue_first + holding->n_queued++) % holding->n;
	holding->queue[place] = held_index(holding, held);
	held_wake_at(holding, held, CLOCK_NEVER);
}

static void begin_connection(struct holding *holding, struct held *held, int fd)
{
	held->fd = fd;
	held->generation = holding->redial.generation;
	held->number = holding->n_numbers++ % PAYLOAD_CONNECTIONS;
	held->payload = payload_of(holding->config->seed, held->number);
	held->sent = held->returned = held->due = held->n_beats = 0;
}

/* The queue of a unix socket is full: asks again until the timeout. */
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
	held_wake_at(holding, held, holding->now_ns + CONNECT_RETRY_NS);
}

/* Waits for the outcome; after a moment other addresses are tried beside this one. */
static void wait_for_outcome(struct holding *holding, struct held *held)
{
	held->state = HELD_CONNECTING;
	held->begun_ns = holding->now_ns;
	holding->n_connecting++;
	held_wake_at(holding, held,
		     clock_earlier_ns(held_timeout_ns(holding),
				      holding->now_ns + DIAL_ATTEMPT_DELAY_NS));
}

void held_open_one(struct holding *holding, struct held *held)
{
	uint64_t begin_ns = clock_now_ns();
	int fd = connect_begin(&holding->redial.addr, NULL);
	own_use_connect(holding->use, clock_now_ns() - begin_ns);
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
	wait_for_outcome(holding, held);
	int rc = poller_add(&holding->poller, fd, HELD_EDGES, held_index(holding, held));
	if (rc < 0)
		fail_to_open(holding, held, rc);
}

void held_open_queued(struct holding *holding)
{
	while (holding->n_queued > 0 && holding->n_connecting < CONNECTING_MAX) {
		uint32_t who = holding->queue[holding->queue_first];
		holding->queue_first = (holding->queue_first + 1) % holding->n;
		holding->n_queued--;
		held_open_one(holding, &holding->list[who]);
	}
}

void held_connected(struct holding *holding, struct held *held)
{
	int rc = connect_outcome(held->fd);
	if (rc < 0) {
		fail_to_open(holding, held, rc);
		return;
	}
	holding->n_connecting--;
	held_opened(holding, held);
}

/* Gives a connection that is made already to one that is not open. */
static void adopt(struct holding *holding, struct held *held, int fd)
{
	holding->n_connecting -= held->state == HELD_CONNECTING;
	held->state = HELD_CLOSED;
	io_close(&held->fd);
	held->n_attempts++;
	begin_connection(holding, held, fd);
	int rc = poller_add(&holding->poller, fd, HELD_EDGES, held_index(holding, held));
	if (rc < 0)
		fail_to_open(holding, held, rc);
	else
		held_opened(holding, held);
}

/* Has its address not answered for a moment? Another one may, or has already. */
static bool is_slow(const struct holding *holding, const struct held *held)
{
	return held->state == HELD_CONNECTING && held->fd >= 0 &&
	       holding->now_ns - held->begun_ns >= DIAL_ATTEMPT_DELAY_NS;
}

/* Connects to the address that the server has now. */
static void connect_anew(struct holding *holding, struct held *held)
{
	holding->n_connecting--;
	io_close(&held->fd);
	held_enter_queue(holding, held);
}

void held_server_dialed(struct holding *holding)
{
	int fd = redial_end(&holding->redial, holding->now_ns);
	if (fd < 0)
		return;
	for (uint32_t i = 0; i < holding->n; i++) {
		struct held *held = &holding->list[i];
		bool is_waiting = held->state == HELD_CLOSED || held->state == HELD_CONNECTING;
		if (fd >= 0 && is_waiting) {
			adopt(holding, held, fd);
			fd = -1;
		} else if (is_slow(holding, held) &&
			   held->generation != holding->redial.generation) {
			connect_anew(holding, held);
		}
	}
	io_close(&fd);
}

void held_is_late(struct holding *holding, struct held *held)
{
	uint64_t late_ns = held_late_ns(holding, held);
	if (holding->now_ns >= late_ns) {
		fail_to_open(holding, held, -ETIMEDOUT);
		return;
	}
	if (held->generation != holding->redial.generation) {
		connect_anew(holding, held);
		return;
	}
	look_for_server(holding, true);
	uint64_t again_ns = holding->now_ns + DIAL_ATTEMPT_DELAY_NS;
	held_wake_at(holding, held, clock_earlier_ns(again_ns, late_ns));
}

void held_adopt(struct holding *holding, int fd)
{
	struct held *held = &holding->list[holding->queue[holding->queue_first]];
	holding->queue_first = (holding->queue_first + 1) % holding->n;
	holding->n_queued--;
	adopt(holding, held, fd);
}
