/* SPDX-License-Identifier: MIT */
/*
 * `tcpecho talk`: standard input to the server, what comes back to standard output, verified.
 */
#ifndef CLIENT_TALK_H
#define CLIENT_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/exit_status.h"
#include "net/addr.h"

struct talk_config {
	struct addr_spec server; /* of the kinds ADDR_HOST and ADDR_UNIX */
	int family;              /* AF_UNSPEC, AF_INET or AF_INET6 */
	uint64_t timeout_ns;     /* for connecting, and for silence while bytes are due; 0: none */
	bool raw;                /* control bytes reach a terminal as they are */
	bool no_half_close;      /* our FIN is sent only when every byte is back */
};

/*
 * Talks until the server has ended the conversation. Says everything there is to say. Returns the
 * exit status: STATUS_OK only when the input ended, every byte of it came back, and the server then
 * ended too. When the reader of standard output goes away, the process ends by SIGPIPE, quietly.
 */
MUST_USE enum exit_status talk_run(const struct talk_config *config);

#endif
