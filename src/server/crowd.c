/* SPDX-License-Identifier: MIT */
#include "server/crowd.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "net/io.h"
#include "server/session.h"

/* Our FIN counts as a byte to be acknowledged (RFC 9293 3.4). The kernel alone sees to that one. */
#define FIN_SIZE 1

/* While the last bytes are on their way: a few looks soon, then now and then. */
#define LOOKS_SOON    8
#define LOOK_SOON_NS  (4 * CLOCK_NS_PER_MS)
#define LOOK_LATER_NS (250 * CLOCK_NS_PER_MS)

static struct deadline *deadline_of(const void *owner, uint32_t index)
{
	const struct clients *clients = owner;
	return &((struct conn *)clients_at(clients, index))->deadline;
}

static uint32_t index_of(const struct crowd *crowd, const struct conn *conn)
{
	return clients_index(&crowd->server->clients, &conn->client);
}

void crowd_open(struct crowd *crowd, struct server *server)
{
	*crowd = (struct crowd){
		.server = server,
		.now_ns = clock_now_ns(),
		.queues = {
			[CROWD_IDLE].span_ns = server->idle_timeout_ns,
			[CROWD_LINGER].span_ns = SESSION_LINGER_IDLE_NS,
			[CROWD_LINGER_CALLED_OFF].span_ns = SESSION_LINGER_CALLED_OFF_NS,
			[CROWD_LEAVE_SOON].span_ns = LOOK_SOON_NS,
			[CROWD_LEAVE].span_ns = LOOK_LATER_NS,
			[CROWD_SHORTAGE].span_ns = IO_SHORTAGE_PAUSE_NS,
		},
	};
	crowd->deadlines = (struct deadlines){
		.owner = &server->clients,
		.of = deadline_of,
		.queues = crowd->queues,
		.n_queues = CROWD_QUEUES,
	};
}

/* ---- time ---- */

void crowd_tell_time(struct crowd *crowd, bool any_event)
{
	uint64_t busy_poll_ns = crowd->server->busy_poll_ns;
	crowd->now_ns = clock_now_ns();
	if (any_event && busy_poll_ns != 0)
		crowd->busy_until_ns = clock_after_ns(crowd->now_ns, busy_poll_ns);
}

uint64_t crowd_deadline_ns(const struct crowd *crowd)
{
	bool is_busy = crowd->busy_until_ns != 0 && clock_now_ns() < crowd->busy_until_ns;
	return is_busy ? 0 : deadlines_next_ns(&crowd->deadlines);
}

struct conn *crowd_next_due(struct crowd *crowd, enum crowd_queue *ret_queue)
{
	for (unsigned int queue = 0; queue < CROWD_QUEUES; queue++) {
		uint32_t index;
		if (!deadlines_due(&crowd->deadlines, queue, crowd->now_ns, &index))
			continue;
		deadlines_leave(&crowd->deadlines, index);
		*ret_queue = (enum crowd_queue)queue;
		return (struct conn *)clients_at(&crowd->server->clients, index);
	}
	return NULL;
}

/* Reads the clock anew: the server may have been stopped since the turn began. */
static void wait_in(struct crowd *crowd, struct conn *conn, enum crowd_queue queue)
{
	deadlines_enter(&crowd->deadlines, queue, index_of(crowd, conn), clock_now_ns());
}

void crowd_moved(struct crowd *crowd, struct conn *conn)
{
	if (crowd->server->idle_timeout_ns != 0 && !conn->echo.stopped)
		wait_in(crowd, conn, CROWD_IDLE);
}

bool crowd_was_idle(struct crowd *crowd, struct conn *conn)
{
	uint32_t before = conn->on_its_way;
	conn->on_its_way = (uint32_t)io_unacknowledged(conn->client.fd);
	bool moved = conn->on_its_way < before || (before == 0 && conn->on_its_way > 0) ||
		     io_is_ready(conn->client.fd,
				 echo_wants(&conn->echo) == ECHO_WRITE ? POLLOUT : POLLIN);
	if (moved)
		wait_in(crowd, conn, CROWD_IDLE);
	return !moved;
}

/* ---- the end of a conversation ---- */

void crowd_end_with(struct conn *conn, enum ending ending, int code)
{
	struct score *score = &conn->client.score;
	if (atomic_load_explicit(&score->ending, memory_order_relaxed) != ENDING_NONE)
		return; /* what happens while lingering is not the reason */
	atomic_store_explicit(&score->code, code, memory_order_relaxed);
	atomic_store_explicit(&score->ending, (int)ending, memory_order_relaxed);
}

void crowd_fail(struct conn *conn, int code)
{
	crowd_end_with(conn, ending_of_code(code), code);
	conn->is_leaving = false;
	echo_failed(&conn->echo);
}

void crowd_stop(struct crowd *crowd, struct conn *conn, enum ending ending)
{
	crowd_end_with(conn, ending, 0);
	conn->is_leaving = false;
	echo_stop(&conn->echo);
	wait_in(crowd, conn, crowd->is_called_off ? CROWD_LINGER_CALLED_OFF : CROWD_LINGER);
}

void crowd_hurry(struct crowd *crowd, struct conn *conn)
{
	wait_in(crowd, conn, CROWD_LINGER_CALLED_OFF);
}

void crowd_note(struct conn *conn)
{
	struct score *score = &conn->client.score;
	atomic_store_explicit(&score->in, conn->echo.in, memory_order_relaxed);
	atomic_store_explicit(&score->out, conn->echo.out, memory_order_relaxed);
}

void crowd_finish(struct crowd *crowd, struct conn *conn)
{
	int fd = conn->client.fd;
	size_t left = conn->echo.stopped || conn->client.peer.family == AF_UNIX
			      ? 0
			      : io_unacknowledged(fd);
	/* Where nothing is on its way and nothing is to come, the close sends the FIN. */
	if (!conn->echo.stopped && left == 0) {
		echo_finished(&conn->echo);
		return;
	}
	int rc = io_send_end(fd);
	if (rc < 0) {
		crowd_fail(conn, rc);
	} else if (conn->echo.stopped) {
		echo_finished(&conn->echo);
	} else {
		conn->is_leaving = true;
		conn->on_its_way = (uint32_t)left;
		wait_in(crowd, conn, CROWD_LEAVE_SOON);
	}
}

/* Has nothing moved for the idle timeout, or since the server ends? By the number of looks. */
static bool waited_too_long(const struct crowd *crowd, const struct conn *conn)
{
	uint64_t most_ns = crowd->server->idle_timeout_ns;
	if (crowd->is_called_off) /* this look comes LOOK_LATER_NS after the one before */
		most_ns = SESSION_LINGER_CALLED_OFF_NS - LOOK_LATER_NS;
	return most_ns != 0 && conn->looks >= LOOKS_SOON &&
	       (uint64_t)(conn->looks - LOOKS_SOON) * LOOK_LATER_NS >= most_ns;
}

/* It has sent all it had to say, and has been sent all: nothing is left to wait for. */
static void stop_leaving(struct conn *conn)
{
	conn->is_leaving = false;
	echo_finished(&conn->echo);
}

void crowd_look(struct crowd *crowd, struct conn *conn)
{
	int code = io_pending_error(conn->client.fd);
	uint32_t left = (uint32_t)io_unacknowledged(conn->client.fd);
	if (code < 0) {
		crowd_fail(conn, code);
	} else if (left <= FIN_SIZE) {
		stop_leaving(conn);
	} else if (waited_too_long(crowd, conn) && crowd->is_called_off) {
		crowd_end_with(conn, ENDING_DRAIN, 0);
		stop_leaving(conn);
	} else if (waited_too_long(crowd, conn)) {
		crowd_stop(crowd, conn, ENDING_IDLE);
	} else {
		bool moved = left < conn->on_its_way && !crowd->is_called_off;
		if (moved && conn->looks > LOOKS_SOON)
			conn->looks = LOOKS_SOON;
		else if (conn->looks < UINT32_MAX)
			conn->looks++;
		conn->on_its_way = left;
		wait_in(crowd, conn, conn->looks < LOOKS_SOON ? CROWD_LEAVE_SOON : CROWD_LEAVE);
	}
}

void crowd_wait_out_shortage(struct crowd *crowd, struct conn *conn, int code)
{
	server_warn_of_shortage(crowd->server, "cannot go on with a connection", code);
	if (!conn->echo.stopped) /* or what it sends is only discarded, and its end is near */
		wait_in(crowd, conn, CROWD_SHORTAGE);
}

bool crowd_is_short(const struct conn *conn)
{
	return conn->deadline.queue == CROWD_SHORTAGE + 1;
}

void crowd_wait_no_more(struct crowd *crowd, struct conn *conn)
{
	deadlines_leave(&crowd->deadlines, index_of(crowd, conn));
}

void crowd_leave(struct crowd *crowd, struct conn *conn)
{
	crowd_wait_no_more(crowd, conn);
	server_client_ended(crowd->server, &conn->client, 0, 0);
}

struct conn *crowd_each(const struct crowd *crowd, const struct conn *after)
{
	const struct client *client = after != NULL ? &after->client : NULL;
	return (struct conn *)clients_next(&crowd->server->clients, client);
}
