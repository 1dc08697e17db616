/* SPDX-License-Identifier: MIT */
#include "client/check/check_conn.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/units.h"
#include "client/mismatch.h"
#include "net/connect.h"
#include "net/io.h"
#include "net/sockopt.h"

/* While as much as possible is to be on its way, what comes back is left unread for this time. */
#define PUSH_NS (50 * CLOCK_NS_PER_MS)

/* ---- opening and closing ---- */

/* Waits for the outcome of connecting. Returns 0 or a negative code. */
MUST_USE static int await_connected(struct check_job *job, int fd)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLOUT },
		{ .fd = job->cancel_fd, .events = POLLIN },
	};
	uint64_t deadline_ns =
		clock_earlier_ns(clock_deadline_ns(job->settings->wait_ns), job->deadline_ns);
	int ready = io_wait(fds, ARRAY_LEN(fds), deadline_ns);
	if (ready < 0)
		return ready;
	if (fds[1].revents != 0)
		return -ECANCELED;
	return ready == 0 ? -ETIMEDOUT : connect_outcome(fd);
}

int check_begin_open(struct check_job *job, const struct check_open *how,
		     struct check_conn *ret_conn)
{
	const struct addr *addr = how->addr != NULL ? how->addr : &job->path->addr;
	const struct connect_options options = {
		.source = how->source,
		.receive_buffer = how->receive_buffer,
		.protocol = how->protocol,
		.fast_open = how->fast_open,
	};
	uint64_t number = atomic_fetch_add_explicit(job->n_connections, 1, memory_order_relaxed);
	*ret_conn = (struct check_conn){ .job = job, .fd = -1, .received = 1 };
	stream_begin(&ret_conn->stream, job->settings->seed, number);
	ret_conn->moved_ns = clock_now_ns();
	int fd = connect_begin_with(addr, &options);
	if (fd >= 0)
		ret_conn->fd = fd;
	return fd < 0 ? fd : 0;
}

int check_finish_open(struct check_conn *conn)
{
	int rc = await_connected(conn->job, conn->fd);
	uint64_t begun_ns = conn->moved_ns;
	conn->moved_ns = clock_now_ns();
	conn->connect_ns = conn->moved_ns - begun_ns;
	if (rc == -ECONNRESET) { /* only an established connection is reset: the check judges it */
		conn->broken = rc;
		rc = 0;
	}
	if (rc < 0)
		io_close(&conn->fd);
	return rc;
}

int check_try_open(struct check_job *job, const struct check_open *how, struct check_conn *ret_conn)
{
	int rc = check_begin_open(job, how, ret_conn);
	return rc < 0 ? rc : check_finish_open(ret_conn);
}

bool check_open_with(struct check_job *job, const struct check_open *how,
		     struct check_conn *ret_conn)
{
	int rc = check_try_open(job, how, ret_conn);
	if (rc < 0 && rc != -ECANCELED)
		check_fail(job, check_text("a connection"), check_text("%s", err_text(rc).text),
			   rc == -ETIMEDOUT ? "no answer to the SYN" : "");
	return rc == 0;
}

bool check_open(struct check_job *job, struct check_conn *ret_conn)
{
	return check_open_with(job, &(struct check_open){ 0 }, ret_conn);
}

void check_close(struct check_conn *conn)
{
	io_close(&conn->fd);
}

void check_reset(struct check_conn *conn)
{
	if (conn->fd >= 0)
		io_reset_on_close(conn->fd);
	io_close(&conn->fd);
}

/* ---- steps ---- */

/* The bytes from buffer + n_right on are wrong. */
static enum check_outcome note_wrong(struct check_conn *conn, size_t n_right, size_t n)
{
	struct check_job *job = conn->job;
	unsigned char *from = job->buffer + n_right;
	n = mismatch_await_more(conn->fd, from, n - n_right, DIAGNOSIS_MAX);
	uint64_t n_connections = atomic_load_explicit(job->n_connections, memory_order_relaxed);
	struct diagnosis_case wrong = stream_case(&conn->stream, n_connections, from, n);
	struct diagnosis diagnosis = diagnose(&wrong);
	snprintf(conn->wrong, sizeof(conn->wrong), "%s", diagnosis.text);
	if (!job->result->has_offset) {
		job->result->has_offset = true;
		job->result->offset = conn->stream.returned;
	}
	return conn->outcome = CHECK_WRONG;
}

/* Notes the end of the connection that a receive has returned. */
static enum check_outcome note_ended(struct check_conn *conn, int code)
{
	conn->received = code == 0 && conn->broken < 0 ? conn->broken : code;
	return conn->outcome = CHECK_ENDED;
}

/* Notes why a send failed. The kernel reports an error once only: a receive returns 0 then. */
static void note_broken(struct check_conn *conn, int code)
{
	if (code < 0 && code != -EAGAIN && conn->broken == 0)
		conn->broken = code == -EPIPE ? -ECONNRESET : code;
}

/* Receives once. Returns CHECK_DONE, CHECK_SILENT if there was nothing, or what ended it. */
static enum check_outcome receive_once(struct check_conn *conn)
{
	size_t size = CHECK_BUFFER_SIZE - DIAGNOSIS_MAX;
	ssize_t n = io_recv(conn->fd, conn->job->buffer, size);
	if (n == -EAGAIN)
		return CHECK_SILENT;
	if (n <= 0)
		return note_ended(conn, (int)n);
	conn->moved_ns = clock_now_ns();
	size_t n_right = stream_verify(&conn->stream, conn->job->buffer, (size_t)n);
	return n_right == (size_t)n ? CHECK_DONE : note_wrong(conn, n_right, (size_t)n);
}

/* Sends once. Returns CHECK_DONE, or CHECK_SILENT if nothing could be sent. */
static enum check_outcome send_once(struct check_conn *conn, size_t piece)
{
	size_t size = piece != 0 && piece < CHECK_BUFFER_SIZE ? piece : CHECK_BUFFER_SIZE;
	size_t n = stream_fill(&conn->stream, conn->job->buffer, size);
	ssize_t sent = stream_send(&conn->stream, conn->fd, conn->job->buffer, n);
	if (sent <= 0) { /* the next receive returns the end */
		note_broken(conn, (int)sent);
		return CHECK_SILENT;
	}
	conn->moved_ns = clock_now_ns();
	return CHECK_DONE;
}

/* Waits for events of the connection. Returns CHECK_DONE, or why the step is over. */
static enum check_outcome await_events(struct check_conn *conn, short events, uint64_t quiet_ns,
				       short *ret_events)
{
	struct check_job *job = conn->job;
	struct pollfd fds[] = {
		{ .fd = conn->fd, .events = events },
		{ .fd = job->cancel_fd, .events = POLLIN },
	};
	uint64_t silent_ns = clock_after_ns(conn->moved_ns, quiet_ns);
	int ready = io_wait(fds, ARRAY_LEN(fds), clock_earlier_ns(silent_ns, job->deadline_ns));
	*ret_events = fds[0].revents;
	if (fds[1].revents != 0)
		return conn->outcome = CHECK_CANCELLED;
	if (ready > 0)
		return CHECK_DONE;
	return conn->outcome = silent_ns <= job->deadline_ns ? CHECK_SILENT : CHECK_LATE;
}

/* Continues a step until the stream has returned everything, or reads to the end. */
static enum check_outcome move(struct check_conn *conn, size_t piece, bool to_the_end)
{
	conn->moved_ns = clock_now_ns();
	while (to_the_end || stream_outstanding(&conn->stream) > 0) {
		short events = POLLIN, ready;
		if (stream_unsent(&conn->stream) > 0)
			events |= POLLOUT;
		if (await_events(conn, events, conn->job->settings->wait_ns, &ready) != CHECK_DONE)
			return conn->outcome;
		if ((ready & ~POLLOUT) != 0) {
			enum check_outcome outcome = receive_once(conn);
			if (outcome == CHECK_WRONG || outcome == CHECK_ENDED)
				return outcome;
		}
		if ((ready & POLLOUT) != 0)
			ignore_result(send_once(conn, piece)); /* none sent: it waits again */
		if (clock_now_ns() >= conn->job->deadline_ns)
			return conn->outcome = CHECK_LATE;
	}
	return conn->outcome = CHECK_DONE;
}

enum check_outcome check_exchange(struct check_conn *conn, uint64_t n, size_t piece)
{
	stream_add_due(&conn->stream, n);
	return move(conn, piece, false);
}

enum check_outcome check_collect(struct check_conn *conn)
{
	return move(conn, 0, false);
}

enum check_outcome check_await_end(struct check_conn *conn)
{
	return move(conn, 0, true);
}

enum check_outcome check_send(struct check_conn *conn, uint64_t n, uint64_t quiet_ns)
{
	stream_add_due(&conn->stream, n);
	conn->moved_ns = clock_now_ns();
	while (stream_unsent(&conn->stream) > 0) {
		short ready;
		if (await_events(conn, POLLOUT, quiet_ns, &ready) != CHECK_DONE) {
			conn->stream.due = conn->stream.sent;
			return conn->outcome;
		}
		if ((ready & (POLLERR | POLLHUP)) != 0) {
			enum check_outcome outcome = receive_once(conn);
			if (outcome == CHECK_WRONG || outcome == CHECK_ENDED)
				return outcome;
		}
		ignore_result(send_once(conn, 0)); /* if nothing could be sent, it waits again */
	}
	return conn->outcome = CHECK_DONE;
}

/* Returns CHECK_DONE when the connection is writable, after reading what makes room. */
static enum check_outcome make_room(struct check_conn *conn)
{
	short ready;
	enum check_outcome outcome = await_events(conn, POLLOUT, PUSH_NS, &ready);
	if (outcome != CHECK_SILENT)
		return outcome;
	conn->moved_ns = clock_now_ns();
	if (await_events(conn, POLLIN | POLLOUT, conn->job->settings->wait_ns, &ready) !=
	    CHECK_DONE)
		return conn->outcome;
	outcome = (ready & POLLIN) != 0 ? receive_once(conn) : CHECK_DONE;
	return outcome == CHECK_SILENT ? CHECK_DONE : outcome;
}

enum check_outcome check_push(struct check_conn *conn, uint64_t n)
{
	stream_add_due(&conn->stream, n);
	conn->moved_ns = clock_now_ns();
	while (stream_unsent(&conn->stream) > 0) {
		enum check_outcome outcome = make_room(conn);
		if (outcome != CHECK_DONE)
			return outcome;
		/* If none could be sent, it makes room again. */
		if (send_once(conn, 0) != CHECK_DONE && conn->broken < 0)
			return move(conn, 0, true);
		if (clock_now_ns() >= conn->job->deadline_ns)
			return conn->outcome = CHECK_LATE;
	}
	return conn->outcome = CHECK_DONE;
}

enum check_outcome check_exchange_raw(struct check_conn *conn, const unsigned char *bytes, size_t n)
{
	size_t sent = 0, back = 0;
	conn->moved_ns = clock_now_ns();
	while (back < n) {
		short ready, events = sent < n ? POLLIN | POLLOUT : POLLIN;
		if (await_events(conn, events, conn->job->settings->wait_ns, &ready) != CHECK_DONE)
			return conn->outcome;
		if ((ready & POLLOUT) != 0) {
			ssize_t more = io_send(conn->fd, bytes + sent, n - sent);
			sent += more > 0 ? (size_t)more : 0;
			note_broken(conn, more < 0 ? (int)more : 0);
		}
		if ((ready & ~POLLOUT) == 0)
			continue;
		ssize_t more = io_recv(conn->fd, conn->job->buffer, CHECK_BUFFER_SIZE);
		if (more == -EAGAIN)
			continue;
		if (more <= 0) {
			conn->raw_returned = back;
			return note_ended(conn, (int)more);
		}
		conn->moved_ns = clock_now_ns();
		for (size_t i = 0; i < (size_t)more; i++, back++) {
			if (back < sent && conn->job->buffer[i] == bytes[back])
				continue;
			snprintf(conn->wrong, sizeof(conn->wrong),
				 back < sent ? "byte %zu is 0x%02x, not 0x%02x"
					     : "byte %zu (0x%02x) was never sent",
				 back, conn->job->buffer[i], bytes[back < sent ? back : 0]);
			conn->raw_returned = back;
			return conn->outcome = CHECK_WRONG;
		}
	}
	conn->raw_returned = back;
	return conn->outcome = CHECK_DONE;
}

size_t check_read_raw(struct check_conn *conn, unsigned char *ret_bytes, size_t n)
{
	size_t size = 0;
	short ready;
	conn->moved_ns = clock_now_ns();
	while (size < n &&
	       await_events(conn, POLLIN, conn->job->settings->wait_ns, &ready) == CHECK_DONE) {
		ssize_t more = io_recv(conn->fd, ret_bytes + size, n - size);
		if (more > 0) {
			size += (size_t)more;
			conn->moved_ns = clock_now_ns();
		} else if (more != -EAGAIN) {
			note_ended(conn, (int)more);
			break;
		}
	}
	for (size_t i = 0; i < size; i++)
		ret_bytes[i] = isprint(ret_bytes[i]) ? ret_bytes[i] : '.';
	return size;
}

enum check_outcome check_send_with_fin(struct check_conn *conn, uint64_t n)
{
	const struct socket_option cork[] = { { IPPROTO_TCP, TCP_CORK, 1 } };
	ignore_result(sockopt_set(conn->fd, cork, 1)); /* not TCP: then there are no segments */
	enum check_outcome outcome = check_push(conn, n);
	return outcome == CHECK_DONE ? check_send_fin(conn) : outcome;
}

enum check_outcome check_send_fin(struct check_conn *conn)
{
	/* It fails if the connection has ended already: the next receive returns how. */
	ignore_result(io_send_end(conn->fd));
	return conn->outcome = CHECK_DONE;
}

enum check_outcome check_pause(struct check_job *job, uint64_t time_ns)
{
	struct pollfd cancel = { .fd = job->cancel_fd, .events = POLLIN };
	uint64_t end_ns = clock_deadline_ns(time_ns);
	int ready = io_wait(&cancel, 1, clock_earlier_ns(end_ns, job->deadline_ns));
	if (ready != 0)
		return CHECK_CANCELLED;
	return end_ns <= job->deadline_ns ? CHECK_DONE : CHECK_LATE;
}

enum check_outcome check_listen(struct check_conn *conn, uint64_t time_ns)
{
	short ready;
	conn->moved_ns = clock_now_ns();
	if (await_events(conn, POLLIN, time_ns, &ready) != CHECK_DONE)
		return conn->outcome;
	return conn->outcome = receive_once(conn);
}

/* ---- what was seen ---- */

enum stream_end check_conn_end(const struct check_conn *conn)
{
	return stream_end_of(&conn->stream, conn->received > 0 ? -EAGAIN : conn->received);
}

struct check_text check_conn_how(const struct check_conn *conn)
{
	switch (conn->outcome) {
	case CHECK_DONE:
		return check_text("and the connection stayed open");
	case CHECK_WRONG:
		return check_text("then a wrong byte: %s", conn->wrong);
	case CHECK_SILENT:
		return check_text("then nothing for %s",
				  units_duration(conn->job->settings->wait_ns).text);
	case CHECK_LATE:
		return check_text("too slowly: the time of this check is over");
	case CHECK_CANCELLED:
		return check_text("then the check was cancelled");
	case CHECK_ENDED:
		break;
	}
	switch (check_conn_end(conn)) {
	case STREAM_END_FIN:
	case STREAM_END_EARLY_FIN:
		return check_text("then FIN");
	case STREAM_END_RESET:
	case STREAM_END_EARLY_RESET:
		return check_text("then RST");
	case STREAM_END_SILENCE:
		return check_text("then nothing");
	case STREAM_END_ERROR:
		break;
	}
	return check_text("then %s", err_text(conn->received).text);
}

struct check_text check_conn_saw(const struct check_conn *conn)
{
	uint64_t returned = conn->stream.returned + conn->raw_returned;
	return check_text("%" PRIu64 " byte%s, %s", returned, units_s(returned),
			  check_conn_how(conn).text);
}

bool check_expect(struct check_conn *conn, enum check_outcome outcome, struct check_text expected,
		  const char *means)
{
	if (conn->outcome == outcome)
		return true;
	if (conn->outcome == CHECK_LATE)
		check_skip(conn->job, "too slow to judge: %" PRIu64 " bytes came back right in %s",
			   conn->stream.returned + conn->raw_returned,
			   units_duration(conn->job->check->timeout_ns).text);
	else if (conn->outcome != CHECK_CANCELLED)
		check_fail(conn->job, expected, check_conn_saw(conn),
			   conn->outcome == CHECK_WRONG ? "" : means);
	return false;
}
