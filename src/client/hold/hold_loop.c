/* SPDX-License-Identifier: MIT */
/*
 * The happy path: find the server and open all connections, CONNECTING_MAX at a time. Send the
 * heartbeats of each until the duration is over or a signal ends the run. One thread runs the loop
 * (client/hold/hold_conn.h). A second thread looks up the name and connects first, while the loop
 * serves the metrics.
 *
 * What else can happen: no address answers at first, and the run ends; there are not enough
 * descriptors; this process, or the process that reads its output, is stopped, even for hours.
 * Data that arrived meanwhile is then read before any timeout is checked.
 */
#include "client/hold/hold_loop.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/units.h"
#include "client/dial.h"
#include "client/hold/hold_conn.h"
#include "net/listen.h"
#include "net/signals.h"

/* Descriptors besides those of the connections. */
#define OTHER_DESCRIPTORS (40 + METRICS_CLIENTS_MAX)

/* Maximum expired timers handled before received data is read. */
#define TIMERS_MAX 64

/* Tags in the poller after those of the connections. */
#define TAG_SIGNALS HOLD_TAG_END
#define TAG_DIALED  (TAG_SIGNALS + 1)
#define TAG_OUTPUT  (TAG_SIGNALS + 2)
#define TAG_METRICS (TAG_SIGNALS + 3)

/* While standard output is blocked, it is tried again after this time. */
#define OUTPUT_RETRY_NS (100 * CLOCK_NS_PER_MS)

struct hold {
	struct hold_set set;
	struct metrics_server metrics;
	struct poller_events events;
	struct bottleneck_usage use;
	struct bottleneck_idle idle;
	uint64_t clock_read_ns; /* time of the last clock read, between turns and waits */
	int signals_fd;
	uint64_t end_ns;
	uint32_t n_full; /* consecutive turns that filled the event buffer */
	bool is_over;    /* INT or TERM came, the duration is over, or output failed */
	bool is_signalled;
	bool has_printed_open;
};

/* ---- figures ---- */

static void update_figures(struct hold *hold)
{
	struct hold_set *set = &hold->set;
	struct disconnects *disconnects = set->disconnects;
	uint64_t oldest_ns = set->now_ns;
	for (uint32_t i = 0; i < set->n; i++)
		oldest_ns = clock_earlier_ns(oldest_ns, set->list[i].last_good_ns);
	disconnects->oldest_ns = set->now_ns - oldest_ns;
	disconnects->elapsed_ns = set->now_ns - set->start_ns;
}

/* Like ping(8): prints one line and continues. */
static void hold_log_figures(struct hold *hold)
{
	const struct disconnects *disconnects = hold->set.disconnects;
	const struct histogram *times = &disconnects->round_trip;
	update_figures(hold);
	log_notice("%" PRIu64 " of %" PRIu64 " open, %" PRIu64 " lost, %" PRIu64
		   " heartbeats, p50/p99/max %.1f/%.1f/%.1f us, oldest good byte %.3f s ago",
		   disconnects->n_open, disconnects->n_connections, disconnects_ended(disconnects),
		   disconnects->n_back, clock_us(histogram_percentile_ns(times, 50)),
		   clock_us(histogram_percentile_ns(times, 99)), clock_us(times->max_ns),
		   clock_s(disconnects->oldest_ns));
}

static void print_all_open(struct hold *hold)
{
	struct hold_set *set = &hold->set;
	if (hold->has_printed_open || set->n_verified < set->n)
		return;
	hold->has_printed_open = true;
	output_line(set->output, "all open after %.3f s", clock_s(set->now_ns - set->start_ns));
}

/* ---- one turn ---- */

static void hold_read_signals(struct hold *hold)
{
	int signal;
	while ((signal = signals_next(hold->signals_fd)) != 0) {
		if (signal == SIGQUIT) {
			hold_log_figures(hold);
			continue;
		}
		hold->is_over = true;
		hold->is_signalled = true;
		writer_note_signal(&hold->set.output->wait, signal);
	}
}

static void handle_event(struct hold *hold, const struct epoll_event *event)
{
	uint64_t tag = event->data.u64;
	if (tag == TAG_SIGNALS) {
		hold_read_signals(hold);
	} else if (tag == TAG_OUTPUT) {
		hold->is_over |= !output_check(hold->set.output);
	} else if (tag >= TAG_METRICS) {
		update_figures(hold);
		metrics_server_event(&hold->metrics, tag, hold->set.disconnects);
	} else {
		hold_conn_event(&hold->set, tag, event->events);
	}
}

static void resume_metrics(struct hold *hold, uint64_t clock_read_ns)
{
	if (hold->metrics.resumes_ns != 0 && clock_read_ns >= hold->metrics.resumes_ns)
		metrics_server_resume(&hold->metrics);
}

static uint64_t metrics_resume_ns(const struct hold *hold)
{
	return hold->metrics.resumes_ns != 0 ? hold->metrics.resumes_ns : CLOCK_NEVER;
}

static bool is_idle(const struct hold *hold)
{
	const struct disconnects *disconnects = hold->set.disconnects;
	return disconnects->n_begun == disconnects->n_back + disconnects->n_lost &&
	       hold->set.n_connecting == 0;
}

/* While heartbeats are in flight, waits are short, so that a stop of this process is noticed. */
static uint64_t hold_wait_until_ns(const struct hold *hold, uint64_t clock_read_ns)
{
	uint64_t until_ns = clock_earlier_ns(timer_heap_next_ns(&hold->set.timers), hold->end_ns);
	if (output_is_pending(hold->set.output))
		until_ns = clock_earlier_ns(until_ns, clock_deadline_ns(OUTPUT_RETRY_NS));
	if (!is_idle(hold))
		until_ns = clock_earlier_ns(until_ns, clock_read_ns + BOTTLENECK_SLICE_NS);
	return clock_earlier_ns(until_ns, metrics_resume_ns(hold));
}

/*
 * Returns false if the poller may have more events: then no timeout is checked. Full event buffers
 * delay this for at most n / POLLER_EVENTS + 2 turns.
 */
static bool has_read_all(struct hold *hold)
{
	uint32_t max_full = hold->set.n / POLLER_EVENTS + 2;
	hold->n_full = hold->events.n == POLLER_EVENTS ? hold->n_full + 1 : 0;
	if (hold->n_full > 0 && hold->n_full < max_full)
		return false;
	hold->n_full = 0;
	return true;
}

static void handle_hold_timers(struct hold *hold, uint64_t now_ns)
{
	uint32_t index;
	for (int i = 0; i < TIMERS_MAX && timer_heap_due(&hold->set.timers, now_ns, &index); i++)
		hold_conn_handle_timer(&hold->set, index);
}

/*
 * Records a gap, and restarts waits after a long one, if the clock is much later than expected_ns.
 */
static void hold_update_now(struct hold *hold, uint64_t expected_ns, uint64_t now_ns)
{
	if (bottleneck_note_gap(&hold->use, expected_ns, now_ns) &&
	    bottleneck_gap_restarts_wait(now_ns - expected_ns, hold->set.config->wait_ns))
		hold->set.resumed_ns = now_ns;
	hold->clock_read_ns = now_ns;
}

MUST_USE static int hold_wait_for_events(struct hold *hold, uint64_t until_ns)
{
	bool idles = is_idle(hold);
	if (idles)
		bottleneck_idle_begin(&hold->idle);
	int rc = poller_wait(&hold->set.poller, &hold->events, until_ns);
	if (idles)
		bottleneck_idle_end(&hold->idle);
	return rc;
}

/*
 * Handles timers that expired before the wait, not during it: this process may have been stopped,
 * and data that arrived meanwhile has not been read yet.
 */
MUST_USE static int run_hold_loop_once(struct hold *hold)
{
	struct hold_set *set = &hold->set;
	uint64_t clock_read_ns = clock_now_ns();
	hold_update_now(hold, hold->clock_read_ns, clock_read_ns);
	uint64_t until_ns = hold_wait_until_ns(hold, clock_read_ns);
	int rc = hold_wait_for_events(hold, until_ns);
	if (rc < 0)
		return rc;
	set->now_ns = clock_now_ns();
	hold_update_now(hold, clock_later_ns(until_ns, clock_read_ns), set->now_ns);
	for (int i = 0; i < hold->events.n; i++)
		handle_event(hold, &hold->events.list[i]);
	bool is_end = clock_read_ns >= hold->end_ns;
	if (has_read_all(hold) && !is_end && !hold->is_over)
		handle_hold_timers(hold, clock_read_ns);
	hold_conn_open_queued(set);
	resume_metrics(hold, clock_read_ns);
	hold->is_over |= is_end || set->is_no_echo;
	print_all_open(hold);
	hold->is_over |= !output_flush(set->output);
	return 0;
}

/* ---- until the server has answered ---- */

/* Returns STATUS_OK, or the status of the signal that ends the run. */
MUST_USE static enum exit_status read_signals_while_dialing(struct hold *hold,
							    const struct dialing *dialing)
{
	int signal;
	while ((signal = signals_next(hold->signals_fd)) != 0) {
		if (signal != SIGQUIT)
			return status_of_signal(signal);
		dial_log_progress(&dialing->request);
	}
	return STATUS_OK;
}

/* Waits for the outcome of dialing. Serves the metrics and reads signals meanwhile. */
MUST_USE static enum exit_status await_server(struct hold *hold, const struct dialing *dialing)
{
	struct poller *poller = &hold->set.poller;
	enum exit_status status = STATUS_OK;
	bool is_dialed = false;
	int rc = poller_add(poller, dialing->done_fd, EPOLLIN, TAG_DIALED);
	while (rc >= 0 && status == STATUS_OK && !is_dialed) {
		uint64_t clock_read_ns = clock_now_ns();
		rc = poller_wait(poller, &hold->events, metrics_resume_ns(hold));
		hold->set.now_ns = clock_now_ns();
		for (int i = 0; i < rc; i++) {
			uint64_t tag = hold->events.list[i].data.u64;
			if (tag == TAG_DIALED)
				is_dialed = true;
			else if (tag == TAG_SIGNALS)
				status = read_signals_while_dialing(hold, dialing);
			else
				handle_event(hold, &hold->events.list[i]);
		}
		resume_metrics(hold, clock_read_ns);
	}
	if (rc >= 0)
		return status;
	log_error("cannot wait for the server: %s", err_text(rc).text);
	return STATUS_MACHINE;
}

/* Finds the server. The caller owns *ret_fd, the first connection. */
MUST_USE static enum exit_status hold_find_server(struct hold *hold, int *ret_fd)
{
	const struct hold_config *config = hold->set.config;
	struct redial *redial = &hold->set.redial;
	uint64_t wait_ns = config->wait_ns != 0 ? config->wait_ns : CLOCK_NEVER;
	uint64_t duration_ns = config->duration_ns != 0 ? config->duration_ns : CLOCK_NEVER;
	redial->request = (struct dial_request){
		.server = &config->server,
		.family = config->family,
		.timeout_ns = clock_earlier_ns(wait_ns, duration_ns),
	};
	struct dialing *dialing;
	int rc = dial_begin(&redial->request, &dialing);
	if (rc < 0) {
		log_error("cannot start: %s%s", err_text(rc).text, dial_remedy(rc));
		return STATUS_MACHINE;
	}
	enum exit_status status = await_server(hold, dialing);
	if (status != STATUS_OK)
		return status; /* its thread may still run: the process must end */
	struct dialed dialed = dial_end(dialing);
	if (dialed.fd < 0)
		return dial_log_failure(&redial->request, dialed.fd);
	redial->request.timeout_ns = wait_ns;
	redial->addr = dialed.addr;
	*ret_fd = dialed.fd;
	return STATUS_OK;
}

/* ---- start and end ---- */

static void print_start(struct hold *hold)
{
	const struct hold_config *config = hold->set.config;
	char every[64] = "";
	if (config->interval_ns != 0)
		snprintf(every, sizeof(every), " every %s",
			 units_duration(config->interval_ns).text);
	output_line(hold->set.output, "HOLD %s, %" PRIu64 " connection%s, %" PRIu64 " byte%s%s",
		    addr_format(&hold->set.redial.addr).text, config->n_connections,
		    units_s(config->n_connections), config->size, units_s(config->size), every);
	hold->is_over |= !output_flush(hold->set.output);
	/* Reports when the reader of standard output closes. A file cannot be polled. */
	ignore_result(poller_add(&hold->set.poller, STDOUT_FILENO, 0, TAG_OUTPUT));
}

MUST_USE static enum exit_status open_metrics(struct hold *hold)
{
	const struct hold_config *config = hold->set.config;
	if (config->metrics == NULL)
		return STATUS_OK;
	int rc = metrics_server_open(&hold->metrics, config->metrics, &hold->set.poller,
				     TAG_METRICS);
	if (rc < 0) {
		log_error("cannot serve metrics on %s: %s%s", addr_spec_text(config->metrics).text,
			  err_text(rc).text, listen_remedy(rc, config->metrics).text);
		return STATUS_MACHINE;
	}
	for (int i = 0; i < hold->metrics.n_listeners; i++)
		log_notice("metrics on %s, at /metrics", addr_format(&hold->metrics.addrs[i]).text);
	return STATUS_OK;
}

/* Returns the exit status of a run that has a report. */
MUST_USE static enum exit_status hold_verdict(const struct hold_set *set)
{
	const struct disconnects *disconnects = set->disconnects;
	uint64_t n_failed = disconnects_ended(disconnects) + disconnects_not_opened(disconnects);
	if (n_failed == 0 && disconnects->n_back > 0)
		return STATUS_OK;
	if (n_failed > set->n_local_failures || n_failed == 0)
		return STATUS_ECHO_FAILED;
	dial_log_limit(set->local_code);
	return STATUS_MACHINE;
}

/* Holds connections until the end of the run. Takes fd, the first connection. */
MUST_USE static enum exit_status hold_connections(struct hold *hold, int fd)
{
	struct hold_set *set = &hold->set;
	set->start_ns = set->now_ns = clock_now_ns();
	if (set->config->duration_ns != 0)
		hold->end_ns = clock_deadline_ns(set->config->duration_ns);
	int rc = hold_conn_open_all(set);
	if (rc < 0) {
		io_close(&fd);
		log_error("cannot start: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	print_start(hold);
	hold_conn_adopt(set, fd);
	hold_conn_open_queued(set);
	hold->clock_read_ns = clock_now_ns();
	bottleneck_begin(&hold->use);
	bottleneck_idle_open(&hold->idle);
	while (rc == 0 && !hold->is_over)
		rc = run_hold_loop_once(hold);
	bottleneck_end(&hold->use);
	bottleneck_idle_close(&hold->idle);
	if (rc < 0)
		log_error("cannot continue: %s", err_text(rc).text);
	hold_conn_finish(set);
	update_figures(hold);
	hold_conn_close_all(set);
	if (set->is_no_echo)
		log_error("ended early: %s is not an echo server",
			  addr_format(&set->redial.addr).text);
	return rc < 0 ? STATUS_MACHINE : STATUS_OK;
}

/* Runs everything from the lookup to the end, with signals read from a descriptor. */
MUST_USE static enum exit_status hold_run_loop(struct hold *hold, struct hold_report *report)
{
	struct hold_set *set = &hold->set;
	int fd = -1;
	hold->signals_fd = signals_setup_meter();
	int rc = hold->signals_fd;
	if (rc >= 0)
		rc = poller_add(&set->poller, hold->signals_fd, EPOLLIN, TAG_SIGNALS);
	enum exit_status status = STATUS_MACHINE;
	if (rc < 0)
		log_error("cannot start: %s", err_text(rc).text);
	else
		status = hold_find_server(hold, &fd);
	if (status == STATUS_OK) {
		set->served_by = &report->served_by;
		served_by_note(set->served_by, &set->redial.addr);
		status = hold_connections(hold, fd);
	}
	if (status == STATUS_OK)
		report->verdict = hold_verdict(set);
	bottleneck_describe_times(&hold->use, &hold->idle, &report->disconnects.round_trip,
				  report->client_bound);
	report->is_interrupted = hold->is_signalled && hold->end_ns != CLOCK_NEVER;
	io_close(&hold->signals_fd);
	return status;
}

/* Runs with *report, whose histogram is open already. */
MUST_USE static enum exit_status hold_start(const struct hold_config *config,
					    struct hold_report *report)
{
	static struct hold hold; /* too large for a stack */
	struct hold_set *set = &hold.set;
	hold.end_ns = CLOCK_NEVER;
	set->config = config;
	set->disconnects = &report->disconnects;
	set->output = config->output;
	set->use = &hold.use;
	set->start_ns = set->now_ns = clock_now_ns();
	report->disconnects.n_connections = config->n_connections;
	int rc = poller_open(&set->poller);
	if (rc < 0) {
		log_error("cannot start: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	/* Before signals are blocked, because this may look up a host name. */
	enum exit_status status = open_metrics(&hold);
	if (status == STATUS_OK) {
		status = hold_run_loop(&hold, report);
		if (config->metrics != NULL)
			metrics_server_close(&hold.metrics);
	}
	poller_close(&set->poller);
	return status;
}

enum exit_status hold_run(const struct hold_config *config, struct hold_report *ret_report)
{
	struct hold_report report = { 0 };
	if (!dial_has_descriptors(config->n_connections, OTHER_DESCRIPTORS))
		return STATUS_MACHINE;
	int rc = disconnects_open(&report.disconnects);
	if (rc < 0) {
		log_error("cannot start: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	enum exit_status status = hold_start(config, &report);
	if (status == STATUS_OK)
		*ret_report = report;
	else
		disconnects_close(&report.disconnects);
	return status;
}
