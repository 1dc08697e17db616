/* SPDX-License-Identifier: MIT */
#include "cli/check_exec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/snippet.h"
#include "net/signals.h"

enum exit_status check_exec_read(const struct arguments *arguments, size_t exec, size_t ipv6,
				 int *ret_family)
{
	if (strstr(arguments->texts[exec], "{port}") == NULL) {
		log_error("--exec: {port} is missing in the command");
		return STATUS_USAGE;
	}
	if (arguments->n_operands > 0) {
		log_error("HOST does not apply to --exec, which chooses the address");
		return STATUS_USAGE;
	}
	*ret_family = arguments->values[ipv6] ? AF_INET6 : AF_INET;
	return STATUS_OK;
}

/* Prints the last lines that the server has written. */
static void print_output(const struct server_process *process)
{
	struct server_output output = server_process_output(process);
	char *rest = NULL;
	for (const char *line = strtok_r(output.text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		log_notice("%s", snippet_quoted(line, strlen(line)).text);
}

enum exit_status check_exec_start(const char *command, struct check_settings *settings,
				  int signals_fd, struct server_process *ret_process)
{
	int rc = server_process_start(command, settings->family, ret_process);
	if (rc < 0) {
		log_error("--exec: cannot start: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	settings->process = ret_process;
	settings->server =
		(struct addr_spec){ .kind = ADDR_HOST, .port = addr_port(&ret_process->addr) };
	snprintf(settings->server.host, sizeof(settings->server.host), "%s",
		 settings->family == AF_INET6 ? "::1" : "127.0.0.1");
	rc = server_process_await(ret_process, signals_fd, clock_deadline_ns(settings->wait_ns));
	if (rc == 0)
		return STATUS_OK;
	if (rc == -EINTR)
		return status_of_signal(signals_next(signals_fd));
	log_error("--exec: the server %s", rc == -ECHILD ? "ended before it accepted a connection"
							 : "does not accept connections");
	print_output(ret_process);
	return STATUS_NO_CONNECTION;
}
