/* SPDX-License-Identifier: MIT */
/*
 * What the kernel itself knows of a connection (tcp(7), TCP_INFO).
 */
#ifndef NET_TCPINFO_H
#define NET_TCPINFO_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Round trips of segments: from a segment's departure to its acknowledgement, by which the other
 * kernel has it, not the other program (RFC 6298). Nothing of it is our waking up.
 */
struct tcpinfo {
	uint64_t rtt_ns;        /* smoothed */
	uint64_t rtt_var_ns;    /* its mean deviation */
	uint64_t rtt_min_ns;    /* the least of the latest minutes */
	uint64_t n_retransmits; /* segments that were sent again, ever */
};

/* False: it is no TCP connection. */
bool tcpinfo_of(int fd, struct tcpinfo *ret_info);

/*
 * How long ago the last data of this connection arrived in this machine, with the grain of the
 * kernel's ticks (up to 10 ms). False: it is no TCP connection.
 */
bool tcpinfo_received_ago(int fd, uint64_t *ret_ns);

/* By which rules it sends. */
struct tcpinfo_sending {
	char congestion_control[16]; /* TCP_CONGESTION: "cubic"; empty: it is no TCP connection */
	uint64_t mss;                /* payload of a segment at most, in bytes */
};

/* False: it is no TCP connection. */
bool tcpinfo_sending_of(int fd, struct tcpinfo_sending *ret_sending);

#endif
