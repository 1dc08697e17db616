/* SPDX-License-Identifier: MIT */
/*
 * `check --exec`: starts the server that is to be checked.
 */
#ifndef CLI_CHECK_EXEC_H
#define CLI_CHECK_EXEC_H

#include "base/compiler.h"
#include "base/exit_status.h"
#include "cli/command.h"
#include "client/check/check_server.h"
#include "net/addr.h"

/* Refuses a command without {port}, and operands beside it. Returns STATUS_OK or STATUS_USAGE. */
MUST_USE enum exit_status check_exec_validate(const struct arguments *arguments,
					      const char *command);

/*
 * Starts the command, waits until it accepts connections, and sets *ret_spec to its address. Errors
 * are printed. Returns STATUS_OK; STATUS_NO_CONNECTION if it does not accept; STATUS_MACHINE; or
 * the status of a signal. The caller closes *ret_server in each case.
 */
MUST_USE enum exit_status check_exec_start(const char *command, int signals_fd,
					   struct check_server *ret_server,
					   struct addr_spec *ret_spec);

#endif
