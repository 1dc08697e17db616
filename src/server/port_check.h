/* SPDX-License-Identifier: MIT */
/*
 * The port rule of the classic text (UNP 2.9, 5.2), held against this machine: a server's own port
 * is above 1023 (reserved), above 5000 (where Berkeley's ephemeral ports ended), below 49152 (where
 * IANA's dynamic ports begin, RFC 6335) and outside the range from which this kernel gives ports to
 * clients, unless it is reserved there (ip_local_reserved_ports). Any other port works where
 * permission allows, and earns one warning.
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
 * Holds a port against the rule. Returns true and every reason, in one sentence, when it breaks it.
 * Pure. Port 0, the kernel's choice, breaks nothing. reserved: ports that the kernel does not give
 * to clients.
 */
bool port_check(uint16_t port, struct sysinfo_port_range ephemeral,
		const struct sysinfo_ports *reserved, struct port_advice *ret_text);

#endif
