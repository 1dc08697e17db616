/* SPDX-License-Identifier: MIT */
/*
 * The happy path: connect; when a message is due, send it, receive until all of it is back, compare
 * it, note the time; the next is due one interval after the last was.
 *
 * What else can happen: it does not come back in time, a byte of it is wrong, or the server ends or
 * resets. The line of that message says so, and because what follows on such a stream means nothing
 * any more, the next message goes out on a new connection. A message may be larger than what the
 * connection holds, so it is received while it is sent. A message that comes back later than the
 * next is due delays that; messages that were due meanwhile are left out.
 */
#include "client/ping.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/pattern.h"
#include "base/units.h"
#include "client/dial.h"
#include "client/tally.h"
#include "client/teller.h"
#include "client/wrong.h"
#include "net/connect.h"
#include "net/io.h"
#include "net/signals.h"

/* Received at a time; behind it there is room for what a diagnosis waits for. */
#define PIECE_SIZE ((size_t)64 * 1024)

/*
 * The answer to a message is first waited for in recv(2): one call, instead of poll(2) and recv(2).
 * A signal waits meanwhile, so it has a bound; below the minimum the kernel's rounding matters.
 */
#define PATIENCE_MOST_NS  (100 * CLOCK_NS_PER_MS)
#define PATIENCE_LEAST_NS (10 * CLOCK_NS_PER_MS)

#define LOOKS_WITHOUT_SIGNAL 1024 /* turns of a spinning wait between two reads of the signals */

struct ping {
	const struct ping_config *config;
	struct ping_report *report;
	struct addr addr;
	int signals_fd;
	bool is_over; /* INT or TERM has come, or standard output is lost */

	int fd;          /* the connection, -1: there is none */
	bool is_patient; /* its receives may wait */
	struct pattern pattern;
	uint64_t sent, returned; /* bytes on it, since it was opened */
	uint64_t due;            /* the message that is under way ends there */
	uint64_t back_ns;        /* when bytes of it came last */
	uint64_t connect_ns;     /* how long connecting took */

	struct tally tally;
	uint64_t number;                /* of the message, from 1 */
	const char *failure;            /* its name, NULL: it is back */
	char why[RESULT_SENTENCE_SIZE]; /* and its sentence */
	unsigned int n_looks;
	struct teller *teller;

	IO_ALIGNED unsigned char piece[PIECE_SIZE + DIAGNOSIS_MOST];
};

/* The message has failed. The first reason counts. */
PRINTF_LIKE(3, 4)
static void fail(struct ping *ping, const char *name, const char *format, ...)
{
	if (ping->failure != NULL)
		return;
	ping->failure = name;
	va_list values;
	va_start(values, format);
	vsnprintf(ping->why, sizeof(ping->why), format, values);
	va_end(values);
}

/* ---- signals ---- */

/* As ping(8) does it: one line, and on it goes. */
static void say_so_far(const struct ping *ping)
{
	const struct result *result = &ping->report->result;
	const struct histogram *times = &result->response;
	log_notice("%" PRIu64 "/%" PRIu64 " came back, p50/p99/max %.1f/%.1f/%.1f us",
		   result->n_echoes, result->n_sent, clock_us(histogram_percentile_ns(times, 50)),
		   clock_us(histogram_percentile_ns(times, 99)), clock_us(times->max_ns));
}

static void hear_signals(struct ping *ping)
{
	int signal;
	while ((signal = signals_next(ping->signals_fd)) != 0) {
		if (signal == SIGQUIT) {
			say_so_far(ping);
			continue;
		}
		ping->is_over = true;
		ping->teller->wait.ended_by = signal;
	}
}

/* ---- one connection ---- */

static void close_connection(struct ping *ping)
{
	if (ping->fd >= 0)
		ping->report->has_kernel |= tcpinfo_of(ping->fd, &ping->report->kernel) &&
					    tcpinfo_sending_of(ping->fd, &ping->report->sending);
	io_close(&ping->fd);
}

static uint64_t patience_ns(const struct ping *ping)
{
	return ping->config->wait_ns != 0 ? ping->config->wait_ns : CLOCK_NEVER / 2;
}

static void begin_connection(struct ping *ping, int fd, uint64_t took_ns)
{
	struct result *result = &ping->report->result;
	uint64_t patience = clock_earlier_ns(patience_ns(ping), PATIENCE_MOST_NS);
	ping->is_patient = !ping->config->spin && patience >= PATIENCE_LEAST_NS &&
			   io_make_patient(fd, patience) == 0;
	ping->fd = fd;
	ping->connect_ns = took_ns;
	ping->pattern = pattern_of(ping->config->seed, result->n_connections++);
	ping->sent = ping->returned = ping->due = 0;
	histogram_record(&result->connect, ping->connect_ns);
}

/* Waits for a descriptor, -1: none, and reads signals. Returns 1, 0 at the end, or a code. */
MUST_USE static int wait_and_hear(struct ping *ping, int fd, short events, uint64_t deadline_ns)
{
	while (!ping->is_over) {
		struct pollfd fds[] = {
			{ .fd = fd, .events = events },
			{ .fd = ping->signals_fd, .events = POLLIN },
			teller_pollfd(ping->teller),
		};
		uint64_t retry_ns = teller_deadline_ns(ping->teller);
		int ready = io_wait(fds, ARRAY_LEN(fds), clock_earlier_ns(deadline_ns, retry_ns));
		if (fds[1].revents != 0)
			hear_signals(ping);
		if (ready >= 0 && (fds[2].revents != 0 || clock_now_ns() >= retry_ns))
			ping->is_over |= !teller_check(ping->teller);
		bool is_late = ready == 0 && clock_now_ns() >= deadline_ns;
		if (ready < 0 || fds[0].revents != 0 || is_late)
			return ready;
	}
	return 0;
}

/* Connects to the address that answered before. Returns a socket or a negative code. */
MUST_USE static int connect_again(struct ping *ping, uint64_t deadline_ns)
{
	int fd, rc;
	for (bool is_last = false; (fd = connect_begin(&ping->addr, NULL)) == -EAGAIN;
	     is_last = clock_now_ns() >= deadline_ns) {
		if (ping->is_over || is_last)
			return ERR_QUEUE_FULL;
		rc = wait_and_hear(ping, -1, 0, clock_deadline_ns(CONNECT_RETRY_NS));
		if (rc < 0)
			return rc;
	}
	if (fd < 0)
		return fd;
	rc = wait_and_hear(ping, fd, POLLOUT, deadline_ns);
	if (rc >= 0)
		rc = rc == 0 ? -ETIMEDOUT : connect_outcome(fd);
	if (rc == 0)
		return fd;
	io_close(&fd);
	return rc;
}

/* A new connection instead of one that has failed. */
static void open_connection(struct ping *ping)
{
	uint64_t since_ns = clock_now_ns();
	int fd = connect_again(ping, since_ns + patience_ns(ping));
	if (fd >= 0)
		begin_connection(ping, fd, clock_now_ns() - since_ns);
	else if (!ping->is_over)
		fail(ping, err_name(fd), "cannot connect: %s", err_text(fd).text);
}

/* ---- one message ---- */

/* n bytes are there, of which the first n_right are right. */
static void judge_bytes(struct ping *ping, size_t n_right, size_t n)
{
	struct result *result = &ping->report->result;
	unsigned char *from = ping->piece + n_right;
	n = wrong_await_more(ping->fd, from, n - n_right, DIAGNOSIS_MOST);
	const struct diagnosis_case wrong = {
		.seed = ping->config->seed,
		.connection = result->n_connections - 1,
		.n_connections = result->n_connections,
		.offset = ping->returned,
		.sent = ping->sent,
		.most_sent = ping->sent,
		.received = from,
		.n = n,
	};
	result->n_mismatches++;
	fail(ping, "mismatch", "%s",
	     wrong_say(&wrong, result->n_echoes == 0 ? &ping->addr : NULL).text);
	if (result->first_mismatch[0] == '\0')
		memcpy(result->first_mismatch, ping->why, sizeof(result->first_mismatch));
}

/* The message will not come back, or not all of it. */
static void judge_loss(struct ping *ping, const char *name, const char *what)
{
	uint64_t size = ping->config->size;
	uint64_t left = ping->due > ping->returned ? ping->due - ping->returned : 0;
	fail(ping, name, "%s: %" PRIu64 " of %" PRIu64 " bytes came back", what, size - left, size);
}

static void judge_silence(struct ping *ping)
{
	char what[64];
	snprintf(what, sizeof(what), "no reply within %s",
		 units_duration(ping->config->wait_ns).text);
	judge_loss(ping, "no_reply", what);
}

static void send_some(struct ping *ping)
{
	uint64_t left = ping->due - ping->sent;
	size_t size = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;
	pattern_fill(&ping->pattern, ping->sent, ping->piece, size);
	ssize_t n = io_send(ping->fd, ping->piece, size);
	if (n > 0) {
		ping->sent += (uint64_t)n;
		ping->report->result.bytes_sent += (uint64_t)n;
	} else if (n != -EAGAIN && n != -EPIPE) { /* that it is gone, and how, the receive says */
		judge_loss(ping, err_name((int)n), err_text((int)n).text);
	}
}

static void verify(struct ping *ping, size_t n)
{
	uint64_t in_flight = ping->sent - ping->returned;
	size_t most = n < in_flight ? n : (size_t)in_flight;
	size_t n_right = pattern_match(&ping->pattern, ping->returned, ping->piece, most);
	ping->returned += n_right;
	ping->report->result.bytes_verified += n_right;
	if (n_right < n)
		judge_bytes(ping, n_right, n);
}

/* What a receive gave. Returns whether anything came. */
static bool judge_received(struct ping *ping, ssize_t n)
{
	if (n == -EAGAIN)
		return false;
	ping->back_ns = clock_now_ns();
	if (n > 0)
		verify(ping, (size_t)n);
	else if (n == 0)
		judge_loss(ping, "ended", "the server ended the connection");
	else
		judge_loss(ping, err_name((int)n), err_text((int)n).text);
	return true;
}

static bool receive_some(struct ping *ping)
{
	return judge_received(ping, io_recv(ping->fd, ping->piece, PIECE_SIZE));
}

/* It is all sent: the first of it is waited for, not for long. The rest has a deadline. */
static bool receive_patiently(struct ping *ping)
{
	bool has_begun = ping->due - ping->returned < ping->config->size;
	return ping->is_patient && ping->failure == NULL && ping->sent == ping->due && !has_begun &&
	       judge_received(ping, io_recv_patiently(ping->fd, ping->piece, PIECE_SIZE));
}

/* Waits until something may have come, or can be sent. Returns false at the deadline. */
static bool wait_for_server(struct ping *ping, uint64_t deadline_ns)
{
	short events = ping->sent < ping->due ? POLLIN | POLLOUT : POLLIN;
	bool spins = ping->config->spin;
	bool is_late = spins && clock_now_ns() >= deadline_ns;
	if (spins && !is_late && ++ping->n_looks % LOOKS_WITHOUT_SIGNAL != 0)
		return true;
	/* At the deadline too: a reply may have come while we were stopped. */
	int ready = wait_and_hear(ping, ping->fd, events, spins ? 0 : deadline_ns);
	if (ready < 0)
		fail(ping, err_name(ready), "cannot wait: %s", err_text(ready).text);
	return ready != 0 || ping->is_over || (spins && !is_late);
}

/* A round trip, and when it was over, if the message is back; else `failure` says what happened. */
struct trip {
	uint64_t took_ns, now_ns;
};

static struct trip exchange(struct ping *ping)
{
	uint64_t start_ns = clock_now_ns();
	uint64_t deadline_ns = start_ns + patience_ns(ping);
	ping->due += ping->config->size;
	ping->report->result.n_sent++;
	while (ping->failure == NULL && ping->returned < ping->due && !ping->is_over) {
		if (ping->sent < ping->due)
			send_some(ping);
		if (receive_patiently(ping))
			continue;
		if (!wait_for_server(ping, deadline_ns))
			judge_silence(ping);
		else
			ignore_result(receive_some(ping)); /* nothing yet: it waits again */
	}
	return (struct trip){ .took_ns = ping->back_ns - start_ns, .now_ns = ping->back_ns };
}

/* ---- what is said of it ---- */

static void say_back(struct ping *ping, uint64_t ns)
{
	char connect[48] = "";
	if (ping->config->connect_each)
		snprintf(connect, sizeof(connect), " connect=%.1f us", clock_us(ping->connect_ns));
	teller_say(ping->teller, "%" PRIu64 " bytes from %s: seq=%" PRIu64 "%s time=%.1f us",
		   ping->config->size, ping->report->address.text, ping->number, connect,
		   clock_us(ns));
	ping->is_over |= !teller_flush(ping->teller);
}

static void say_failed(struct ping *ping)
{
	teller_say(ping->teller, "seq=%" PRIu64 ": %s", ping->number, ping->why);
	ping->is_over |= !teller_flush(ping->teller);
}

static void do_message(struct ping *ping)
{
	struct trip trip = { 0 };
	ping->number++;
	ping->failure = NULL;
	if (ping->fd < 0)
		open_connection(ping);
	if (ping->fd >= 0)
		trip = exchange(ping);
	if (ping->failure != NULL) {
		tally_failure(&ping->tally, ping->failure, clock_now_ns());
		say_failed(ping);
	} else if (ping->fd < 0) {
		ping->number--; /* ended before it was sent */
	} else if (ping->returned < ping->due) {
		/* Ended while it was under way: it is as if it had never been sent. */
		ping->report->result.n_sent--;
		ping->report->result.bytes_sent -= ping->sent - ping->returned;
		ping->number--;
	} else {
		tally_echo(&ping->tally, trip.now_ns, trip.took_ns);
		say_back(ping, trip.took_ns);
	}
	if (ping->failure != NULL || ping->config->connect_each)
		close_connection(ping);
}

/* ---- all of them ---- */

/* Between two messages nothing is to come: what does is the end, or was never sent. */
static void look_while_idle(struct ping *ping)
{
	ping->failure = NULL;
	if (!receive_some(ping))
		return;
	tally_failure(&ping->tally, ping->failure, clock_now_ns());
	say_failed(ping);
	close_connection(ping);
}

/* To the nanosecond, as far as the kernel goes: poll(2) has milliseconds, and rounds them up. */
static void wait_until_due(struct ping *ping, uint64_t due_ns)
{
	uint64_t now_ns;
	while (!ping->is_over && (now_ns = clock_now_ns()) < due_ns) {
		uint64_t left_ns = due_ns - now_ns;
		if (left_ns <= CLOCK_NS_PER_MS) {
			clock_sleep_until(due_ns);
			break;
		}
		int ready = wait_and_hear(ping, ping->fd, POLLIN, due_ns - CLOCK_NS_PER_MS);
		if (ready < 0)
			break;
		if (ready > 0)
			look_while_idle(ping);
	}
}

/* The next time on the beat that is still to come. */
static uint64_t next_due_ns(const struct ping *ping, uint64_t due_ns)
{
	uint64_t interval_ns = ping->config->interval_ns, now_ns = clock_now_ns();
	if (interval_ns == 0)
		return now_ns;
	due_ns += interval_ns;
	if (due_ns < now_ns)
		due_ns += (now_ns - due_ns + interval_ns - 1) / interval_ns * interval_ns;
	return due_ns;
}

static void ping_on(struct ping *ping)
{
	uint64_t due_ns = clock_now_ns();
	tally_start(&ping->tally, due_ns);
	ping->report->start_ns = clock_since_epoch_ns(due_ns);
	while (!ping->is_over && ping->tally.code == 0) {
		do_message(ping);
		if (ping->number == ping->config->count)
			break;
		hear_signals(ping);
		due_ns = next_due_ns(ping, due_ns);
		wait_until_due(ping, due_ns);
	}
	tally_end(&ping->tally, clock_now_ns());
	close_connection(ping);
}

MUST_USE static enum status judge_run(const struct ping *ping)
{
	const struct result *result = &ping->report->result;
	if (result->n_echoes == ping->number && result->n_failures == 0)
		return STATUS_OK;
	int limit = dial_limit(result);
	if (limit == 0)
		return STATUS_ECHO_FAILED;
	dial_say_limit(limit);
	return STATUS_MACHINE;
}

/* Connects, pings, and fills in ping->report. */
MUST_USE static enum status run_ping(struct ping *ping)
{
	const struct ping_config *config = ping->config;
	const struct dial_request request = {
		.server = &config->server,
		.family = config->family,
		.timeout_ns = config->wait_ns != 0 ? config->wait_ns : CLOCK_NEVER,
	};
	struct dialed dialed;
	enum status status = dial_await(&request, ping->signals_fd, &dialed);
	if (status != STATUS_OK)
		return status;
	ping->addr = dialed.addr;
	begin_connection(ping, dialed.fd, dialed.took_ns);
	ping->report->address = addr_format(&ping->addr);
	teller_say(ping->teller, "PING %s, %" PRIu64 " bytes", ping->report->address.text,
		   config->size);
	ping->is_over |= !teller_flush(ping->teller);
	ping_on(ping);
	if (ping->tally.code < 0) {
		log_error("cannot go on: %s", err_text(ping->tally.code).text);
		return STATUS_MACHINE;
	}
	ping->report->verdict = judge_run(ping);
	return STATUS_OK;
}

enum status ping_run(const struct ping_config *config, struct ping_report *ret_report)
{
	static struct ping ping; /* its buffer is too large for a stack */
	struct ping_report report = { 0 };
	ping = (struct ping){
		.config = config,
		.report = &report,
		.signals_fd = -1,
		.fd = -1,
		.teller = config->teller,
	};
	int rc = result_open(&report.result);
	if (rc == 0)
		rc = tally_open(&ping.tally, &report.result, &config->keeper);
	if (rc == 0)
		rc = ping.signals_fd = signals_setup_meter();
	enum status status = STATUS_MACHINE;
	if (rc >= 0)
		status = run_ping(&ping);
	else
		log_error("cannot start: %s", err_text(rc).text);
	io_close(&ping.signals_fd);
	tally_close(&ping.tally);
	if (status == STATUS_OK)
		*ret_report = report;
	else
		result_close(&report.result);
	return status;
}
