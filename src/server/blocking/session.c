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
#include "net/io.h"

/*
 * After this many receives, or this time, without a poll of the shutdown pipe, it is polled anyway:
 * a client that sends without pause must not prevent the end of the server. The first receives are
 * not timed: a short connection ends with them, and in a child the clock needs new pages.
 */
#define RECEIVES_WITHOUT_LOOK  64
#define TIME_WITHOUT_LOOK_NS   (50 * CLOCK_NS_PER_MS)
#define RECEIVES_WITHOUT_CLOCK 2

/*
 * Maximum receives of bytes that arrived before the server ends: more than a receive buffer holds.
 */
#define LAST_RECEIVES 64

/*
 * First and longest pause between two checks of acknowledgements, while the last bytes are in
 * transit.
 */
#define FIRST_LOOK_NS CLOCK_NS_PER_MS
#define LAST_LOOK_NS  (500 * CLOCK_NS_PER_MS)

/* Our FIN counts as an unacknowledged byte (RFC 9293 3.4). The kernel alone handles that one. */
#define FIN_SIZE 1

/* State of a session between steps. */
struct run {
	const struct session *session;
	struct echo echo;
	enum close_reason reason;
	uint64_t linger_deadline_ns;
	unsigned int rounds; /* receives since the last poll of the shutdown pipe */
	uint64_t looked_ns;  /* time of that poll, 0: not yet known */
	bool is_quiet;       /* the last receive found no bytes */
	uint64_t waited_ns;  /* and waited this long for them */
	bool aborting;       /* the shutdown pipe is closed; not polled again */
	unsigned int n_last; /* receives left for bytes that have arrived */
	bool has_noticed;    /* notice_fd was ready; not polled again */
};

static void session_set_reason(struct run *run, enum close_reason reason, int code)
{
	if (run->reason != CLOSE_NONE)
		return; /* what happens while lingering is not the reason */
	run->reason = reason;
	atomic_store_explicit(&run->session->stats->code, code, memory_order_relaxed);
}

static void fail(struct run *run, int code)
{
	session_set_reason(run, close_reason_of_code(code), code);
	echo_failed(&run->echo);
}

static void session_stop(struct run *run, enum close_reason reason, uint64_t linger_deadline_ns)
{
	session_set_reason(run, reason, 0);
	run->linger_deadline_ns = linger_deadline_ns;
	echo_stop(&run->echo);
}

static bool is_lingering(const struct run *run)
{
	return echo_wants(&run->echo) == ECHO_DISCARD;
}

/*
 * The server aborts, and waits for this session. Bytes that have arrived are still echoed, because
 * we may have been stopped (SIGSTOP) until now. A linger timeout that runs already is shortened.
 */
static void session_abort(struct run *run)
{
	run->aborting = true;
	run->n_last = LAST_RECEIVES;
	if (run->session->notice != NULL)
		run->session->notice(run->session->context, true);
	if (is_lingering(run))
		run->linger_deadline_ns = clock_earlier_ns(
			run->linger_deadline_ns, clock_deadline_ns(SESSION_LINGER_ABORTING_NS));
}

static void stop_for_drain(struct run *run)
{
	session_stop(run, CLOSE_DRAIN, clock_deadline_ns(SESSION_LINGER_ABORTING_NS));
}

/* Returns whether the server aborts and the session still echoes bytes that have arrived. */
static bool is_at_its_last(const struct run *run)
{
	return run->aborting && !is_lingering(run);
}

static void notice(struct run *run)
{
	run->has_noticed = true;
	run->session->notice(run->session->context, false);
}

static int notice_fd(const struct run *run)
{
	return run->session->notice == NULL || run->has_noticed ? -1 : run->session->notice_fd;
}

/* Like io_wait(), and does other work of the process meanwhile. */
MUST_USE static int wait_beside(const struct run *run, struct pollfd *fds, size_t n,
				uint64_t deadline_ns)
{
	const struct session *session = run->session;
	for (;;) {
		uint64_t beside_ns = session->do_beside != NULL
					     ? session->do_beside(session->context)
					     : CLOCK_NEVER;
		int ready = io_wait(fds, n, clock_earlier_ns(deadline_ns, beside_ns));
		if (ready != 0 || deadline_ns <= beside_ns)
			return ready;
	}
}

/*
 * Waits once, for the client's socket or the shutdown pipe. Returns false if the deadline came
 * first. A lingering client that is always ready also ends at the deadline: if the deadline had
 * passed at the previous poll, all bytes that arrived before it have been read.
 */
static bool wait_once(struct run *run, short events, uint64_t deadline_ns)
{
	struct pollfd fds[] = {
		{ .fd = run->session->fd, .events = events },
		{ .fd = run->aborting ? -1 : run->session->shutdown_fd, .events = POLLIN },
		{ .fd = notice_fd(run), .events = POLLIN },
	};
	uint64_t before_ns = run->looked_ns;
	int ready = wait_beside(run, fds, ARRAY_LEN(fds), deadline_ns);
	run->rounds = 0;
	run->looked_ns = clock_now_ns();
	if (ready < 0 && !err_is_shortage(ready))
		fail(run, ready);
	else if (fds[1].revents != 0)
		session_abort(run);
	else if (fds[2].revents != 0)
		notice(run);
	else if (is_lingering(run))
		return ready > 0 && before_ns < deadline_ns;
	return ready != 0;
}

/*
 * Waits until the idle timeout expires without progress. While we wait, the kernel continues to
 * send our bytes. The connection is idle only if none of them was acknowledged during the wait
 * either.
 */
static void wait_while_moving(struct run *run, short events)
{
	size_t before, after = io_unacknowledged(run->session->fd);
	uint64_t idle_ns = run->session->idle_timeout_ns;
	do {
		if (wait_once(run, events, clock_deadline_ns(idle_ns - run->waited_ns)))
			return;
		run->waited_ns = 0;
		before = after;
		after = io_unacknowledged(run->session->fd);
	} while (after < before);
	session_stop(run, CLOSE_IDLE, clock_deadline_ns(SESSION_LINGER_IDLE_NS));
}

/*
 * Waits until the client's socket is ready for `events`, or the connection is stopped or has
 * failed: then the echo wants something else.
 */
static void session_wait(struct run *run, short events)
{
	if (is_lingering(run)) {
		if (!wait_once(run, events, run->linger_deadline_ns))
			echo_stop(&run->echo);
	} else if (run->session->idle_timeout_ns != 0) {
		wait_while_moving(run, events);
	} else {
		ignore_result(wait_once(run, events,
					CLOCK_NEVER)); /* CLOCK_NEVER: it never returns false */
	}
}

/* Returns whether the shutdown pipe must be polled now. */
static bool must_look(struct run *run)
{
	if (++run->rounds <= RECEIVES_WITHOUT_CLOCK && run->looked_ns == 0)
		return false;
	uint64_t now_ns = clock_now_ns();
	if (run->looked_ns == 0)
		run->looked_ns = now_ns;
	return run->rounds >= RECEIVES_WITHOUT_LOOK ||
	       now_ns - run->looked_ns >= TIME_WITHOUT_LOOK_NS;
}

/*
 * Returns whether recv may block. That saves a poll(2) if the client sends again soon. But a
 * blocking recv does not see the shutdown pipe, and its only deadline is the receive timeout.
 */
static bool may_be_patient(const struct run *run)
{
	uint64_t idle_ns = run->session->idle_timeout_ns;
	uint64_t recv_timeout_ns = run->session->recv_timeout_ns;
	return recv_timeout_ns != 0 && !is_lingering(run) &&
	       (idle_ns == 0 || idle_ns > recv_timeout_ns);
}

/* Waits out a shortage of kernel memory: the call is repeated a little later. */
static void session_wait_out_shortage(struct run *run)
{
	run->is_quiet = true; /* so that all deadlines are checked meanwhile */
	ignore_result(wait_once(run, 0, clock_deadline_ns(IO_SHORTAGE_PAUSE_NS)));
}

static void session_receive(struct run *run)
{
	const struct session *session = run->session;
	bool patient = !run->aborting && may_be_patient(run);
	if (!is_at_its_last(run) && (run->is_quiet || must_look(run))) {
		enum echo_want want = echo_wants(&run->echo);
		session_wait(run, POLLIN);
		if (echo_wants(&run->echo) != want)
			return;
		patient = false;
	}
	if (is_at_its_last(run) && run->n_last-- == 0) {
		stop_for_drain(run);
		return;
	}
	ssize_t n = (patient ? io_recv_wait : io_recv)(session->fd, session->buffer,
						       SESSION_BUFFER_SIZE);
	run->is_quiet = n == -EAGAIN;
	run->waited_ns = 0;
	/* Bytes that were acknowledged meanwhile are progress: then the idle time begins now. */
	if (patient && run->is_quiet && io_unacknowledged(session->fd) == 0)
		run->waited_ns = session->recv_timeout_ns;
	if (n > 0)
		echo_got(&run->echo, (size_t)n);
	else if (n == 0)
		echo_ended(&run->echo);
	else if (err_is_shortage((int)n))
		session_wait_out_shortage(run);
	else if (n != -EAGAIN)
		fail(run, (int)n);
	else if (is_at_its_last(run))
		stop_for_drain(run);
}

static void session_send_kept(struct run *run)
{
	size_t at;
	size_t kept = echo_kept(&run->echo, &at);
	ssize_t n = io_send(run->session->fd, run->session->buffer + at, kept);
	if (n > 0)
		echo_sent(&run->echo, (size_t)n);
	else if (err_is_shortage((int)n))
		session_wait_out_shortage(run);
	else if (n != -EAGAIN)
		fail(run, (int)n);
	else if (run->aborting)
		stop_for_drain(run);
	else
		session_wait(run, POLLOUT);
}

/* Returns the deadline of the idle timeout. */
static uint64_t idle_deadline_ns(const struct run *run)
{
	uint64_t idle_ns = run->session->idle_timeout_ns;
	return idle_ns != 0 ? clock_deadline_ns(idle_ns) : CLOCK_NEVER;
}

/*
 * Waits until the client has acknowledged every byte. The kernel continues to deliver after a
 * close, but not for long to a slow reader: it gives up orphaned connections (tcp(7),
 * tcp_orphan_retries). An acknowledgement causes no event, so this checks again and again, at
 * longer intervals while nothing changes.
 */
static void stay_until_delivered(struct run *run)
{
	uint64_t pause_ns = FIRST_LOOK_NS, deadline_ns = idle_deadline_ns(run);
	size_t left = io_unacknowledged(run->session->fd);
	if (run->aborting)
		deadline_ns = clock_deadline_ns(SESSION_LINGER_ABORTING_NS);
	while (left > FIN_SIZE && run->reason == CLOSE_NONE) {
		struct pollfd shutdown_pipe = { .fd = run->aborting ? -1
								    : run->session->shutdown_fd,
						.events = POLLIN };
		int ready = wait_beside(run, &shutdown_pipe, 1,
					clock_earlier_ns(deadline_ns, clock_deadline_ns(pause_ns)));
		uint64_t looked_ns =
			clock_now_ns(); /* before the checks: they are compared with this time */
		bool is_lost = ready < 0 && !err_is_shortage(ready);
		int code = is_lost ? ready : io_pending_error(run->session->fd);
		size_t before = left;
		left = io_unacknowledged(run->session->fd);
		if (code < 0) {
			fail(run, code);
		} else if (ready > 0) {
			session_abort(run);
			deadline_ns = clock_deadline_ns(SESSION_LINGER_ABORTING_NS);
		} else if (left < before && !run->aborting) {
			deadline_ns = idle_deadline_ns(run);
		} else if (left > FIN_SIZE && looked_ns >= deadline_ns) {
			session_stop(run, run->aborting ? CLOSE_DRAIN : CLOSE_IDLE, deadline_ns);
		}
		pause_ns = pause_ns < LAST_LOOK_NS ? 2 * pause_ns : LAST_LOOK_NS;
	}
}

static void session_finish(struct run *run)
{
	int rc = io_send_end(run->session->fd);
	if (rc < 0)
		fail(run, rc);
	else if (!run->echo.stopped && !run->session->is_unix)
		stay_until_delivered(run);
	if (echo_wants(&run->echo) == ECHO_FINISH)
		echo_finished(&run->echo);
}

static void publish_stats(const struct run *run)
{
	struct conn_stats *stats = run->session->stats;
	atomic_store_explicit(&stats->in, run->echo.in, memory_order_relaxed);
	atomic_store_explicit(&stats->out, run->echo.out, memory_order_relaxed);
}

enum close_reason session_run(const struct session *session)
{
	struct run run = { .session = session };
	assert((uintptr_t)session->buffer % IO_ALIGNMENT == 0);
	for (;;) {
		switch (echo_wants(&run.echo)) {
		case ECHO_READ:
		case ECHO_DISCARD:
			session_receive(&run);
			break;
		case ECHO_WRITE:
			session_send_kept(&run);
			break;
		case ECHO_FINISH:
			session_finish(&run);
			break;
		case ECHO_CLOSE:
			session_set_reason(&run, CLOSE_EOF, 0);
			atomic_store_explicit(&session->stats->reason, (int)run.reason,
					      memory_order_release);
			return run.reason;
		}
		publish_stats(&run);
	}
}
