/* SPDX-License-Identifier: MIT */
/*
 * What the kernel knew of many connections (tcp(7), TCP_INFO), each at its end.
 */
#ifndef CLIENT_KERNEL_VIEW_H
#define CLIENT_KERNEL_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "net/tcpinfo.h"

/* A zeroed one is empty. */
struct kernel_view {
	uint64_t n;         /* TCP connections that were established */
	struct tcpinfo sum; /* of all, also those that were not; but rtt_min_ns is the minimum */
	struct tcpinfo_sending sending; /* of the first */
};

/* Adds a connection that is about to be closed; -1, and what is no TCP connection, is left out. */
void kernel_view_note(struct kernel_view *view, int fd);

void kernel_view_add(struct kernel_view *into, const struct kernel_view *from);

/* Means of the times, the minimum, all retransmissions. False: there was no connection. */
bool kernel_view_mean(const struct kernel_view *view, struct tcpinfo *ret_info);

#endif
