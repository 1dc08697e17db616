/* SPDX-License-Identifier: MIT */
#include "cli/check_exec.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/signals.h"

/* A server has this long until it accepts connections. */
#define START_S 10

enum exit_status check_exec_validate(const struct arguments *arguments, const char *command)
{
	if (arguments->n_operands > 0) {
		log_error("--exec and HOST exclude each other");
		return STATUS_USAGE;
	}
	if (strstr(command, "{port}") == NULL) {
		log_error("--exec: the command has no {port}, the port on which it is to listen");
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

/* Waits until it accepts connections. */
MUST_USE static enum exit_status await_server(struct check_server *server, int signals_fd)
{
	uint64_t deadline_ns = clock_deadline_ns(START_S * CLOCK_NS_PER_S);
	int rc, signal = 0;
	do {
		rc = check_server_await(server, signals_fd, deadline_ns);
		signal = rc == -EINTR ? signals_next(signals_fd) : 0;
	} while (rc == -EINTR && (signal == 0 || signal == SIGQUIT));
	if (rc == 0)
		return STATUS_OK;
	if (signal != 0)
		return status_of_signal(signal);
	if (rc == -ECHILD && server->run.status > STATUS_SIGNAL)
		log_error("the server was ended by signal %d before it accepted connections",
			  server->run.status - STATUS_SIGNAL);
	else if (rc == -ECHILD)
		log_error("the server ended with status %d before it accepted connections",
			  server->run.status);
	else if (rc == -ETIMEDOUT)
		log_error("the server does not accept connections on 127.0.0.1 port %u (%d s)",
			  addr_port(&server->addr), START_S);
	else
		log_error("cannot wait for the server: %s", err_text(rc).text);
	return rc == -ECHILD || rc == -ETIMEDOUT ? STATUS_NO_CONNECTION : STATUS_MACHINE;
}

enum exit_status check_exec_start(const char *command, int signals_fd,
				  struct check_server *ret_server, struct addr_spec *ret_spec)
{
	int rc = check_server_open(command, ret_server);
	if (rc == 0)
		rc = addr_parse(addr_format(&ret_server->addr).text, ret_spec);
	if (rc == 0)
		return await_server(ret_server, signals_fd);
	log_error("cannot start the server: %s", err_text(rc).text);
	return STATUS_MACHINE;
}
