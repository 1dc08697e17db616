/* SPDX-License-Identifier: MIT */
/*
 * The listening sockets of one ADDRESS of the command line: a name may stand for several addresses,
 * and all of them are served on one port.
 */
#ifndef NET_LISTEN_ALL_H
#define NET_LISTEN_ALL_H

#include "base/compiler.h"
#include "net/addr.h"

/*
 * Opens a listening socket (net/listen.h) for each of n addresses of a spec, as addr_resolve()
 * found them, all on the same port: for port 0 on one that is free on each. Addresses that this
 * machine does not have are left out, as long as it has one. A wildcard spec has no addresses and
 * is one socket (listen_open_wildcard()).
 *
 * Writes the descriptors, which are the caller's, and returns how many (1..ADDR_MAX_RESOLVED); or a
 * code of listen_open(), ERR_NO_FREE_PORT for port 0, and then none is open.
 */
MUST_USE int listen_open_all(const struct addr_spec *spec, const struct addr *list, int n,
			     int ret_fds[ADDR_MAX_RESOLVED]);

/* What to do about an address that cannot be had, " (...)" behind err_text(); or "". */
struct listen_remedy {
	char text[128];
};
struct listen_remedy listen_remedy(int code, const struct addr_spec *spec);

#endif
