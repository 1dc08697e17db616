/* SPDX-License-Identifier: MIT */
/*
 * The happy path: connect. When a message is due, send it, receive until all of it is back, compare
 * it, and record the time. The next message is due one interval after the last was due.
 *
 * What else can happen: the message does not come back in time, a byte of it is wrong, or the
 * server closes or resets. The line of this message says so. Later bytes of such a stream prove
 * nothing, so the next message uses a new connection.
 *
 * A message may be larger than the socket buffers, so it is received while it is sent. A message
 * that comes back after the next is due delays the next. Messages due meanwhile are left out.
 *
 * Each message that has begun is counted once: it came back, it failed, or it was unfinished when
 * the run ended.
 */
#include "client/ping.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/units.h"
#include "client/dial.h"
#include "client/kernel_view.h"
#include "client/output.h"
#include "client/ping_conn.h"
#include "client/ping_stats.h"
#include "client/ping_verdict.h"
#include "client/reconnect.h"
#include "net/io.h"
#include "net/signals.h"

#define POLLS_PER_SIGNAL_READ 1024 /* polls of a spinning wait between two reads of signals */

/* Minimum time between two reads of signals while messages are sent without a pause. */
#define SIGNALS_NS (10 * CLOCK_NS_PER_MS)

struct ping {
	const struct ping_config *config;
	struct ping_report *report;
	struct reconnect reconnect; /* contains the server's address */
	int signals_fd;
	uint64_t signals_read_ns; /* when signals were last read */
	int ended_by;             /* INT or TERM; 0: none */
	uint64_t end_ns;          /* of the run */
	bool is_over;             /* signal, end of the run, no echo server, or output failed */

	struct ping_conn conn;
	uint64_t connect_ns; /* connect time */

	uint64_t clock_read_ns; /* time of the last clock read */
	uint64_t resumed_ns;    /* when waits were last restarted: bottleneck_gap_restarts_wait() */
	bool is_in_flight;      /* a message is in flight, or connecting for it */
	struct bottleneck_usage use;
	struct bottleneck_idle idle;
	struct kernel_view kernel;
	struct ping_stats stats;
	uint64_t number; /* of the message, from 1 */
	unsigned int n_polls;
	struct output *output;
};

/* ---- signals ---- */

/* Like ping(8): prints one line and continues. */
static void ping_log_figures(const struct ping *ping)
{
	const struct result *result = &ping->report->result;
	const struct histogram *times = &result->response;
	log_notice("%" PRIu64 "/%" PRIu64 " came back, p50/p99/max %.1f/%.1f/%.1f us",
		   result->n_echoes, result->n_sent, clock_us(histogram_percentile_ns(times, 50)),
		   clock_us(histogram_percentile_ns(times, 99)), clock_us(times->max_ns));
}

static void ping_read_signals(struct ping *ping)
{
	int signal;
	ping->signals_read_ns = clock_now_ns();
	while ((signal = signals_next(ping->signals_fd)) != 0) {
		if (signal == SIGQUIT) {
			ping_log_figures(ping);
			continue;
		}
		ping->is_over = true;
		ping->ended_by = signal;
		writer_note_signal(&ping->output->wait, signal);
	}
}

/* ---- one connection ---- */

/*
 * Records a gap, and restarts waits after a long one, if the clock is much later than expected_ns.
 */
static void ping_update_now(struct ping *ping, uint64_t expected_ns, uint64_t now_ns)
{
	if (bottleneck_note_gap(&ping->use, expected_ns, now_ns) &&
	    bottleneck_gap_restarts_wait(now_ns - expected_ns, ping->conn.wait_ns))
		ping->resumed_ns = now_ns;
	ping->clock_read_ns = now_ns;
}

static void close_connection(struct ping *ping)
{
	kernel_view_note(&ping->kernel, ping->conn.fd);
	io_close(&ping->conn.fd);
}

static void ping_begin_connection(struct ping *ping, const struct dialed *dialed)
{
	ping->connect_ns = dialed->took_ns;
	ping->report->address = addr_format(&dialed->addr);
	served_by_note(&ping->report->served_by, &dialed->addr);
	histogram_record(&ping->report->result.connect, dialed->took_ns);
	ping_conn_open(&ping->conn, dialed->fd, &dialed->addr);
}

/*
 * Waits for n descriptors, at most RECONNECT_FDS, and reads signals. Returns the number of ready
 * descriptors, 0 at the deadline or at the end of the run, or a negative code.
 */
MUST_USE static int ping_wait_for(struct ping *ping, struct pollfd *wanted, size_t n,
				  uint64_t deadline_ns)
{
	/* A receive that waited in vain may lie between the last clock read and this one. */
	uint64_t received_ns = ping->conn.may_wait ? PING_RECV_MAX_NS : 0;
	deadline_ns = clock_earlier_ns(deadline_ns, ping->end_ns);
	while (!ping->is_over) {
		struct pollfd fds[2 + RECONNECT_FDS] = {
			{ .fd = ping->signals_fd, .events = POLLIN },
			output_pollfd(ping->output),
		};
		memcpy(&fds[2], wanted, n * sizeof(*wanted));
		uint64_t retry_ns = output_deadline_ns(ping->output);
		uint64_t until_ns = clock_earlier_ns(deadline_ns, retry_ns);
		uint64_t before_ns = clock_now_ns();
		if (ping->is_in_flight)
			ping_update_now(ping, ping->clock_read_ns + received_ns, before_ns);
		if (ping->is_in_flight)
			until_ns = clock_earlier_ns(until_ns, before_ns + BOTTLENECK_SLICE_NS);
		int ready = io_wait(fds, 2 + n, until_ns);
		if (ready < 0)
			return ready;
		uint64_t now_ns = clock_now_ns();
		ping_update_now(ping, clock_later_ns(until_ns, before_ns), now_ns);
		if (fds[0].revents != 0)
			ping_read_signals(ping);
		if (fds[1].revents != 0 || now_ns >= retry_ns)
			ping->is_over |= !output_check(ping->output);
		int n_ready = 0;
		for (size_t i = 0; i < n; i++)
			n_ready += fds[2 + i].revents != 0;
		ping->is_over |= now_ns >= ping->end_ns;
		if (n_ready > 0 || (ready == 0 && now_ns >= deadline_ns))
			return n_ready;
	}
	return 0;
}

/*
 * Opens a new connection for a message. Without a connection, the message fails or is unfinished.
 */
static void open_connection(struct ping *ping)
{
	struct reconnect *reconnect = &ping->reconnect;
	struct dialed dialed;
	bool is_done;
	reconnect_begin(reconnect);
	while (!(is_done = reconnect_check(reconnect, &dialed)) && !ping->is_over) {
		struct pollfd fds[RECONNECT_FDS];
		reconnect_pollfds(reconnect, fds);
		int rc = ping_wait_for(ping, fds, RECONNECT_FDS, reconnect_until_ns(reconnect));
		if (ping->resumed_ns > reconnect->start_ns)
			reconnect_resume(reconnect, ping->resumed_ns);
		if (rc < 0) {
			ping_conn_fail(&ping->conn, err_name(rc), "cannot wait: %s",
				       err_text(rc).text);
			break;
		}
	}
	if (!is_done)
		reconnect_cancel(reconnect);
	else if (dialed.fd >= 0)
		ping_begin_connection(ping, &dialed);
	else
		ping_conn_fail(&ping->conn, err_name(dialed.fd), "cannot connect: %s",
			       err_text(dialed.fd).text);
}

/* ---- one message ---- */

/* Waits until bytes may have arrived or can be sent. Returns false at the deadline. */
static bool wait_for_server(struct ping *ping, uint64_t deadline_ns)
{
	struct ping_conn *conn = &ping->conn;
	short events = stream_unsent(&conn->stream) > 0 ? POLLIN | POLLOUT : POLLIN;
	struct pollfd server = { .fd = conn->fd, .events = events };
	bool spins = ping->config->spin;
	uint64_t now_ns = spins ? clock_now_ns() : 0;
	bool is_late = spins && now_ns >= deadline_ns;
	if (spins)
		ping_update_now(ping, ping->clock_read_ns, now_ns);
	if (spins && !is_late && ++ping->n_polls % POLLS_PER_SIGNAL_READ != 0)
		return true;
	/* At the deadline too: a reply may have arrived while this process was stopped. */
	int ready = ping_wait_for(ping, &server, 1, spins ? 0 : deadline_ns);
	if (ready < 0)
		ping_conn_fail(conn, err_name(ready), "cannot wait: %s", err_text(ready).text);
	return ready != 0 || ping->is_over || (spins && !is_late);
}

/*
 * Returns when a message is late. If this process was stopped for long, the wait restarts, because
 * bytes may come back only if we receive.
 */
static uint64_t late_ns(const struct ping *ping)
{
	uint64_t since_ns = ping->conn.begun_ns;
	since_ns = clock_later_ns(ping->resumed_ns, since_ns);
	return clock_after_ns(since_ns, ping->conn.wait_ns);
}

/* Receives what has arrived of the message in flight when the run ends. */
static void receive_rest(struct ping *ping)
{
	struct ping_conn *conn = &ping->conn;
	while (conn->failure == NULL && !ping_conn_is_back(conn) && ping_conn_receive(conn))
		continue;
	if (!ping_conn_is_back(conn) && clock_now_ns() >= late_ns(ping))
		ping_conn_fail_late(conn);
}

/* Sends a message and waits until it is back, has failed, or the run is over. */
static void ping_exchange(struct ping *ping)
{
	struct ping_conn *conn = &ping->conn;
	ping_conn_begin_message(conn);
	uint64_t first_ns = clock_earlier_ns(late_ns(ping), ping->end_ns);
	ping->clock_read_ns = conn->begun_ns;
	while (conn->failure == NULL && !ping_conn_is_back(conn) && !ping->is_over) {
		if (stream_unsent(&conn->stream) > 0)
			ping_conn_send(conn);
		if (ping_conn_receive_waiting(conn, first_ns))
			continue;
		if (wait_for_server(ping, late_ns(ping)))
			ignore_result(ping_conn_receive(conn)); /* nothing yet: wait again */
		else if (clock_now_ns() >= late_ns(ping))
			ping_conn_fail_late(conn);
	}
	if (ping_conn_is_back(conn))
		ping_update_now(ping, ping->clock_read_ns + PING_RECV_MAX_NS, conn->back_ns);
	if (ping->is_over)
		receive_rest(ping);
}

/* ---- output ---- */

static void print_echo(struct ping *ping, uint64_t ns)
{
	char connect[48] = "";
	if (ping->config->connect_each)
		snprintf(connect, sizeof(connect), " connect=%.1f us", clock_us(ping->connect_ns));
	output_line(ping->output, "%" PRIu64 " byte%s from %s: seq=%" PRIu64 "%s time=%.1f us",
		    ping->config->size, units_s(ping->config->size), ping->report->address.text,
		    ping->number, connect, clock_us(ns));
	ping->is_over |= !output_flush(ping->output);
}

static void print_failure(struct ping *ping, const char *what)
{
	output_line(ping->output, "%s: %s", what, ping->conn.why);
	ping->is_over |= !output_flush(ping->output);
	if (!ping->conn.is_no_echo)
		return;
	/* The first reply showed another kind of server: stop sending. */
	ping->is_over = true;
	log_error("ended early: %s is not an echo server", ping->report->address.text);
}

/* Handles a failure of the connection while no message was in flight. */
static void fail_between_messages(struct ping *ping)
{
	result_connection_error(&ping->report->result, ping->conn.failure, 1);
	print_failure(ping, "between two messages");
}

static void ping_once(struct ping *ping)
{
	struct ping_conn *conn = &ping->conn;
	ping->number++;
	ping->report->result.n_sent++;
	conn->failure = NULL;
	conn->begun_ns = ping->clock_read_ns = clock_now_ns();
	ping->is_in_flight = true;
	if (conn->fd < 0)
		open_connection(ping);
	bool is_sent = conn->fd >= 0;
	if (is_sent)
		ping_exchange(ping);
	ping->is_in_flight = false;
	if (is_sent && ping_conn_is_back(conn)) {
		uint64_t took_ns = conn->back_ns - conn->begun_ns;
		ping_stats_echo(&ping->stats, conn->back_ns, took_ns);
		print_echo(ping, took_ns);
		if (conn->failure != NULL) /* bytes after the message were never sent */
			fail_between_messages(ping);
	} else if (conn->failure != NULL) {
		char seq[32];
		snprintf(seq, sizeof(seq), "seq=%" PRIu64, ping->number);
		ping_stats_failure(&ping->stats, conn->failure, clock_now_ns());
		print_failure(ping, seq);
	} else {
		uint64_t now_ns = clock_now_ns();
		ping_stats_unfinished(&ping->stats, now_ns, now_ns - conn->begun_ns);
	}
	if (conn->failure != NULL || ping->config->connect_each)
		close_connection(ping);
}

/* ---- all messages ---- */

/*
 * Between messages, anything received is an error: the server closed, or the bytes were never sent.
 */
static void receive_while_idle(struct ping *ping)
{
	struct ping_conn *conn = &ping->conn;
	conn->failure = NULL;
	if (!ping_conn_receive(conn))
		return;
	fail_between_messages(ping);
	close_connection(ping);
}

/* Waits with the kernel's precision of nanoseconds: poll(2) rounds up to milliseconds. */
static void wait_until_due(struct ping *ping, uint64_t due_ns)
{
	uint64_t now_ns;
	while (!ping->is_over && (now_ns = clock_now_ns()) < due_ns) {
		struct pollfd server = { .fd = ping->conn.fd, .events = POLLIN };
		uint64_t left_ns = due_ns - now_ns;
		if (left_ns <= CLOCK_NS_PER_MS) {
			clock_sleep_until(due_ns);
			ping_update_now(ping, due_ns, clock_now_ns());
			break;
		}
		int ready = ping_wait_for(ping, &server, 1, due_ns - CLOCK_NS_PER_MS);
		if (ready < 0)
			break;
		if (ready > 0)
			receive_while_idle(ping);
	}
}

/* Returns the next time of the schedule that is not over yet. */
static uint64_t ping_next_due_ns(const struct ping *ping, uint64_t due_ns)
{
	uint64_t interval_ns = ping->config->interval_ns, now_ns = clock_now_ns();
	if (interval_ns == 0)
		return now_ns;
	due_ns += interval_ns;
	if (due_ns < now_ns)
		due_ns += (now_ns - due_ns + interval_ns - 1) / interval_ns * interval_ns;
	return due_ns;
}

static void run_ping_loop(struct ping *ping)
{
	uint64_t due_ns = clock_now_ns();
	ping_stats_start(&ping->stats, due_ns);
	ping->report->start_ns = clock_since_epoch_ns(due_ns);
	bottleneck_begin(&ping->use);
	bottleneck_idle_open(&ping->idle);
	if (ping->config->duration_ns != 0)
		ping->end_ns = clock_after_ns(due_ns, ping->config->duration_ns);
	while (!ping->is_over && ping->stats.code == 0) {
		ping_once(ping);
		if (ping->number == ping->config->count)
			break;
		due_ns = ping_next_due_ns(ping, due_ns);
		if (due_ns >= ping->signals_read_ns + SIGNALS_NS)
			ping_read_signals(ping);
		if (clock_now_ns() < due_ns) {
			bottleneck_idle_begin(&ping->idle);
			wait_until_due(ping, due_ns);
			bottleneck_idle_end(&ping->idle);
		}
		ping->is_over |= clock_now_ns() >= ping->end_ns;
	}
	/*
	 * Read what arrived while this process was stopped. After the last of N messages the server
	 * may close.
	 */
	if (ping->is_over && ping->conn.fd >= 0 && ping_conn_is_back(&ping->conn))
		receive_while_idle(ping);
	ping_stats_end(&ping->stats, clock_now_ns());
	bottleneck_end(&ping->use);
	bottleneck_idle_close(&ping->idle);
	close_connection(ping);
}

/* Connects, pings, and fills in ping->report. */
MUST_USE static enum exit_status run_ping(struct ping *ping)
{
	const struct ping_config *config = ping->config;
	struct dial_request *request = &ping->reconnect.request;
	*request = (struct dial_request){
		.server = &config->server,
		.family = config->family,
		.timeout_ns = clock_earlier_ns(ping->conn.wait_ns, config->duration_ns != 0
									   ? config->duration_ns
									   : CLOCK_NEVER),
	};
	struct dialed dialed;
	enum exit_status status = dial_await(request, ping->signals_fd, &dialed);
	if (status != STATUS_OK)
		return status;
	ping->reconnect.addr = dialed.addr;
	ping_begin_connection(ping, &dialed);
	output_line(ping->output, "PING %s, %" PRIu64 " byte%s", ping->report->address.text,
		    config->size, units_s(config->size));
	ping->is_over |= !output_flush(ping->output);
	run_ping_loop(ping);
	if (ping->stats.code < 0) {
		log_error("cannot continue: %s", err_text(ping->stats.code).text);
		return STATUS_MACHINE;
	}
	ping->report->has_kernel = kernel_view_mean(&ping->kernel, &ping->report->kernel);
	ping->report->sending = ping->kernel.sending;
	ping->report->deviation_ns = deviation_ns(&ping->stats.deviation);
	bool is_cut = ping->is_over && !ping->conn.is_no_echo && ping->output->code == 0;
	const struct ping_end end = {
		.by_signal = ping->ended_by != 0,
		.by_deadline = is_cut && ping->ended_by == 0,
	};
	ping_check_client(&ping->use, &ping->idle, ping->report);
	ping_set_verdict(config, &end, ping->report);
	return STATUS_OK;
}

enum exit_status ping_run(const struct ping_config *config, struct ping_report *ret_report)
{
	static struct ping ping; /* too large for a stack */
	struct ping_report report = { 0 };
	ping = (struct ping){
		.config = config,
		.report = &report,
		.reconnect = { .fd = -1, .use = &ping.use },
		.signals_fd = -1,
		.end_ns = CLOCK_NEVER,
		.conn = {
			.result = &report.result,
			.seed = config->seed,
			.size = config->size,
			.wait_ns = config->wait_ns != 0 ? config->wait_ns : CLOCK_NEVER,
			.spins = config->spin,
			.fd = -1,
		},
		.output = config->output,
	};
	int rc = result_open(&report.result);
	if (rc == 0)
		rc = ping_stats_open(&ping.stats, &report.result, config->recorder);
	if (rc == 0)
		rc = ping.signals_fd = signals_setup_meter();
	enum exit_status status = STATUS_MACHINE;
	if (rc >= 0)
		status = run_ping(&ping);
	else
		log_error("cannot start: %s", err_text(rc).text);
	io_close(&ping.signals_fd);
	ping_stats_close(&ping.stats);
	if (status == STATUS_OK)
		*ret_report = report;
	else
		result_close(&report.result);
	return status;
}
