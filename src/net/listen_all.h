/* SPDX-License-Identifier: MIT */
/*
 * The listening sockets of one ADDRESS of the command line. A name may resolve to several
 * addresses, and all of them are served on one port.
 */
#ifndef NET_LISTEN_ALL_H
#define NET_LISTEN_ALL_H

#include "base/compiler.h"
#include "net/addr.h"

/*
 * Opens a listening socket (net/listen.h) for each of n addresses of a spec, as found by
 * addr_resolve(). All use the same port; for port 0, one that is free on each address. Addresses
 * that this machine does not have are skipped, as long as it has at least one. A wildcard spec has
 * no addresses and gets one socket (listen_open_wildcard()).
 *
 * Writes the descriptors, which the caller closes, and returns their number (1..ADDR_MAX_RESOLVED).
 * On failure none is open: returns a code of listen_open(), or ERR_NO_FREE_PORT for port 0.
 */
MUST_USE int listen_open_all(const struct addr_spec *spec, const struct addr *list, int n,
			     int ret_fds[ADDR_MAX_RESOLVED]);

/*
 * Returns what the user can do about a failed address, " (...)" to print after err_text(), or "".
 */
struct listen_remedy {
	char text[128];
};
struct listen_remedy listen_remedy(int code, const struct addr_spec *spec);

#endif
