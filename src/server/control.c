/* SPDX-License-Identifier: MIT */
#include "server/faults.h"
#include "server/control.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/units.h"
#include "net/io.h"
#include "net/signals.h"

/* ---- phases ---- */

struct drain_limit_text {
	char text[64];
};

/* Returns "for 30s at most", or "without a time limit". */
static struct drain_limit_text drain_limit(const struct server *server)
{
	struct drain_limit_text out = { "without a time limit" };
	if (server->config->drain_timeout_ns != CLOCK_NEVER)
		snprintf(out.text, sizeof(out.text), "for %s at most",
			 units_duration(server->config->drain_timeout_ns).text);
	return out;
}

/* The phase without clients: connections or processes may still remain. */
static void log_phase_without_clients(const struct drain *drain)
{
	if (drain->phase == DRAIN_DRAINING)
		log_notice("%s: no new clients; no client is being served",
			   signals_name(drain->requested_by).text);
	else if (drain->phase == DRAIN_ABORTING)
		log_notice("drain timeout: no client is being served");
	else
		log_notice("killing all processes: no client is being served");
}

static void log_phase_with_clients(const struct server *server, uint32_t n_clients)
{
	const struct drain *drain = &server->drain;
	struct units_text clients = units_count(n_clients, "client");
	if (drain->phase == DRAIN_DRAINING)
		log_notice("%s: no new clients; %" PRIu32 " may finish, %s",
			   signals_name(drain->requested_by).text, n_clients,
			   drain_limit(server).text);
	else if (drain->phase == DRAIN_ABORTING)
		log_notice("drain timeout: ending %s", clients.text);
	else
		log_notice("killing %s", clients.text);
}

void control_log_phase(struct server *server, uint32_t n_clients)
{
	if (server->drain.phase == DRAIN_SERVING)
		return;
	if (server->drain.phase == DRAIN_DRAINING)
		systemd_send_state(&server->control->manager, "STOPPING=1");
	if (n_clients > 0)
		log_phase_with_clients(server, n_clients);
	else
		log_phase_without_clients(&server->drain);
}

/* ---- output that was not read ---- */

/* Time between two attempts to write. */
#define RETRY_NS (500 * CLOCK_NS_PER_MS)

uint64_t control_deadline_ns(const struct server *server)
{
	const struct control *control = server->control;
	bool is_behind = ready_is_unread(&control->ready) || control->manager.unsent != NULL ||
			 log_is_behind();
	uint64_t retry_ns = is_behind ? clock_deadline_ns(RETRY_NS) : CLOCK_NEVER;
	return clock_earlier_ns(retry_ns, drain_deadline_ns(&server->drain));
}

static void retry_unsent(struct control *control)
{
	int rc = ready_is_unread(&control->ready) ? ready_write(&control->ready) : 0;
	if (rc < 0 && rc != -EAGAIN)
		log_warning("cannot write to --ready-fd: %s", err_text(rc).text);
	systemd_retry_state(&control->manager);
	if (log_is_behind())
		log_catch_up();
}

/* ---- signals ---- */

struct control_request control_read_signals(struct server *server)
{
	struct control_request request = { 0 };
	int signal;
	uint64_t now_ns = clock_now_ns();
	retry_unsent(server->control);
	/* At most one new phase per call, so that each phase is logged and carried out. */
	while (!request.new_phase && (signal = signals_next(server->control->signals_fd)) != 0) {
		switch (signal) {
		case SIGCHLD:
			request.child_ended = true;
			break;
		case SIGUSR1:
			request.totals = true;
			break;
		default: /* INT, TERM */
			request.new_phase = drain_request(&server->drain, signal, clock_now_ns(),
							  server->config->drain_timeout_ns);
			break;
		}
	}
	if (!request.new_phase)
		server->drain.signals_read_ns = now_ns;
	return request;
}

bool control_check_time(struct server *server)
{
	return drain_check_time(&server->drain, clock_now_ns());
}

int control_wait(struct pollfd *fds, size_t n, uint64_t deadline_ns)
{
	static _Atomic uint64_t last_logged_ns;
	int rc = io_wait(fds, n, deadline_ns);
	if (rc != -ENOMEM)
		return rc;
	for (size_t i = 0; i < n; i++)
		fds[i].revents = 0;
	if (log_once_a_second(&last_logged_ns))
		log_warning("cannot wait for events: %s, retrying", err_text(rc).text);
	return 0;
}

/* ---- counting ---- */

/* Returns whether the server prevented this client from finishing, after the shutdown request. */
static bool is_cut_off(const struct server *server, enum close_reason reason)
{
	return server->drain.phase != DRAIN_SERVING &&
	       (reason == CLOSE_DRAIN || reason == CLOSE_KILLED || reason == CLOSE_ERROR);
}

void control_count(struct server *server, const struct conn_record *record)
{
	struct totals *totals = &server->control->totals;
	totals->ended += !record->was_turned_away;
	totals->turned_away += record->was_turned_away;
	totals->killed += record->signal != 0;
	totals->cut_off += is_cut_off(server, record->reason);
	totals->in += record->in;
	totals->out += record->out;
	const struct faults *faults = server->config->faults;
	if (faults != NULL && record->fault_tag != 0)
		faults_client_ended(faults);
	if (!server->config->quiet)
		conn_record_log(record, faults);
}

void totals_add_client(struct totals *totals, const struct client *client)
{
	totals->in += atomic_load_explicit(&client->stats.in, memory_order_relaxed);
	totals->out += atomic_load_explicit(&client->stats.out, memory_order_relaxed);
}

void totals_log(const struct totals *totals, uint64_t n_clients)
{
	struct log_record record;
	log_record_begin(&record, "totals");
	log_record_count(&record, "clients", n_clients);
	log_record_count(&record, "accepted", totals->accepted);
	log_record_count(&record, "ended", totals->ended);
	log_record_count(&record, "killed", totals->killed);
	log_record_count(&record, "turned_away", totals->turned_away);
	log_record_count(&record, "in", totals->in);
	log_record_count(&record, "out", totals->out);
	log_record_end(&record);
}

void control_log_totals(const struct server *server)
{
	struct totals totals = server->control->totals;
	const struct client_table *clients = &server->clients;
	for (const struct client *client = client_table_next(clients, NULL); client != NULL;
	     client = client_table_next(clients, client))
		totals_add_client(&totals, client);
	totals_log(&totals, server->clients.count);
}

void control_close(struct control *control)
{
	io_close(&control->signals_fd);
	ready_close(&control->ready);
	systemd_close_notify(&control->manager);
}
