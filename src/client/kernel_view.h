/* SPDX-License-Identifier: MIT */
/* What the kernel knew about connections (tcp(7), TCP_INFO), read at the end of each. */
#ifndef CLIENT_KERNEL_VIEW_H
#define CLIENT_KERNEL_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "net/tcpinfo.h"

/* Zeroed: empty. */
struct kernel_view {
	uint64_t n;         /* TCP connections that were established */
	struct tcpinfo sum; /* all connections, even those not established; rtt_min_ns: minimum */
	struct tcpinfo_sending sending; /* of the first connection */
};

/* Adds a connection that is about to be closed. Ignores -1 and sockets that are not TCP. */
void kernel_view_note(struct kernel_view *view, int fd);

void kernel_view_add(struct kernel_view *into, const struct kernel_view *from);

/*
 * Returns mean times, minimum RTT and all retransmissions. Returns false if nothing was
 * established.
 */
bool kernel_view_mean(const struct kernel_view *view, struct tcpinfo *ret_info);

#endif
