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
#include "net/activation.h"
#include "net/io.h"
#include "net/listen_all.h"
#include "net/oom.h"
#include "net/privileges.h"
#include "net/shm.h"
#include "net/signals.h"
#include "net/sysinfo.h"
#include "server/client_limit.h"
#include "server/port_check.h"
#include "server/ready.h"
#include "server/workers/supervisor.h"

/* ---- limits ---- */

/* Returns the number of workers: the requested number, or the engine's default. */
static uint32_t choose_workers(const struct serve_config *config, uint32_t max_clients)
{
	const struct engine *engine = config->engine;
	if (engine->work == NULL)
		return 1;
	uint32_t n = config->n_workers;
	if (n == 0)
		n = engine->grows ? (max_clients + config->per_worker - 1) / config->per_worker
				  : engine->workers();
	return n < max_clients ? n : max_clients; /* a worker without clients is useless */
}

/* Returns the client limit; for an engine that grows, at most what its workers allow. */
static uint32_t places_of(const struct serve_config *config, uint32_t n_workers, uint64_t clients)
{
	uint64_t places = (uint64_t)n_workers * config->per_worker;
	return (uint32_t)(config->engine->grows && places < clients ? places : clients);
}

static enum exit_status cannot_serve(uint64_t asked, struct sysinfo_bound bound)
{
	if (bound.most == 0)
		log_error("cannot serve a single client: this machine allows none (%s; raise that)",
			  bound.set_by);
	else
		log_error("cannot serve %s: this machine allows %" PRIu64
			  " (%s; raise that, or lower --max-clients)",
			  units_count(asked, "client").text, bound.most, bound.set_by);
	return STATUS_MACHINE;
}

MUST_USE static enum exit_status decide_capacity(const struct serve_config *config,
						 struct server *server)
{
	uint64_t asked = config->max_clients, clients = 0;
	uint64_t wanted = asked != 0 ? asked : CLIENT_LIMIT_DEFAULT;
	uint32_t n_workers = choose_workers(config, (uint32_t)wanted);
	struct sysinfo_bound bound =
		client_limit_of_machine(wanted, config->engine->need, n_workers);
	if (client_limit_decide(asked, bound, &clients) < 0)
		return cannot_serve(asked, bound);
	if (asked == 0 && clients < CLIENT_LIMIT_DEFAULT)
		log_warning("at most %s instead of %d (%s)", units_count(clients, "client").text,
			    CLIENT_LIMIT_DEFAULT, bound.set_by);
	server->n_workers = choose_workers(config, (uint32_t)clients);
	server->max_clients = places_of(config, server->n_workers, clients);
	if (server->max_clients < asked)
		log_warning("at most %s instead of %" PRIu64 " (%s with %" PRIu32
			    " each: see --clients-per-worker)",
			    units_count(server->max_clients, "client").text, asked,
			    units_count(server->n_workers, "worker").text, config->per_worker);
	return STATUS_OK;
}

/* ---- the engine ---- */

/* Chooses the best engine, or checks that the requested one can be used. */
MUST_USE static enum exit_status choose_engine(struct serve_config *config, struct reason *ret_why)
{
	struct reason reason;
	*ret_why = (struct reason){ { 0 } };
	if (config->engine == NULL) {
		config->engine = engine_best(&reason);
		snprintf(ret_why->text, sizeof(ret_why->text), ", %.130s",
			 reason.text[0] != '\0' ? reason.text : "the best here");
		return STATUS_OK;
	}
	if (engine_check(config->engine, &reason) == 0)
		return STATUS_OK;
	log_error("engine %s cannot be used here: %s (-e auto takes the best that can)",
		  config->engine->name, reason.text);
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
static bool is_known_port(const struct serve_config *config, size_t i)
{
	for (size_t before = 0; before < i; before++) {
		if (config->addresses[before].port == config->addresses[i].port)
			return true;
	}
	return false;
}

static void warn_of_port(const struct serve_config *config, size_t i)
{
	uint16_t port = config->addresses[i].port; /* 0 for unix: no warning either */
	struct port_advice reasons;
	struct sysinfo_ports reserved;
	if (port == 0 || is_known_port(config, i))
		return;
	sysinfo_reserved_ports(&reserved);
	if (port_check(port, sysinfo_ephemeral_ports(), &reserved, &reasons))
		log_warning("port %u is a poor choice: %s", port, reasons.text);
}

/* Takes over the sockets that a service manager passed in: all of them, or fails. */
MUST_USE static enum exit_status adopt_listeners(int n_passed, struct listeners *listeners)
{
	for (int fd = ACTIVATION_FIRST_FD; fd < ACTIVATION_FIRST_FD + n_passed; fd++) {
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
MUST_USE static enum exit_status look_up_addresses(const struct serve_config *config,
						   struct listen_addresses *addresses)
{
	for (size_t i = 0; i < config->n_addresses; i++) {
		int rc = listeners_look_up(addresses, &config->addresses[i]);
		if (rc < 0)
			return cannot_listen(&config->addresses[i], rc);
	}
	return STATUS_OK;
}

/* Returns whether SIGINT or SIGTERM interrupted the start: then the server ends by it. */
static bool is_interrupted(struct server *server)
{
	server_read_signals(server);
	server->drain.ended_by = server->drain.asked_by;
	return server->drain.ended_by != 0;
}

MUST_USE static enum exit_status open_listeners(const struct serve_config *config,
						const struct listen_addresses *addresses,
						struct server *server)
{
	for (size_t i = 0; i < config->n_addresses; i++) {
		int rc = listeners_add(&server->listeners, addresses, i);
		if (rc == -EINTR && is_interrupted(server))
			return STATUS_MACHINE;
		if (rc < 0)
			return cannot_listen(&config->addresses[i], rc);
		warn_of_port(config, i);
	}
	return STATUS_OK;
}

/* ---- starting ---- */

struct start_remedy {
	char text[160];
};

/* -EAGAIN and -ENOMEM: a limit on the address space is the likeliest cause. */
static struct start_remedy shortage_remedy(int code)
{
	struct start_remedy out;
	struct sysinfo_limits space = sysinfo_space_limits();
	const char *limits = space.text;
	if (code == -EAGAIN)
		snprintf(out.text, sizeof(out.text),
			 " (no process or thread is left: see ulimit -u%s and the pids cgroup)",
			 limits);
	else if (limits[0] != '\0')
		snprintf(out.text, sizeof(out.text), " (lower --max-clients, or raise %s)",
			 limits + strlen(", "));
	else
		snprintf(out.text, sizeof(out.text),
			 " (lower --max-clients, or see the memory cgroup and "
			 "vm.overcommit_memory)");
	return out;
}

static const char *plain_remedy(int code)
{
	switch (code) {
	case -ENOSPC:
		return " (raise fs.epoll.max_user_watches)";
	case -EACCES:
	case -ENOSYS:
	case -EPERM:
		return " (a seccomp filter or another policy forbids it)";
	default:
		return err_remedy(code);
	}
}

/* Returns what to do after an error in starting a process or thread. */
static struct start_remedy start_remedy(int code)
{
	struct start_remedy out;
	if (code == -EAGAIN || code == -ENOMEM)
		return shortage_remedy(code);
	snprintf(out.text, sizeof(out.text), "%s", plain_remedy(code));
	return out;
}

static enum exit_status cannot_start(int code)
{
	log_error("cannot start serving: %s%s", err_text(code).text, start_remedy(code).text);
	return STATUS_MACHINE;
}

/* ---- the whole start ---- */

MUST_USE static enum exit_status count_passed(int *ret_n_passed)
{
	int rc = activation_take();
	if (rc < 0) {
		log_error("cannot take over sockets: LISTEN_FDS is %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	*ret_n_passed = rc;
	return STATUS_OK;
}

static void open_manager(struct server *server)
{
	int rc = activation_open_notify(&server->manager);
	if (rc < 0)
		log_warning("cannot tell the service manager (NOTIFY_SOCKET): %s",
			    err_text(rc).text);
}

/* Opens the connection to the service manager, and the signals. */
MUST_USE static enum exit_status open_signals(struct server *server)
{
	open_manager(server);
	int rc = signals_setup_server();
	if (rc < 0)
		return cannot_start(rc);
	server->signals_fd = rc;
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
MUST_USE static enum exit_status look_up_user(const struct serve_config *config,
					      struct privileges_user *user)
{
	int rc = config->become_user ? privileges_look_up(config->user, user) : 0;
	return rc == 0 ? STATUS_OK : cannot_become(user, rc);
}

MUST_USE static enum exit_status become_user(const struct serve_config *config,
					     const struct privileges_user *user)
{
	int rc = config->become_user ? privileges_become(user) : 0;
	return rc == 0 ? STATUS_OK : cannot_become(user, rc);
}

/* Opens the client table. Its size depends on the limits of the current user. */
MUST_USE static enum exit_status open_table(const struct serve_config *config,
					    struct server *server)
{
	enum exit_status status = decide_capacity(config, server);
	if (status != STATUS_OK || config->engine->work != NULL)
		return status; /* workers have their own tables */
	int rc = client_table_open(&server->clients, server->max_clients,
				   config->engine->entry_size);
	server->clients.most_per_source = server->max_per_source;
	if (rc < 0)
		return cannot_start(rc);
	client_table_hide_from_children(&server->clients);
	return STATUS_OK;
}

/* Drops the remaining rights. No later step needs any. */
MUST_USE static enum exit_status give_up_rights(struct server *server)
{
	struct sandbox_needs needs = server->engine->sandbox;
	needs.has_dispatch = needs.has_workers && server->max_per_source != 0;
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
	const struct engine *engine = server->engine;
	int rc = engine->work != NULL ? supervisor_start(server, ret_supervisor)
				      : engine->start(server);
	if (rc == -EINTR && is_interrupted(server))
		return STATUS_MACHINE;
	return rc == 0 ? STATUS_OK : cannot_start(rc);
}

/* Runs the engine on an open server and returns the exit status. */
MUST_USE static enum exit_status run_engine(const struct serve_config *config,
					    struct server *server, const char *why)
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
	activation_tell(&server->manager, "READY=1");

	int rc = supervisor != NULL ? supervisor_run(supervisor) : config->engine->run(server);
	server_log_totals(server);
	if (rc < 0) {
		log_error("cannot go on serving: %s%s", err_text(rc).text, start_remedy(rc).text);
		return STATUS_MACHINE;
	}
	return server->totals.cut_off == 0 ? STATUS_OK : STATUS_ECHO_FAILED;
}

/* Must be called while files can still be opened. */
static void prepare_children(const struct engine *engine)
{
	oom_prepare();
	if (engine->prepare != NULL)
		engine->prepare();
}

/* Results of the lookups at the start. */
struct looked_up {
	struct listen_addresses addresses;
	struct privileges_user user;
};

/* Opens all that running needs, from the first socket to the sandbox. */
MUST_USE static enum exit_status open_server(const struct serve_config *config,
					     const struct looked_up *found, struct server *server)
{
	enum exit_status status = open_signals(server);
	if (status == STATUS_OK)
		status = open_listeners(config, &found->addresses, server);
	if (status == STATUS_OK)
		prepare_children(config->engine);
	if (status == STATUS_OK)
		status = become_user(config, &found->user);
	if (status == STATUS_OK)
		status = open_table(config, server);
	if (status == STATUS_OK)
		status = give_up_rights(server);
	return status;
}

MUST_USE static enum exit_status start_and_run(const struct serve_config *asked,
					       struct server *server)
{
	static const struct addr_spec everywhere = {
		.kind = ADDR_WILDCARD,
		.port = SERVE_DEFAULT_PORT,
	};
	struct serve_config config = *asked;
	static struct looked_up found; /* too large for a stack */
	struct reason why;
	int n_passed = 0;
	enum exit_status status = choose_engine(&config, &why);
	server->engine = config.engine;
	if (status == STATUS_OK)
		status = count_passed(&n_passed);
	if (config.n_addresses == 0 && n_passed == 0) {
		config.addresses = &everywhere;
		config.n_addresses = 1;
	}
	if (status == STATUS_OK)
		status = ready_open(config.ready_fd, n_passed, &server->ready);
	/* First: one of our own descriptors must not be taken for a missing passed one. */
	if (status == STATUS_OK)
		status = adopt_listeners(n_passed, &server->listeners);
	if (status == STATUS_OK)
		status = look_up_addresses(&config, &found.addresses);
	if (status == STATUS_OK)
		status = look_up_user(&config, &found.user);
	if (status == STATUS_OK)
		status = open_server(&config, &found, server);
	privileges_free_user(&found.user);
	return status == STATUS_OK ? run_engine(&config, server, why.text) : status;
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

enum exit_status serve_run(const struct serve_config *config)
{
	static struct server server; /* too large for a stack */
	struct writer log;
	server = (struct server){
		.signals_fd = -1,
		.ready.writer = { .fd = -1, .copier_fd = -1 },
		.shutdown_pipe = { -1, -1 },
		.max_per_source = config->max_per_source,
		.idle_timeout_ns = config->idle_timeout_ns,
		.drain_timeout_ns = config->drain_timeout_ns,
		.busy_poll_ns = config->busy_poll_ns,
		.per_worker = config->per_worker,
		.quiet = config->quiet,
	};
	enum exit_status status = open_log(&log);
	if (status == STATUS_OK)
		status = start_and_run(config, &server);
	listeners_close(&server.listeners);
	client_table_close(&server.clients);
	shutdown_pipe_close(&server.shutdown_pipe);
	activation_close_notify(&server.manager);
	io_close(&server.signals_fd);
	server_close_ready(&server);
	writer_close_log(&log);
	if (server.drain.ended_by != 0)
		signals_die_of(server.drain.ended_by);
	return status;
}
