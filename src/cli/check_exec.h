/* SPDX-License-Identifier: MIT */
/*
 * The option --exec of check: a server that is started for the checks.
 */
#ifndef CLI_CHECK_EXEC_H
#define CLI_CHECK_EXEC_H

#include "base/compiler.h"
#include "base/exit_status.h"
#include "cli/option.h"
#include "client/check/check.h"
#include "net/server_process.h"

/* Checks the command and that no HOST is given. exec and ipv6 are the indices of these options. */
MUST_USE enum exit_status check_exec_read(const struct arguments *arguments, size_t exec,
					  size_t ipv6, int *ret_family);

/*
 * Starts the server, waits until it accepts, and sets server and process of the settings. If it
 * does not accept, prints its last output. The caller calls server_process_end() if
 * settings->process is set.
 */
MUST_USE enum exit_status check_exec_start(const char *command, struct check_settings *settings,
					   int signals_fd, struct server_process *ret_process);

#endif
