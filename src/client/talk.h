/* SPDX-License-Identifier: MIT */
/* `tcpecho talk`: copies standard input to the server and its echo to standard output, verified. */
#ifndef CLIENT_TALK_H
#define CLIENT_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/exit_status.h"
#include "net/addr.h"

struct talk_config {
	struct addr_spec server; /* kind ADDR_HOST or ADDR_UNIX */
	int family;              /* AF_UNSPEC, AF_INET or AF_INET6 */
	uint64_t timeout_ns;     /* for connecting, and for silence while bytes are due; 0: none */
	bool raw;                /* write control bytes to a terminal unchanged */
	bool no_half_close;      /* send our FIN only when every byte is back */
};

/*
 * Talks until the server has closed. Prints all messages itself. Returns the exit status: STATUS_OK
 * only if the input ended, every byte of it came back, and the server then closed. If the reader of
 * standard output closes, the process is ended by SIGPIPE, without a message.
 */
MUST_USE enum exit_status talk_run(const struct talk_config *config);

#endif
