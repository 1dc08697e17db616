/* SPDX-License-Identifier: MIT */
/*
 * The port rule of the classic text (UNP 2.9, 5.2), checked on this machine. A server's port should
 * be:
 *
 *   above 1023: ports up to there are reserved
 *   above 5000: the end of Berkeley's ephemeral ports
 *   below 49152: the start of IANA's dynamic ports (RFC 6335)
 *   outside the range from which this kernel gives ports to clients, unless it is reserved there
 *   (ip_local_reserved_ports)
 *
 * Any other port works if permissions allow it, and causes one warning.
 */
#ifndef SERVER_PORT_CHECK_H
#define SERVER_PORT_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "net/sysinfo.h"

#define PORT_ADVICE_SIZE 512

struct port_advice {
	char text[PORT_ADVICE_SIZE];
};

/*
 * Checks a port against the rule. Returns true if it breaks the rule, with every reason in one
 * sentence. Pure. Port 0 (the kernel chooses) breaks nothing. reserved: ports that the kernel does
 * not give to clients.
 */
bool port_check(uint16_t port, struct sysinfo_port_range ephemeral,
		const struct sysinfo_ports *reserved, struct port_advice *ret_text);

#endif
