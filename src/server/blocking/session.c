/* SPDX-License-Identifier: MIT */
/*
 * The happy path: receive, send what was received, repeat. The client's FIN is a receive of 0
 * bytes: send our FIN, done.
 *
 * What else can happen: a short count from send (the echo keeps the rest and wants to write again);
 * nothing to receive or no room to send (wait); a reset, or the host vanishes (the wait ends with
 * an error); the idle timeout, or the shutdown pipe is closed (stop, and linger until the client
 * has ended too).
 */
#include "server/blocking/session.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "echo/echo.h"
#include "fault/fault_stream.h"
#include "net/io.h"
#include "server/faults.h"
#include "server/linger.h"

/*
 * After this many receives, or this time, without a poll of the shutdown pipe, it is polled anyway:
 * a client that sends without pause must not prevent the end of the server. The first receives are
 * not timed: a short connection ends with them, and in a child the clock needs new pages.
 */
#define RECEIVES_WITHOUT_POLL  64
#define TIME_WITHOUT_POLL_NS   (50 * CLOCK_NS_PER_MS)
#define RECEIVES_WITHOUT_CLOCK 2

/*
 * Maximum receives of bytes that arrived before the server ends: more than a receive buffer holds.
 */
#define LAST_RECEIVES 64

/*
 * First and longest pause between two checks of acknowledgements, while the last bytes are in
 * transit.
 */
#define ACK_PAUSE_FIRST_NS CLOCK_NS_PER_MS
#define ACK_PAUSE_MAX_NS   (500 * CLOCK_NS_PER_MS)

static void session_set_reason(struct session *session, enum close_reason reason, int code)
{
	if (session->reason != CLOSE_NONE)
		return; /* what happens while lingering is not the reason */
	session->reason = reason;
	atomic_store_explicit(&session->stats->code, code, memory_order_relaxed);
}

static void fail(struct session *session, int code)
{
	session_set_reason(session, close_reason_of_code(code), code);
	echo_failed(&session->echo);
}

static void session_stop(struct session *session, enum close_reason reason,
			 uint64_t linger_deadline_ns)
{
	session_set_reason(session, reason, 0);
	session->linger_deadline_ns = linger_deadline_ns;
	echo_stop(&session->echo);
}

static bool is_lingering(const struct session *session)
{
	return echo_wants(&session->echo) == ECHO_DISCARD;
}

/*
 * The server aborts, and waits for this session. Bytes that have arrived are still echoed, because
 * we may have been stopped (SIGSTOP) until now. A linger timeout that runs already is shortened.
 */
static void session_abort(struct session *session)
{
	session->is_aborting = true;
	session->n_last = LAST_RECEIVES;
	session->is_interrupted = session->is_interruptible;
	if (is_lingering(session))
		session->linger_deadline_ns = clock_earlier_ns(
			session->linger_deadline_ns, clock_deadline_ns(LINGER_ABORTING_NS));
}

static void stop_for_drain(struct session *session)
{
	session_stop(session, CLOSE_DRAIN, clock_deadline_ns(LINGER_ABORTING_NS));
}

/* Returns whether the server aborts and the session still echoes bytes that have arrived. */
static bool is_echoing_last_bytes(const struct session *session)
{
	return session->is_aborting && !is_lingering(session);
}

/* io_wait() until the deadline, unless an interrupt is due earlier. */
static int session_poll(struct session *session, struct pollfd *fds, size_t n, uint64_t deadline_ns)
{
	bool is_earlier = session->is_interruptible && session->interrupt_ns < deadline_ns;
	int ready = io_wait(fds, n, is_earlier ? session->interrupt_ns : deadline_ns);
	session->is_interrupted |= ready == 0 && is_earlier;
	return ready;
}

/*
 * Waits once, for the client's socket, the shutdown pipe or an interrupt. Returns false if the
 * deadline came first. A lingering client that is always ready also ends at the deadline: if the
 * deadline had passed at the previous poll, all bytes that arrived before it have been read.
 */
static bool wait_once(struct session *session, short events, uint64_t deadline_ns)
{
	bool polls_interrupt = session->is_interruptible && !session->fd_interrupted;
	struct pollfd fds[] = {
		{ .fd = session->fd, .events = events },
		{ .fd = session->is_aborting ? -1 : session->shutdown_fd, .events = POLLIN },
		{ .fd = polls_interrupt ? session->interrupt_fd : -1, .events = POLLIN },
	};
	uint64_t before_ns = session->polled_ns;
	int ready = session_poll(session, fds, ARRAY_LEN(fds), deadline_ns);
	session->rounds = 0;
	session->polled_ns = clock_now_ns();
	if (ready < 0 && !err_is_shortage(ready))
		fail(session, ready);
	else if (fds[1].revents != 0)
		session_abort(session);
	else if (fds[2].revents != 0)
		session->is_interrupted = session->fd_interrupted = true;
	else if (is_lingering(session) && !session->is_interrupted)
		return ready > 0 && before_ns < deadline_ns;
	return ready != 0 || session->is_interrupted;
}

/*
 * Waits until the idle timeout expires without progress. While we wait, the kernel continues to
 * send our bytes. The connection is idle only if none of them was acknowledged during the wait
 * either.
 */
static void wait_until_idle(struct session *session, short events)
{
	size_t before, after = io_unacknowledged(session->fd);
	uint64_t idle_ns = session->idle_timeout_ns;
	do {
		if (wait_once(session, events, clock_deadline_ns(idle_ns - session->waited_ns)))
			return;
		session->waited_ns = 0;
		before = after;
		after = io_unacknowledged(session->fd);
	} while (after < before);
	session_stop(session, CLOSE_IDLE, clock_deadline_ns(LINGER_IDLE_NS));
}

/*
 * Waits until the client's socket is ready for `events`, or the connection is stopped or has
 * failed: then the echo wants something else.
 */
static void session_wait(struct session *session, short events)
{
	if (is_lingering(session)) {
		if (!wait_once(session, events, session->linger_deadline_ns))
			echo_stop(&session->echo);
	} else if (session->idle_timeout_ns != 0) {
		wait_until_idle(session, events);
	} else {
		ignore_result(wait_once(session, events,
					CLOCK_NEVER)); /* CLOCK_NEVER: it never returns false */
	}
}

/* Returns whether the shutdown pipe must be polled now. */
static bool must_poll(struct session *session)
{
	if (++session->rounds <= RECEIVES_WITHOUT_CLOCK && session->polled_ns == 0)
		return false;
	uint64_t now_ns = clock_now_ns();
	if (session->polled_ns == 0)
		session->polled_ns = now_ns;
	return session->rounds >= RECEIVES_WITHOUT_POLL ||
	       now_ns - session->polled_ns >= TIME_WITHOUT_POLL_NS;
}

/*
 * Returns whether recv may block. That saves a poll(2) if the client sends again soon. But a
 * blocking recv does not see the shutdown pipe, and its only deadline is the receive timeout.
 */
static bool may_block_in_recv(const struct session *session)
{
	uint64_t idle_ns = session->idle_timeout_ns;
	uint64_t recv_timeout_ns = session->recv_timeout_ns;
	return recv_timeout_ns != 0 && !is_lingering(session) &&
	       (idle_ns == 0 || idle_ns > recv_timeout_ns);
}

/* Waits out a shortage of kernel memory: the call is repeated a little later. */
static void session_wait_out_shortage(struct session *session)
{
	session->is_quiet = true; /* so that all deadlines are checked meanwhile */
	ignore_result(wait_once(session, 0, clock_deadline_ns(IO_SHORTAGE_PAUSE_NS)));
}

static void session_receive(struct session *session)
{
	bool may_block = !session->is_aborting && may_block_in_recv(session);
	if (!is_echoing_last_bytes(session) && (session->is_quiet || must_poll(session))) {
		enum echo_want want = echo_wants(&session->echo);
		session_wait(session, POLLIN);
		if (echo_wants(&session->echo) != want || session->is_interrupted)
			return;
		may_block = false;
	}
	if (is_echoing_last_bytes(session) && session->n_last-- == 0) {
		stop_for_drain(session);
		return;
	}
	ssize_t n = may_block ? io_recv_wait(session->fd, session->buffer, CLIENT_BUFFER_SIZE)
			      : io_recv(session->fd, session->buffer, CLIENT_BUFFER_SIZE);
	session->is_quiet = n == -EAGAIN;
	session->waited_ns = 0;
	/* Bytes that were acknowledged meanwhile are progress: then the idle time begins now. */
	if (may_block && session->is_quiet && io_unacknowledged(session->fd) == 0)
		session->waited_ns = session->recv_timeout_ns;
	if (n > 0)
		echo_got(&session->echo, (size_t)n);
	else if (n == 0)
		echo_ended(&session->echo);
	else if (err_is_shortage((int)n))
		session_wait_out_shortage(session);
	else if (n != -EAGAIN)
		fail(session, (int)n);
	else if (is_echoing_last_bytes(session))
		stop_for_drain(session);
}

static void session_send_kept(struct session *session)
{
	size_t at;
	size_t kept = echo_kept(&session->echo, &at);
	ssize_t n = io_send(session->fd, session->buffer + at, kept);
	if (n > 0)
		echo_sent(&session->echo, (size_t)n);
	else if (err_is_shortage((int)n))
		session_wait_out_shortage(session);
	else if (n != -EAGAIN)
		fail(session, (int)n);
	else if (session->is_aborting)
		stop_for_drain(session);
	else
		session_wait(session, POLLOUT);
}

/* Returns the deadline of the idle timeout. */
static uint64_t idle_deadline_ns(const struct session *session)
{
	uint64_t idle_ns = session->idle_timeout_ns;
	return idle_ns != 0 ? clock_deadline_ns(idle_ns) : CLOCK_NEVER;
}

/*
 * Waits until the client has acknowledged every byte. The kernel continues to deliver after a
 * close, but not for long to a slow reader: it gives up orphaned connections (tcp(7),
 * tcp_orphan_retries). An acknowledgement causes no event, so this checks again and again, at
 * longer intervals while nothing changes. Returns false if it was interrupted and must be called
 * again.
 */
static bool wait_until_delivered(struct session *session)
{
	size_t left = io_unacknowledged(session->fd);
	if (session->ack_pause_ns == 0) {
		session->ack_pause_ns = ACK_PAUSE_FIRST_NS;
		session->ack_deadline_ns = session->is_aborting
						   ? clock_deadline_ns(LINGER_ABORTING_NS)
						   : idle_deadline_ns(session);
	}
	while (left > IO_FIN_SIZE && session->reason == CLOSE_NONE) {
		struct pollfd shutdown_pipe = {
			.fd = session->is_aborting ? -1 : session->shutdown_fd,
			.events = POLLIN,
		};
		uint64_t pause_ns = clock_deadline_ns(session->ack_pause_ns);
		int ready = session_poll(session, &shutdown_pipe, 1,
					 clock_earlier_ns(session->ack_deadline_ns, pause_ns));
		uint64_t polled_ns =
			clock_now_ns(); /* before the checks: they are compared with this time */
		bool is_lost = ready < 0 && !err_is_shortage(ready);
		int code = is_lost ? ready : io_pending_error(session->fd);
		size_t before = left;
		left = io_unacknowledged(session->fd);
		if (code < 0) {
			fail(session, code);
		} else if (ready > 0) {
			session_abort(session);
			session->ack_deadline_ns = clock_deadline_ns(LINGER_ABORTING_NS);
		} else if (left < before && !session->is_aborting) {
			session->ack_deadline_ns = idle_deadline_ns(session);
		} else if (left > IO_FIN_SIZE && polled_ns >= session->ack_deadline_ns) {
			session_stop(session, session->is_aborting ? CLOSE_DRAIN : CLOSE_IDLE,
				     session->ack_deadline_ns);
		}
		if (session->ack_pause_ns < ACK_PAUSE_MAX_NS)
			session->ack_pause_ns *= 2;
		if (session->is_interrupted)
			return false;
	}
	return true;
}

static void session_finish(struct session *session)
{
	int rc = session->ack_pause_ns == 0 ? io_send_end(session->fd) : 0;
	if (rc < 0)
		fail(session, rc);
	else if (!session->echo.stopped && !session->is_unix && !wait_until_delivered(session))
		return;
	if (echo_wants(&session->echo) == ECHO_FINISH)
		echo_finished(&session->echo);
}

/* ---- faults on request (fault/fault_stream.h) ---- */

/* Waits for an event or a time. Ends the connection if it was idle for too long. */
static void wait_in_fault(struct session *session, short events, uint64_t until_ns)
{
	uint64_t idle_ns =
		session->idle_timeout_ns == 0
			? CLOCK_NEVER
			: clock_after_ns(fault_moved_ns(session->faults), session->idle_timeout_ns);
	if (!wait_once(session, events, clock_earlier_ns(until_ns, idle_ns)) && idle_ns < until_ns)
		session_stop(session, CLOSE_IDLE, clock_deadline_ns(LINGER_IDLE_NS));
	int code = io_pending_error(session->fd);
	if (code < 0 && echo_wants(&session->echo) != ECHO_CLOSE)
		fail(session, code);
}

static void receive_in_fault(struct session *session, const struct fault_step *step)
{
	size_t size = step->size < CLIENT_BUFFER_SIZE ? step->size : CLIENT_BUFFER_SIZE;
	ssize_t n = io_recv(session->fd, session->buffer, size);
	if (n > 0) {
		echo_got(&session->echo, (size_t)n);
		fault_received(session->faults, (size_t)n, clock_now_ns());
	} else if (n == 0) {
		echo_ended(&session->echo);
	} else if (n == -EAGAIN) {
		wait_in_fault(session, POLLIN, step->until_ns);
	} else if (err_is_shortage((int)n)) {
		session_wait_out_shortage(session);
	} else {
		fail(session, (int)n);
	}
}

static void send_in_fault(struct session *session, const struct fault_step *step)
{
	ssize_t n = io_send(session->fd, step->bytes, step->size);
	if (n > 0)
		fault_sent(session->faults, &session->echo, (size_t)n, clock_now_ns());
	else if (n == -EAGAIN)
		wait_in_fault(session, POLLOUT, step->until_ns);
	else if (err_is_shortage((int)n))
		session_wait_out_shortage(session);
	else
		fail(session, (int)n);
}

static void send_fin_in_fault(struct session *session)
{
	int rc = io_send_end(session->fd);
	if (rc < 0)
		fail(session, rc);
	else
		fault_fin_sent(session->faults);
}

/* Acknowledgements cause no event: looks for them every millisecond. */
static void reset_in_fault(struct session *session, const struct fault_step *step)
{
	uint64_t now_ns = clock_now_ns();
	if (now_ns < step->until_ns && io_unacknowledged(session->fd) > 0) {
		wait_in_fault(session, 0, now_ns + CLOCK_NS_PER_MS);
		return;
	}
	io_reset_on_close(session->fd);
	session_set_reason(session, CLOSE_FAULT, 0);
	echo_failed(&session->echo);
}

/* Returns false if the echo itself has the next step. */
static bool step_in_fault(struct session *session)
{
	struct fault_stream *faults = session->faults;
	if (session->echo.stopped)
		return false;
	if (must_poll(session))
		ignore_result(wait_once(session, 0, 0)); /* only to notice the end of the server */
	if (session->is_aborting) {
		stop_for_drain(session);
		return true;
	}
	if (fault_watches_peer(faults) && io_is_ready(session->fd, POLLRDHUP))
		fault_peer_closed(faults);
	struct fault_step step =
		fault_stream_next(faults, &session->echo, session->buffer, clock_now_ns());
	switch (step.action) {
	case FAULT_RECEIVE:
		receive_in_fault(session, &step);
		break;
	case FAULT_SEND:
		send_in_fault(session, &step);
		break;
	case FAULT_SLEEP:
		wait_in_fault(session, 0, step.until_ns);
		break;
	case FAULT_FOLLOW:
		return false;
	case FAULT_SEND_FIN:
		send_fin_in_fault(session);
		break;
	case FAULT_STOP:
		session_stop(session, CLOSE_FAULT, clock_deadline_ns(LINGER_IDLE_NS));
		break;
	case FAULT_RESET:
		reset_in_fault(session, &step);
		break;
	}
	return true;
}

/* The reason, and above it the faults that had an effect (server/faults.h). */
static int reason_to_store(const struct session *session)
{
	uint32_t fired = session->faults != NULL ? fault_fired(session->faults) : 0;
	return (int)(session->reason | fired << FAULTS_REASON_BITS);
}

static void publish_stats(const struct session *session)
{
	struct conn_stats *stats = session->stats;
	atomic_store_explicit(&stats->in, session->echo.in, memory_order_relaxed);
	atomic_store_explicit(&stats->out, session->echo.out, memory_order_relaxed);
}

enum close_reason session_run(struct session *session)
{
	assert((uintptr_t)session->buffer % IO_ALIGNMENT == 0);
	for (session->is_interrupted = false; !session->is_interrupted; publish_stats(session)) {
		if (session->faults != NULL && step_in_fault(session))
			continue;
		switch (echo_wants(&session->echo)) {
		case ECHO_READ:
		case ECHO_DISCARD:
			session_receive(session);
			break;
		case ECHO_WRITE:
			session_send_kept(session);
			break;
		case ECHO_FINISH:
			session_finish(session);
			break;
		case ECHO_CLOSE:
			session_set_reason(session, CLOSE_EOF, 0);
			atomic_store_explicit(&session->stats->reason, reason_to_store(session),
					      memory_order_release);
			return session->reason;
		}
	}
	return CLOSE_NONE;
}
