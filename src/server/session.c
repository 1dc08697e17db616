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
#include "server/session.h"

#include <errno.h>

#include "base/clock.h"
#include "echo/echo.h"
#include "net/io.h"

/*
 * After so many rounds without having to wait we look at the lifeline all the same: a client who
 * never lets us wait must not keep the server from ending.
 */
#define ROUNDS_WITHOUT_WAIT 64

/* What a session carries from step to step. */
struct run {
	const struct session *session;
	struct echo echo;
	enum ending ending;
	uint64_t linger_deadline_ns;
	unsigned int rounds;
	bool expect_wait; /* the last receive took all there was: waiting first saves a call */
};

static void end_with(struct run *run, enum ending ending, int code)
{
	if (run->ending != ENDING_NONE)
		return; /* what happens while lingering is not the reason */
	run->ending = ending;
	atomic_store_explicit(&run->session->score->code, code, memory_order_relaxed);
}

static void fail(struct run *run, int code)
{
	end_with(run, ending_of_code(code), code);
	echo_failed(&run->echo);
}

static void stop(struct run *run, enum ending ending, uint64_t linger_ns)
{
	end_with(run, ending, 0);
	run->linger_deadline_ns = clock_deadline_ns(linger_ns);
	echo_stop(&run->echo);
}

static bool is_lingering(const struct run *run)
{
	return echo_wants(&run->echo) == ECHO_DISCARD;
}

static uint64_t deadline_of(const struct run *run)
{
	if (is_lingering(run))
		return run->linger_deadline_ns;
	uint64_t idle_ns = run->session->idle_timeout_ns;
	return idle_ns != 0 ? clock_deadline_ns(idle_ns) : CLOCK_NEVER;
}

/*
 * Waits until the client's socket is ready for `events` and returns true; or takes note that the
 * conversation is stopped or broken, after which the echo wants something else, and returns false.
 */
static bool wait_for(struct run *run, short events)
{
	struct pollfd fds[] = {
		{ .fd = run->session->fd, .events = events },
		/* Once called off we know it, and would only be woken by it for ever. */
		{ .fd = is_lingering(run) ? -1 : run->session->lifeline_fd, .events = POLLIN },
	};
	run->rounds = 0;
	uint64_t deadline_ns = deadline_of(run);
	int ready = io_wait(fds, ARRAY_LEN(fds), deadline_ns);
	/* A client who goes on sending while we linger is always ready: his time ends as well. */
	bool is_late = ready == 0 || (is_lingering(run) && clock_now_ns() >= deadline_ns);
	if (ready < 0)
		fail(run, ready);
	else if (is_late)
		stop(run, ENDING_IDLE, SESSION_LINGER_IDLE_NS);
	else if (fds[1].revents != 0)
		stop(run, ENDING_DRAIN, SESSION_LINGER_CALLED_OFF_NS);
	else
		return true;
	return false;
}

static bool must_wait_first(struct run *run)
{
	return run->expect_wait || ++run->rounds >= ROUNDS_WITHOUT_WAIT;
}

static void receive(struct run *run)
{
	if (must_wait_first(run) && !wait_for(run, POLLIN))
		return;

	ssize_t n = io_recv(run->session->fd, run->session->buffer, SESSION_BUFFER_SIZE);
	run->expect_wait = n < (ssize_t)SESSION_BUFFER_SIZE;
	if (n > 0)
		echo_got(&run->echo, (size_t)n);
	else if (n == 0)
		echo_ended(&run->echo);
	else if (n != -EAGAIN)
		fail(run, (int)n);
}

static void send_kept(struct run *run)
{
	size_t at;
	size_t kept = echo_kept(&run->echo, &at);
	ssize_t n = io_send(run->session->fd, run->session->buffer + at, kept);
	if (n > 0)
		echo_sent(&run->echo, (size_t)n);
	else if (n != -EAGAIN)
		fail(run, (int)n);
	else
		ignore_result(wait_for(run, POLLOUT)); /* ready or stopped: the echo knows */
}

static void finish(struct run *run)
{
	int rc = io_send_end(run->session->fd);
	if (rc < 0)
		fail(run, rc);
	else
		echo_finished(&run->echo);
}

static void note_score(const struct run *run)
{
	struct score *score = run->session->score;
	atomic_store_explicit(&score->in, run->echo.in, memory_order_relaxed);
	atomic_store_explicit(&score->out, run->echo.out, memory_order_relaxed);
}

enum ending session_run(const struct session *session)
{
	struct run run = { .session = session };
	for (;;) {
		switch (echo_wants(&run.echo)) {
		case ECHO_READ:
		case ECHO_DISCARD:
			receive(&run);
			break;
		case ECHO_WRITE:
			send_kept(&run);
			break;
		case ECHO_FINISH:
			finish(&run);
			break;
		case ECHO_CLOSE:
			end_with(&run, ENDING_EOF, 0);
			atomic_store_explicit(&session->score->ending, (int)run.ending,
					      memory_order_release);
			return run.ending;
		}
		note_score(&run);
	}
}
