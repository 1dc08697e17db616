/* SPDX-License-Identifier: MIT */
#include "client/traffic.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "client/account.h"
#include "client/wrong.h"
#include "net/connect.h"
#include "net/io.h"

/* One that failed waits so long before it is opened again. */
#define PAUSE_NS (100 * CLOCK_NS_PER_MS)

/* Receives of one lane before it is the others' turn. */
#define RECEIVES_MOST 4

/* Sends of one lane before it is the others' turn: a megabyte. */
#define SENDS_MAX 16

#define EDGES (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

bool traffic_counts(const struct traffic *traffic, uint64_t due_ns)
{
	return traffic->end_ns != 0 && due_ns >= traffic->begin_ns && due_ns < traffic->end_ns;
}

/* Which of all threads' connections it is, from 0. */
static uint64_t place_of(const struct traffic *traffic, const struct lane *lane)
{
	return traffic_index(traffic, lane) * traffic->plan->n_threads + traffic->load->number;
}

uint64_t traffic_due_ns(const struct traffic *traffic, const struct lane *lane, uint64_t k)
{
	return schedule_due_ns(&traffic->plan->schedule, place_of(traffic, lane), k);
}

uint64_t traffic_due_before(const struct traffic *traffic, const struct lane *lane,
			    uint64_t time_ns)
{
	const struct schedule *schedule = &traffic->plan->schedule;
	return schedule_due_before(schedule, place_of(traffic, lane), time_ns);
}

/* ---- the end of a connection ---- */

/* No message is under way on it any more. */
static void leave(struct traffic *traffic, struct lane *lane, enum lane_state next)
{
	kernel_view_note(&traffic->load->kernel, lane->fd);
	traffic->n_connecting -= lane->state == LANE_CONNECTING;
	traffic->n_queueing -= lane_is_queueing(lane);
	traffic->n_finishing -= lane->state == LANE_FINISHING;
	traffic->n_gone += next == LANE_GONE;
	lane->state = next;
	io_close(&lane->fd);
}

void traffic_fail(struct traffic *traffic, struct lane *lane, const char *name)
{
	if (account_settle(traffic, lane, name) == 0)
		result_connection_error(&traffic->load->result, name, 1);
	if (lane->state == LANE_CONNECTING)
		load_server_want(&traffic->load->plan->server);
	leave(traffic, lane, traffic->plan->reconnects ? LANE_CLOSED : LANE_GONE);
	lane->since_ns = traffic->now_ns + PAUSE_NS;
	account_wake_by(traffic, lane, lane->since_ns);
}

void traffic_end(struct traffic *traffic, struct lane *lane)
{
	if (lane->state == LANE_FINISHING && traffic->now_ns > account_deadline_ns(traffic, lane))
		result_connection_error(&traffic->load->result, "no_fin", 1);
	if (lane->state == LANE_CONNECTING && lane->fd >= 0 && io_is_ready(lane->fd, POLLOUT))
		traffic->load->result.n_connections += connect_outcome(lane->fd) == 0;
	account_settle(traffic, lane, NULL);
	leave(traffic, lane, LANE_GONE);
}

/* ---- sending ---- */

/* The poller reports the lane once more, behind all others, if there is still something to do. */
static void take_turn_again(struct traffic *traffic, struct lane *lane)
{
	int rc = poller_change(&traffic->poller, lane->fd, EDGES, traffic_index(traffic, lane));
	if (rc < 0)
		traffic_fail(traffic, lane, err_name(rc));
}

/* What cannot be sent now goes when there is room; a connection that is gone, the receive tells. */
static void send_unsent(struct traffic *traffic, struct lane *lane)
{
	uint64_t left;
	for (int i = 0; lane->state == LANE_OPEN && (left = lane_unsent(&traffic->lanes, lane)) > 0;
	     i++) {
		if (i == SENDS_MAX) {
			take_turn_again(traffic, lane);
			return;
		}
		if (i > 0) /* sending takes its time: this thread does not stand still meanwhile */
			traffic->now_ns = clock_now_ns();
		size_t size = left < TRAFFIC_PIECE ? (size_t)left : TRAFFIC_PIECE;
		payload_fill(&lane->payload, lane->sent, traffic->piece, size);
		ssize_t n = io_send(lane->fd, traffic->piece, size);
		if (n == -EAGAIN || n == -EPIPE)
			return;
		if (n < 0) {
			traffic_fail(traffic, lane, err_name((int)n));
			return;
		}
		lane->sent += (uint64_t)n;
	}
}

static void begin_message(struct traffic *traffic, struct lane *lane, uint64_t due_ns)
{
	const struct flight flight = { .due_ns = due_ns, .begun_ns = traffic->now_ns };
	lane_begin_message(&traffic->lanes, lane, flight);
	traffic->n_in_flight++;
	if (traffic_counts(traffic, due_ns))
		traffic->load->last_begun_ns = traffic->now_ns;
	account_wake_by(traffic, lane, clock_after_ns(traffic->now_ns, traffic->wait_ns));
	send_unsent(traffic, lane);
}

/* ---- connecting ---- */

static void connected(struct traffic *traffic, struct lane *lane)
{
	int rc = connect_outcome(lane->fd);
	traffic->now_ns = clock_now_ns();
	if (rc < 0) {
		traffic_fail(traffic, lane, err_name(rc));
		return;
	}
	traffic->n_connecting--;
	lane->state = LANE_OPEN;
	traffic->connected_ns = traffic->now_ns;
	traffic->load->result.n_connections++;
	atomic_fetch_add_explicit(&traffic->load->n_opened, 1, memory_order_relaxed);
	if (lane->counts_connect)
		histogram_record(&traffic->load->result.connect, traffic->now_ns - lane->since_ns);
	if (traffic->plan->churns)
		lane_send_first(&traffic->lanes, lane, traffic->now_ns);
	send_unsent(traffic, lane);
	traffic_begin(traffic, lane);
}

/* Numbers differ between threads; PAYLOAD_CONNECTIONS of them are told apart. */
static uint64_t next_number(struct traffic *traffic)
{
	uint64_t number = traffic->n_numbers++ * traffic->plan->n_threads + traffic->load->number;
	return number % PAYLOAD_CONNECTIONS;
}

/*
 * The connection by which the server was found is the first: a server may serve only one. Returns a
 * socket or a negative code.
 */
MUST_USE static int begin_to_connect(struct traffic *traffic, struct lane *lane)
{
	struct load *load = traffic->load;
	int fd = load->first_fd;
	if (fd < 0) {
		uint64_t before_ns = clock_now_ns();
		lane->to = load_server_addr(&traffic->plan->server);
		fd = connect_begin(lane->to, load_source(traffic->plan, lane->number));
		own_use_connect(&load->use, clock_now_ns() - before_ns);
		return fd;
	}
	load->first_fd = -1;
	lane->to = load_server_addr(&traffic->plan->server);
	lane->since_ns = traffic->now_ns - load->first_took_ns;
	return fd;
}

/* A lane without a socket gets one, unless the queue is full. */
static void try_to_connect(struct traffic *traffic, struct lane *lane)
{
	int rc = begin_to_connect(traffic, lane);
	if (rc == -EAGAIN)
		return;
	if (rc >= 0) {
		traffic->n_queueing--;
		lane->fd = rc;
		rc = poller_add(&traffic->poller, lane->fd, EDGES, traffic_index(traffic, lane));
	}
	if (rc < 0)
		traffic_fail(traffic, lane, err_name(rc));
}

static void prepare_connection(struct traffic *traffic, struct lane *lane)
{
	uint64_t number = next_number(traffic);
	traffic->now_ns = clock_now_ns();
	lane_begin_connection(lane, -1, number, payload_of(traffic->plan->seed, number));
	lane->since_ns = traffic->now_ns;
	lane->counts_connect = !traffic->plan->churns || traffic_counts(traffic, traffic->now_ns);
	lane->state = LANE_CONNECTING;
	traffic->n_connecting++;
	traffic->n_queueing++;
	account_wake_by(traffic, lane,
			clock_earlier_ns(account_deadline_ns(traffic, lane),
					 traffic->now_ns + DIAL_ATTEMPT_DELAY_NS));
}

void traffic_connect(struct traffic *traffic, struct lane *lane)
{
	prepare_connection(traffic, lane);
	try_to_connect(traffic, lane);
}

/* A connection for one message, which has begun even if there can be no connection. */
static void connect_for_message(struct traffic *traffic, struct lane *lane, uint64_t due_ns)
{
	prepare_connection(traffic, lane);
	begin_message(traffic, lane, due_ns);
	try_to_connect(traffic, lane);
}

void traffic_try_other(struct traffic *traffic, struct lane *lane)
{
	struct load_server *server = &traffic->load->plan->server;
	if (lane->to != load_server_addr(server)) {
		io_close(&lane->fd);
		traffic->n_queueing++;
		try_to_connect(traffic, lane);
	} else if (traffic->connected_ns < lane->since_ns) { /* others have had no answer either */
		load_server_want_other(server);
	}
}

void traffic_retry(struct traffic *traffic)
{
	for (uint32_t i = 0; i < traffic->lanes.n && traffic->n_queueing > 0; i++) {
		if (lane_is_queueing(&traffic->lanes.list[i]))
			try_to_connect(traffic, &traffic->lanes.list[i]);
	}
}

/* ---- what comes next on a lane ---- */

/* Could the next message begin, if it is due? */
static bool can_begin(const struct traffic *traffic, const struct lane *lane)
{
	if (traffic->plan->churns)
		return lane->state == LANE_CLOSED && traffic->now_ns >= lane->since_ns;
	return lane->state == LANE_OPEN && lane_in_flight(lane) < traffic->lanes.depth;
}

/* Of a closed loop the next is due now; of an open one, when it was due. False: none is. */
static bool take_due(struct traffic *traffic, struct lane *lane, uint64_t *ret_due_ns)
{
	if (!traffic->plan->is_open) {
		*ret_due_ns = traffic->now_ns;
		return traffic->end_ns != 0 && traffic->now_ns < traffic->end_ns;
	}
	if (lane->n_owed == 0 || traffic_is_hopeless(traffic))
		return false;
	lane->n_owed--;
	traffic->n_owed--;
	*ret_due_ns = traffic_due_ns(traffic, lane, lane->n_taken++);
	return true;
}

void traffic_begin(struct traffic *traffic, struct lane *lane)
{
	uint64_t due_ns;
	while (can_begin(traffic, lane) && take_due(traffic, lane, &due_ns)) {
		if (traffic->plan->churns)
			connect_for_message(traffic, lane, due_ns);
		else
			begin_message(traffic, lane, due_ns);
		if (traffic->lanes.depth > 1)
			traffic->now_ns = clock_now_ns(); /* the next leaves later */
	}
}

/* ---- receiving ---- */

/* For whoever looks on. Nobody else writes it, so it need not be one step. */
static void count_echo(struct load *load)
{
	uint64_t n = atomic_load_explicit(&load->n_echoes, memory_order_relaxed);
	atomic_store_explicit(&load->n_echoes, n + 1, memory_order_relaxed);
}

static void message_back(struct traffic *traffic, struct lane *lane)
{
	struct result *result = &traffic->load->result;
	const struct flight *flight = lane_oldest(&traffic->lanes, lane);
	if (traffic_counts(traffic, flight->due_ns)) {
		result->n_sent++;
		result->n_echoes++;
		result->bytes_sent += traffic->lanes.size;
		result->bytes_verified += traffic->lanes.size;
		histogram_record(&result->response, traffic->now_ns - flight->due_ns);
		if (load_tells_apart(traffic->plan))
			histogram_record(&result->service, traffic->now_ns - flight->begun_ns);
		traffic->load->last_back_ns = traffic->now_ns;
		count_echo(traffic->load);
	}
	if (!traffic->has_echoed)
		atomic_store(&traffic->load->has_echoed, true);
	traffic->has_echoed = true;
	lane->n_back++;
	traffic->n_in_flight--;
}

/* The only one, of a lane that churns: our FIN, then the server's. */
static void finish(struct traffic *traffic, struct lane *lane)
{
	if (traffic->plan->resets) {
		io_reset_on_close(lane->fd);
		leave(traffic, lane, LANE_CLOSED);
		return;
	}
	int rc = io_send_end(lane->fd);
	if (rc < 0) {
		traffic_fail(traffic, lane, err_name(rc));
		return;
	}
	lane->state = LANE_FINISHING;
	lane->since_ns = traffic->now_ns;
	traffic->n_finishing++;
	account_wake_by(traffic, lane, account_deadline_ns(traffic, lane));
}

/* Keeps what is known of the first wrong byte, and its connection: the diagnosis waits. */
static void keep_wrong(struct traffic *traffic, struct lane *lane, size_t n_right, size_t n)
{
	const struct load_plan *plan = traffic->plan;
	uint64_t n_numbers = (traffic->n_numbers + 1) * plan->n_threads;
	const struct diagnosis_case wrong = {
		.seed = plan->seed,
		.connection = lane->number,
		.n_connections = n_numbers < PAYLOAD_CONNECTIONS ? n_numbers : PAYLOAD_CONNECTIONS,
		.offset = lane->returned,
		.sent = lane->sent,
		.most_sent = PAYLOAD_SIZE,
		.received = traffic->piece + n_right,
		.n = n - n_right,
	};
	ignore_result(poller_remove(&traffic->poller, lane->fd)); /* then its events find no lane */
	wrong_keep(&traffic->load->wrong, &wrong, lane->fd, traffic->has_echoed);
	kernel_view_note(&traffic->load->kernel, lane->fd);
	lane->fd = -1;
}

static void judge_wrong(struct traffic *traffic, struct lane *lane, size_t n_right, size_t n)
{
	struct result *result = &traffic->load->result;
	result->n_mismatches++;
	result->wrong_bytes += payload_count_wrong(&lane->payload, lane->returned, lane->sent,
						   traffic->piece + n_right, n - n_right);
	if (!traffic->load->wrong.is_there)
		keep_wrong(traffic, lane, n_right, n);
	traffic_fail(traffic, lane, "mismatch");
}

static void verify(struct traffic *traffic, struct lane *lane, size_t n)
{
	uint64_t in_flight = lane->sent - lane->returned;
	size_t most = n < in_flight ? n : (size_t)in_flight;
	size_t n_right = payload_match(&lane->payload, lane->returned, traffic->piece, most);
	lane->returned += n_right;
	while (lane_has_back(&traffic->lanes, lane)) {
		if (account_is_late(traffic, lane)) {
			traffic_fail(traffic, lane, "no_reply");
			return;
		}
		message_back(traffic, lane);
	}
	if (n_right < n)
		judge_wrong(traffic, lane, n_right, n);
	else if (traffic->plan->churns && lane->n_back == 1 && lane->state == LANE_OPEN)
		finish(traffic, lane);
}

static void server_ended(struct traffic *traffic, struct lane *lane)
{
	if (lane->state == LANE_FINISHING)
		leave(traffic, lane, LANE_CLOSED);
	else
		traffic_fail(traffic, lane, "ended");
}

/* Edge-triggered: until there is no more, or, if there is a lot, as an event again. */
static void receive(struct traffic *traffic, struct lane *lane, bool empties)
{
	for (int i = 0; lane->fd >= 0; i++) {
		if (i == RECEIVES_MOST) {
			take_turn_again(traffic, lane);
			return;
		}
		ssize_t n = io_recv(lane->fd, traffic->piece, TRAFFIC_RECEIVE);
		if (n == -EAGAIN)
			return;
		traffic->now_ns = clock_now_ns();
		if (n > 0)
			verify(traffic, lane, (size_t)n);
		else if (n == 0)
			server_ended(traffic, lane);
		else
			traffic_fail(traffic, lane, err_name((int)n));
		traffic_begin(traffic, lane);
		if (n <= 0 || lane->state == LANE_CONNECTING ||
		    ((size_t)n < TRAFFIC_RECEIVE && !empties))
			return;
	}
}

void traffic_event(struct traffic *traffic, struct lane *lane, uint32_t events)
{
	if (lane->state == LANE_CONNECTING)
		connected(traffic, lane);
	if (lane->state == LANE_OPEN || lane->state == LANE_FINISHING) {
		if (events & EPOLLOUT)
			send_unsent(traffic, lane);
		if (lane->fd >= 0)
			receive(traffic, lane, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
	}
}
