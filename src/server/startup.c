/* SPDX-License-Identifier: MIT */
/*
 * All errors are reported before the first client: a limit that this machine does not allow, an
 * address that cannot be used, a descriptor that is not open. A server that has started serves.
 */
#include "server/startup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "base/units.h"
#include "net/io.h"
#include "net/listen.h"
#include "net/oom.h"
#include "net/privileges.h"
#include "net/shm.h"
#include "net/signals.h"
#include "net/sysinfo.h"
#include "net/systemd.h"
#include "server/client_limit.h"
#include "server/control.h"
#include "server/port_check.h"
#include "server/ready.h"
#include "server/start_remedy.h"
#include "server/faults.h"
#include "server/workers/supervisor.h"

/* ---- limits ---- */

/* Returns the number of workers: the requested number, or the engine's default. */
static uint32_t choose_workers(const struct serve_options *options, uint32_t max_clients)
{
	const struct engine *engine = options->engine;
	if (engine->work == NULL)
		return 1;
	uint32_t n = options->n_workers;
	if (n == 0)
		n = engine->grows ? (max_clients + options->per_worker - 1) / options->per_worker
				  : engine->workers();
	return n < max_clients ? n : max_clients; /* a worker without clients is useless */
}

/* Returns the client limit; for an engine that grows, at most what its workers allow. */
static uint32_t limit_by_workers(const struct serve_options *options, uint32_t n_workers,
				 uint64_t clients)
{
	uint64_t limit = (uint64_t)n_workers * options->per_worker;
	return (uint32_t)(options->engine->grows && limit < clients ? limit : clients);
}

static enum exit_status cannot_serve(uint64_t asked, struct sysinfo_bound bound)
{
	if (bound.max == 0)
		log_error("cannot serve a single client: this machine allows none (%s; raise that)",
			  bound.set_by);
	else
		log_error("cannot serve %s: this machine allows %" PRIu64
			  " (%s; raise that, or lower --max-clients)",
			  units_count(asked, "client").text, bound.max, bound.set_by);
	return STATUS_MACHINE;
}

MUST_USE static enum exit_status decide_client_limit(const struct serve_options *options,
						     struct server_config *config)
{
	uint64_t asked = options->max_clients, clients = 0;
	uint64_t wanted = asked != 0 ? asked : CLIENT_LIMIT_DEFAULT;
	uint32_t n_workers = choose_workers(options, (uint32_t)wanted);
	struct sysinfo_bound bound =
		client_limit_of_machine(wanted, options->engine->need, n_workers);
	if (client_limit_decide(asked, bound, &clients) < 0)
		return cannot_serve(asked, bound);
	if (asked == 0 && clients < CLIENT_LIMIT_DEFAULT)
		log_warning("at most %s instead of %d (%s)", units_count(clients, "client").text,
			    CLIENT_LIMIT_DEFAULT, bound.set_by);
	config->n_workers = choose_workers(options, (uint32_t)clients);
	config->max_clients = limit_by_workers(options, config->n_workers, clients);
	if (config->max_clients < asked)
		log_warning("at most %s instead of %" PRIu64 " (%s with %" PRIu32
			    " each: see --clients-per-worker)",
			    units_count(config->max_clients, "client").text, asked,
			    units_count(config->n_workers, "worker").text, options->per_worker);
	return STATUS_OK;
}

/* ---- the engine ---- */

/* Chooses the best engine, or checks that the requested one can be used. */
MUST_USE static enum exit_status choose_engine(struct serve_options *options,
					       struct reason *ret_why)
{
	struct reason reason;
	*ret_why = (struct reason){ { 0 } };
	if (options->engine == NULL) {
		options->engine = engine_best(&reason);
		snprintf(ret_why->text, sizeof(ret_why->text), ", %.130s",
			 reason.text[0] != '\0' ? reason.text : "the best here");
		return STATUS_OK;
	}
	if (engine_check(options->engine, &reason) == 0)
		return STATUS_OK;
	log_error("engine %s cannot be used here: %s (-e auto takes the best that can)",
		  options->engine->name, reason.text);
	return STATUS_MACHINE;
}

/* ---- addresses ---- */

static enum exit_status status_of(int code)
{
	switch (code) {
	case ERR_GIVEN_TWICE:
	case ERR_NOT_UNICAST:
	case ERR_TOO_MANY_ADDRESSES:
		return STATUS_USAGE;
	case ERR_NO_SUCH_HOST:
	case ERR_NO_INTERFACE:
	case ERR_NAME_SERVER:
	case ERR_NO_ADDRESS:
	case ERR_RESOLVER:
		return STATUS_NO_CONNECTION;
	default:
		return STATUS_MACHINE;
	}
}

/* Returns whether an earlier address has the same port: then its warning is logged already. */
static bool is_known_port(const struct serve_options *options, size_t i)
{
	for (size_t before = 0; before < i; before++) {
		if (options->addresses[before].port == options->addresses[i].port)
			return true;
	}
	return false;
}

static void warn_about_port(const struct serve_options *options, size_t i)
{
	uint16_t port = options->addresses[i].port; /* 0 for unix: no warning either */
	struct port_advice reasons;
	struct sysinfo_ports reserved;
	if (port == 0 || is_known_port(options, i))
		return;
	sysinfo_reserved_ports(&reserved);
	if (port_check(port, sysinfo_ephemeral_ports(), &reserved, &reasons))
		log_warning("port %u is a poor choice: %s", port, reasons.text);
}

/* Takes over the sockets that a service manager passed in: all of them, or fails. */
MUST_USE static enum exit_status adopt_listeners(int n_passed, struct listeners *listeners)
{
	for (int fd = SYSTEMD_FIRST_FD; fd < SYSTEMD_FIRST_FD + n_passed; fd++) {
		int rc = listeners_adopt(listeners, fd);
		if (rc < 0) {
			log_error("cannot take over descriptor %d (LISTEN_FDS): %s", fd,
				  err_text(rc).text);
			return STATUS_MACHINE;
		}
	}
	return STATUS_OK;
}

static enum exit_status cannot_listen(const struct addr_spec *spec, int code)
{
	log_error("cannot listen on %s: %s%s", addr_spec_text(spec).text, err_text(code).text,
		  listen_remedy(code, spec).text);
	return status_of(code);
}

/* Resolving may take long, so this comes before signals are blocked. */
MUST_USE static enum exit_status look_up_addresses(const struct serve_options *options,
						   struct listen_addresses *addresses)
{
	for (size_t i = 0; i < options->n_addresses; i++) {
		int rc = listeners_look_up(addresses, &options->addresses[i]);
		if (rc < 0)
			return cannot_listen(&options->addresses[i], rc);
	}
	return STATUS_OK;
}

/* Returns whether SIGINT or SIGTERM interrupted the start: then the server ends by it. */
static bool is_interrupted(struct server *server)
{
	control_read_signals(server);
	server->drain.ended_by = server->drain.requested_by;
	return server->drain.ended_by != 0;
}

MUST_USE static enum exit_status open_listeners(const struct serve_options *options,
						const struct listen_addresses *addresses,
						struct server *server)
{
	for (size_t i = 0; i < options->n_addresses; i++) {
		int rc = listeners_add(&server->listeners, addresses, i);
		if (rc == -EINTR && is_interrupted(server))
			return STATUS_MACHINE;
		if (rc < 0)
			return cannot_listen(&options->addresses[i], rc);
		warn_about_port(options, i);
	}
	return STATUS_OK;
}

/* ---- starting ---- */

static enum exit_status cannot_start(int code)
{
	log_error("cannot start serving: %s%s", err_text(code).text, start_remedy(code).text);
	return STATUS_MACHINE;
}

/* ---- the whole start ---- */

MUST_USE static enum exit_status count_passed(int *ret_n_passed)
{
	int rc = systemd_take_sockets();
	if (rc < 0) {
		log_error("cannot take over sockets: LISTEN_FDS is %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	*ret_n_passed = rc;
	return STATUS_OK;
}

static void open_manager(struct control *control)
{
	int rc = systemd_open_notify(&control->manager);
	if (rc < 0)
		log_warning("cannot notify the service manager (NOTIFY_SOCKET): %s",
			    err_text(rc).text);
}

/* Opens the connection to the service manager, and the signals. */
MUST_USE static enum exit_status open_signals(struct control *control)
{
	open_manager(control);
	int rc = signals_setup_server();
	if (rc < 0)
		return cannot_start(rc);
	control->signals_fd = rc;
	return STATUS_OK;
}

static enum exit_status cannot_become(const struct privileges_user *user, int code)
{
	log_error("cannot become user %s: %s%s", user->name, err_text(code).text,
		  code == -EPERM ? " (only root can: start as root, or leave --user out)"
				 : err_remedy(code));
	return STATUS_MACHINE;
}

/* A name service may take long too. */
MUST_USE static enum exit_status look_up_user(const struct serve_options *options,
					      struct privileges_user *user)
{
	int rc = options->become_user ? privileges_look_up(options->user, user) : 0;
	return rc == 0 ? STATUS_OK : cannot_become(user, rc);
}

MUST_USE static enum exit_status become_user(const struct serve_options *options,
					     const struct privileges_user *user)
{
	int rc = options->become_user ? privileges_become(user) : 0;
	return rc == 0 ? STATUS_OK : cannot_become(user, rc);
}

/* Opens the client table. Workers have their own. */
MUST_USE static enum exit_status open_table(struct server *server)
{
	const struct server_config *config = server->config;
	if (config->engine->work != NULL)
		return STATUS_OK;
	int rc = client_table_open(&server->clients, config->max_clients,
				   config->engine->entry_size);
	if (rc < 0)
		return cannot_start(rc);
	server->clients.max_per_source = config->max_per_source;
	client_table_hide_from_children(&server->clients);
	return STATUS_OK;
}

/* Drops the remaining rights. No later step needs any. */
MUST_USE static enum exit_status give_up_rights(struct server *server)
{
	struct sandbox_needs needs = server->config->engine->sandbox;
	needs.has_dispatch = needs.has_workers && server->config->max_per_source != 0;
	needs.has_faults = server->config->faults != NULL;
	int rc = sandbox_enter(&server->sandbox, &server->listeners, &needs);
	if (rc == 0)
		return STATUS_OK;
	log_error("cannot give up rights: %s", err_text(rc).text);
	return STATUS_MACHINE;
}

/* Starts the engine or the workers. When this returns STATUS_OK, clients are served. */
MUST_USE static enum exit_status start_engine(struct server *server,
					      struct supervisor **ret_supervisor)
{
	const struct engine *engine = server->config->engine;
	int rc = engine->work != NULL ? supervisor_start(server, ret_supervisor)
				      : engine->start(server);
	if (rc == -EINTR && is_interrupted(server))
		return STATUS_MACHINE;
	return rc == 0 ? STATUS_OK : cannot_start(rc);
}

/* Runs the engine on an open server and returns the exit status. */
MUST_USE static enum exit_status run_engine(struct server *server, const char *why)
{
	struct supervisor *supervisor = NULL;
	enum exit_status status = start_engine(server, &supervisor);
	if (status != STATUS_OK)
		return status;
	status = ready_announce(server, why);
	if (status != STATUS_OK) {
		supervisor_close(supervisor);
		return status;
	}
	systemd_send_state(&server->control->manager, "READY=1");

	int rc = supervisor != NULL ? supervisor_run(supervisor)
				    : server->config->engine->run(server);
	control_log_totals(server);
	if (rc < 0) {
		log_error("cannot continue serving: %s%s", err_text(rc).text,
			  start_remedy(rc).text);
		return STATUS_MACHINE;
	}
	return server->control->totals.cut_off == 0 ? STATUS_OK : STATUS_ECHO_FAILED;
}

/* Must be called while files can still be opened. */
static void prepare_children(const struct engine *engine)
{
	oom_prepare();
	if (engine->prepare != NULL)
		engine->prepare();
}

/*
 * Opens all that running needs, in this order: addresses are bound before the rights to do so are
 * dropped; the client limit depends on the limits of the new user; the sandbox comes last.
 */
MUST_USE static enum exit_status open_server(const struct serve_options *options,
					     const struct listen_addresses *addresses,
					     const struct privileges_user *user,
					     struct server_config *config, struct server *server)
{
	enum exit_status status = open_signals(server->control);
	if (status != STATUS_OK)
		return status;
	status = open_listeners(options, addresses, server);
	if (status != STATUS_OK)
		return status;
	prepare_children(config->engine);
	status = become_user(options, user);
	if (status != STATUS_OK)
		return status;
	status = decide_client_limit(options, config);
	if (status != STATUS_OK)
		return status;
	status = open_table(server);
	return status == STATUS_OK ? give_up_rights(server) : status;
}

/* Looks up what may take long, then opens the server. */
MUST_USE static enum exit_status look_up_and_open(const struct serve_options *options,
						  struct server_config *config,
						  struct server *server)
{
	static struct listen_addresses addresses; /* too large for a stack */
	struct privileges_user user = { 0 };
	enum exit_status status = look_up_addresses(options, &addresses);
	if (status != STATUS_OK)
		return status;
	status = look_up_user(options, &user);
	if (status == STATUS_OK)
		status = open_server(options, &addresses, &user, config, server);
	privileges_free_user(&user);
	return status;
}

MUST_USE static enum exit_status start_and_run(struct serve_options *options,
					       struct server_config *config, struct server *server)
{
	static const struct addr_spec everywhere = {
		.kind = ADDR_WILDCARD,
		.port = SERVE_DEFAULT_PORT,
	};
	struct reason why;
	int n_passed;
	enum exit_status status = choose_engine(options, &why);
	if (status != STATUS_OK)
		return status;
	config->engine = options->engine;
	status = count_passed(&n_passed);
	if (status != STATUS_OK)
		return status;
	if (options->n_addresses == 0 && n_passed == 0) {
		options->addresses = &everywhere;
		options->n_addresses = 1;
	}
	status = ready_open(options->ready_fd, n_passed, &server->control->ready);
	if (status != STATUS_OK)
		return status;
	/* First: one of our own descriptors must not be taken for a missing passed one. */
	status = adopt_listeners(n_passed, &server->listeners);
	if (status != STATUS_OK)
		return status;
	status = look_up_and_open(options, config, server);
	return status == STATUS_OK ? run_engine(server, why.text) : status;
}

/* ---- the log ---- */

/* From here on, writing the log never blocks the server. */
MUST_USE static enum exit_status open_log(struct writer *ret_writer)
{
	void *shared;
	writer_open_log(ret_writer);
	int rc = shm_map_shared(sizeof(struct log_shared), &shared);
	if (rc < 0) {
		log_error("cannot start serving: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	log_share(shared); /* until the process ends */
	return STATUS_OK;
}

MUST_USE static enum exit_status open_faults(const struct serve_options *options,
					     struct server_config *config)
{
	int rc = options->faults != NULL ? faults_open(options->faults) : 0;
	if (rc < 0) {
		log_error("cannot start serving: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	config->faults = options->faults;
	return STATUS_OK;
}

enum exit_status serve_run(const struct serve_options *asked)
{
	static struct server_config config;
	/*
	 * Too large for a stack. What changes with each connection is at the start of both, on one
	 * page: after each fork(2), the first write to a page copies it.
	 */
	static struct {
		_Alignas(4096) struct control control;
		struct server server;
	} state;
	static char ready_text[READY_TEXT_SIZE];
	struct serve_options options = *asked;
	struct writer log;
	config = (struct server_config){
		.max_per_source = options.max_per_source,
		.idle_timeout_ns = options.idle_timeout_ns,
		.drain_timeout_ns = options.drain_timeout_ns,
		.busy_poll_ns = options.busy_poll_ns,
		.per_worker = options.per_worker,
		.quiet = options.quiet,
	};
	state.control = (struct control){
		.signals_fd = -1,
		.ready = { .writer = { .fd = -1, .copier_fd = -1 }, .text = ready_text },
	};
	state.server = (struct server){ .config = &config, .control = &state.control };
	enum exit_status status = open_log(&log);
	if (status == STATUS_OK)
		status = open_faults(&options, &config);
	if (status == STATUS_OK)
		status = start_and_run(&options, &config, &state.server);
	listeners_close(&state.server.listeners);
	client_table_close(&state.server.clients);
	control_close(&state.control);
	writer_close_log(&log);
	if (state.server.drain.ended_by != 0)
		signals_die_of(state.server.drain.ended_by);
	return status;
}
