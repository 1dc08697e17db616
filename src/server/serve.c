/* SPDX-License-Identifier: MIT */
/*
 * Everything that can be refused is refused before the first client: a limit that this machine does
 * not allow, an address that cannot be had, a descriptor that is not open. What starts, serves.
 */
#include "server/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/status.h"
#include "net/activation.h"
#include "net/io.h"
#include "net/listen.h"
#include "net/privileges.h"
#include "net/signals.h"
#include "server/capacity.h"
#include "server/ports.h"

/* ---- limits ---- */

MUST_USE static enum status decide_capacity(const struct serve_config *config,
					    uint64_t *ret_clients)
{
	uint64_t asked = config->max_clients;
	uint64_t wanted = asked != 0 ? asked : CAPACITY_DEFAULT;
	struct machine_bound bound = capacity_of_machine(wanted);
	if (capacity_decide(asked, bound, ret_clients) < 0) {
		log_error("cannot serve %" PRIu64 " clients: this machine allows %" PRIu64
			  " (%s; raise that, or lower --max-clients)",
			  asked, bound.most, bound.set_by);
		return STATUS_MACHINE;
	}
	if (asked == 0 && *ret_clients < CAPACITY_DEFAULT)
		log_warning("at most %" PRIu64 " clients instead of %d (%s)", *ret_clients,
			    CAPACITY_DEFAULT, bound.set_by);
	return STATUS_OK;
}

/* ---- addresses ---- */

/* What to do about it, where we know. */
static const char *remedy(int code, const struct addr_spec *spec)
{
	bool is_unix = spec->kind == ADDR_UNIX;
	switch (code) {
	case -EACCES:
	case -EPERM:
		return is_unix ? " (the directory must be writable)"
			       : " (ports below 1024 need CAP_NET_BIND_SERVICE)";
	case -EADDRINUSE:
		return is_unix ? " (another server listens there, or it is no socket)"
			       : " (another server listens there: `ss -ltnp` shows which)";
	case -EADDRNOTAVAIL:
		return " (`ip address` shows those that this machine has)";
	default:
		return "";
	}
}

static enum status status_of(int code)
{
	switch (code) {
	case ERR_NO_SUCH_HOST:
	case ERR_NAME_SERVER:
	case ERR_NO_ADDRESS:
	case ERR_RESOLVER:
		return STATUS_NO_CONNECTION;
	default:
		return STATUS_MACHINE;
	}
}

/* Was this port among the addresses before the i-th? Then there is nothing new to say of it. */
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
	uint16_t port = config->addresses[i].port; /* 0 for unix: nothing to say of that either */
	struct ports_text reasons;
	if (!is_known_port(config, i) && ports_advise(port, machine_ephemeral_ports(), &reasons))
		log_warning("port %u is a poor choice: %s", port, reasons.text);
}

/* Takes over what a service manager passed in, all of it or nothing. */
MUST_USE static enum status adopt_listeners(int n_passed, struct listeners *listeners)
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

MUST_USE static enum status open_listeners(const struct serve_config *config,
					   struct listeners *listeners)
{
	for (size_t i = 0; i < config->n_addresses; i++) {
		const struct addr_spec *spec = &config->addresses[i];
		int rc = listeners_add(listeners, spec);
		if (rc < 0) {
			log_error("cannot listen on %s: %s%s", addr_spec_text(spec).text,
				  err_text(rc).text, remedy(rc, spec));
			return status_of(rc);
		}
		warn_of_port(config, i);
	}
	return STATUS_OK;
}

/* ---- readiness ---- */

static void announce(const char *addr, const char *engine, uint32_t max_clients)
{
	if (!log_is_json()) {
		log_notice("listening on %s (engine %s, at most %" PRIu32 " clients)", addr, engine,
			   max_clients);
		return;
	}
	struct log_record record;
	log_record_begin(&record, "listening");
	log_record_text(&record, "address", addr);
	log_record_text(&record, "engine", engine);
	log_record_count(&record, "max_clients", max_clients);
	log_record_end(&record);
}

/*
 * One address a line, then the end of the file: that is the sign. All in one write(2): a reader may
 * be content with the first line and go.
 */
MUST_USE static enum status tell_ready(int fd, const struct listeners *listeners)
{
	if (fd < 0)
		return STATUS_OK;
	char lines[LISTENERS_MOST * ADDR_TEXT_SIZE];
	size_t size = 0;
	for (size_t i = 0; i < listeners->n; i++)
		size += (size_t)snprintf(lines + size, sizeof(lines) - size, "%s\n",
					 addr_format(&listeners->list[i].addr).text);
	ssize_t n = io_write(fd, lines, size);
	if (n < 0) {
		log_error("cannot write to --ready-fd %d: %s", fd, err_text((int)n).text);
		return STATUS_MACHINE;
	}
	if (fd > STDERR_FILENO)
		io_close(&fd);
	return STATUS_OK;
}

MUST_USE static enum status check_ready_fd(int fd, int n_passed)
{
	if (fd < 0)
		return STATUS_OK;
	if (fd >= ACTIVATION_FIRST_FD && fd < ACTIVATION_FIRST_FD + n_passed) {
		log_error("cannot write to --ready-fd %d: it is a socket that was passed in "
			  "(LISTEN_FDS=%d)",
			  fd, n_passed);
		return STATUS_USAGE;
	}
	int rc = io_check_writable(fd);
	if (rc == 0)
		return STATUS_OK;
	log_error("cannot write to --ready-fd %d: %s", fd,
		  rc == -EBADF ? "it is not open" : "it is open for reading only");
	return STATUS_USAGE;
}

/* ---- all of it ---- */

MUST_USE static enum status count_passed(int *ret_n_passed)
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

/* Who speaks to it besides its clients, and whom it speaks to. */
MUST_USE static enum status open_signals(struct server *server)
{
	open_manager(server);
	int rc = signals_setup_server();
	if (rc < 0) {
		log_error("cannot start serving: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	server->signals_fd = rc;
	return STATUS_OK;
}

MUST_USE static enum status become_user(const struct serve_config *config)
{
	int rc = config->become_user ? privileges_become(config->user) : 0;
	if (rc == 0)
		return STATUS_OK;
	log_error("cannot become user %s: %s%s", privileges_user_name(config->user).text,
		  err_text(rc).text,
		  rc == -EPERM ? " (only root can: start as root, or leave --user out)" : "");
	return STATUS_MACHINE;
}

/* The table of clients, as large as this machine allows the user that we are by now. */
MUST_USE static enum status open_table(const struct serve_config *config, struct server *server)
{
	uint64_t max_clients = 0;
	enum status status = decide_capacity(config, &max_clients);
	if (status != STATUS_OK)
		return status;
	int rc = clients_open(&server->clients, (uint32_t)max_clients);
	if (rc == 0)
		return STATUS_OK;
	log_error("cannot start serving: %s", err_text(rc).text);
	return STATUS_MACHINE;
}

/* Nothing that needs a right comes after this. */
MUST_USE static enum status give_up_rights(struct server *server)
{
	int rc = sandbox_enter(&server->sandbox, &server->listeners);
	if (rc == 0)
		return STATUS_OK;
	log_error("cannot give up rights: %s", err_text(rc).text);
	return STATUS_MACHINE;
}

/* Runs the engine on an open server and says how it went. */
MUST_USE static enum status run_engine(const struct serve_config *config, struct server *server)
{
	for (size_t i = 0; i < server->listeners.n; i++)
		announce(addr_format(&server->listeners.list[i].addr).text, config->engine->name,
			 server->clients.most);
	enum status status = tell_ready(config->ready_fd, &server->listeners);
	if (status != STATUS_OK)
		return status;
	activation_tell(&server->manager, "READY=1");

	int rc = config->engine->run(server);
	server_log_totals(server);
	if (rc < 0) {
		log_error("cannot go on serving: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	return server->totals.cut_off == 0 ? STATUS_OK : STATUS_ECHO_FAILED;
}

MUST_USE static enum status start_and_run(const struct serve_config *asked, struct server *server)
{
	static const struct addr_spec everywhere = {
		.kind = ADDR_WILDCARD,
		.port = SERVE_DEFAULT_PORT,
	};
	struct serve_config config = *asked;
	int n_passed = 0;
	enum status status = count_passed(&n_passed);
	if (config.n_addresses == 0 && n_passed == 0) {
		config.addresses = &everywhere;
		config.n_addresses = 1;
	}
	if (status == STATUS_OK)
		status = check_ready_fd(config.ready_fd, n_passed);
	/* First of all, or a descriptor of our own could pass for one that was not there. */
	if (status == STATUS_OK)
		status = adopt_listeners(n_passed, &server->listeners);
	if (status == STATUS_OK)
		status = open_signals(server);
	if (status == STATUS_OK)
		status = open_listeners(&config, &server->listeners);
	if (status == STATUS_OK && config.engine->prepare != NULL)
		config.engine->prepare();
	if (status == STATUS_OK)
		status = become_user(&config);
	if (status == STATUS_OK)
		status = open_table(&config, server);
	if (status == STATUS_OK)
		status = give_up_rights(server);
	return status == STATUS_OK ? run_engine(&config, server) : status;
}

enum status serve_run(const struct serve_config *config)
{
	struct server server = {
		.signals_fd = -1,
		.max_per_source = config->max_per_source,
		.idle_timeout_ns = config->idle_timeout_ns,
		.drain_timeout_ns = config->drain_timeout_ns,
		.quiet = config->quiet,
	};
	enum status status = start_and_run(config, &server);
	listeners_close(&server.listeners);
	clients_close(&server.clients);
	activation_close_notify(&server.manager);
	io_close(&server.signals_fd);
	if (server.drain.ended_by != 0)
		signals_die_of(server.drain.ended_by);
	return status;
}
