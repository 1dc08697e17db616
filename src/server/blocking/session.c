/* SPDX-License-Identifier: MIT */
/*
 * The happy path: receive, send what was received, again; the client's FIN is a receive of 0; send
 * our FIN; done.
 *
 * What else can happen: a send takes less than all (the echo keeps the rest and wants to write
 * again); there is nothing to receive or no room to send (wait); the client resets, or its host
 * vanishes (the wait ends with an error); nothing moves for too long, or the lifeline is cut (stop,
 * and linger until the client has ended too).
 */
#include "server/blocking/session.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "echo/echo.h"
#include "net/io.h"

/*
 * After so many receives, or so long, without a look at the lifeline we look at it all the same: a
 * client who is never quiet must not keep the server from ending. The first receives are not timed:
 * a short conversation ends with them, and in a child the clock's pages would be new ones.
 */
#define RECEIVES_WITHOUT_LOOK  64
#define TIME_WITHOUT_LOOK_NS   (50 * CLOCK_NS_PER_MS)
#define RECEIVES_WITHOUT_CLOCK 2

/* Receives of what has arrived before the server ends: more than a receive buffer holds. */
#define LAST_RECEIVES 64

/* While the last bytes are on their way: the first and the longest pause between two looks. */
#define FIRST_LOOK_NS CLOCK_NS_PER_MS
#define LAST_LOOK_NS  (500 * CLOCK_NS_PER_MS)

/* Our FIN counts as a byte to be acknowledged (RFC 9293 3.4). The kernel alone sees to that one. */
#define FIN_SIZE 1

/* What a session carries from step to step. */
struct run {
	const struct session *session;
	struct echo echo;
	enum close_reason reason;
	uint64_t linger_deadline_ns;
	unsigned int rounds; /* receives since we last looked at the lifeline, ... */
	uint64_t looked_ns;  /* ... and when that was, 0: not yet known */
	bool is_quiet;       /* the last receive found nothing ... */
	uint64_t waited_ns;  /* ... and waited so long for it */
	bool aborting;       /* the lifeline is cut: once is enough to know ... */
	unsigned int n_last; /* ... and so many receives are left, for what has arrived */
	bool has_noticed;    /* the same of notice_fd */
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
 * The server ends, and waits for us. What has arrived is still echoed: we may have been stopped
 * (SIGSTOP) until now. If we are lingering already, we hurry up.
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

/* The server ends, and does not wait for the client any more. */
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

/* io_wait(), and other work of the process meanwhile. */
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
 * One wait for the client's socket or the lifeline. Returns false if the deadline came first. A
 * lingering client that is always ready is given up if the deadline had passed at the look before:
 * what had arrived by then has been read.
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
 * Has nothing moved for the idle timeout? The kernel sends on what it has of ours while we wait,
 * and only a wait in which none of that reached the client either was idle.
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
 * Waits until the client's socket is ready for `events`, or the conversation is stopped or broken:
 * then the echo wants something else.
 */
static void session_wait(struct run *run, short events)
{
	if (is_lingering(run)) {
		if (!wait_once(run, events, run->linger_deadline_ns))
			echo_stop(&run->echo);
	} else if (run->session->idle_timeout_ns != 0) {
		wait_while_moving(run, events);
	} else {
		ignore_result(wait_once(run, events, CLOCK_NEVER)); /* it never comes */
	}
}

/* Is it time to look at the lifeline? */
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
 * May we sleep in the receive itself? That saves the call that waits, for a client who is soon
 * heard of again. But it is deaf to the lifeline, and to any deadline but the socket's patience.
 */
static bool may_be_patient(const struct run *run)
{
	uint64_t idle_ns = run->session->idle_timeout_ns;
	uint64_t recv_timeout_ns = run->session->recv_timeout_ns;
	return recv_timeout_ns != 0 && !is_lingering(run) &&
	       (idle_ns == 0 || idle_ns > recv_timeout_ns);
}

/* The kernel had no memory: a call is made again a little later. */
static void session_wait_out_shortage(struct run *run)
{
	run->is_quiet = true; /* so that all deadlines are kept meanwhile */
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
	/* What still reached the client meanwhile was a move: then the wait begins now. */
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

/* The deadline by which something has to move. */
static uint64_t idle_deadline_ns(const struct run *run)
{
	uint64_t idle_ns = run->session->idle_timeout_ns;
	return idle_ns != 0 ? clock_deadline_ns(idle_ns) : CLOCK_NEVER;
}

/*
 * Stays until the client has acknowledged every byte. The kernel goes on delivering when we are
 * gone, but not for long to a client who is slow to read: it gives up on connections that nobody
 * holds (tcp(7), tcp_orphan_retries). There is no event for an acknowledgement, so we look again
 * and again, less and less often, while nothing moves.
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
		uint64_t looked_ns = clock_now_ns(); /* judged is what was there then */
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

static void note_score(const struct run *run)
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
		note_score(&run);
	}
}
