/* SPDX-License-Identifier: MIT */
/*
 * What the kernel knows about a connection (tcp(7), TCP_INFO).
 */
#ifndef NET_TCPINFO_H
#define NET_TCPINFO_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Round-trip times of segments: from sending a segment to its ACK (RFC 6298). An ACK means that the
 * other kernel has it, not the other program. The wake-up of our process is not included.
 */
struct tcpinfo {
	uint64_t rtt_ns;        /* smoothed */
	uint64_t rtt_var_ns;    /* its mean deviation */
	uint64_t rtt_min_ns;    /* minimum over the last minutes */
	uint64_t n_retransmits; /* segments that were sent again since the start */
};

/* Returns false if it is not a TCP connection. */
bool tcpinfo_of(int fd, struct tcpinfo *ret_info);

/*
 * Returns how long ago the last data of this connection arrived at this machine, in the resolution
 * of the kernel's ticks (up to 10 ms). Returns false if it is not a TCP connection.
 */
bool tcpinfo_received_ago(int fd, uint64_t *ret_ns);

/* Parameters for sending. */
struct tcpinfo_sending {
	char congestion_control[16]; /* TCP_CONGESTION: "cubic"; empty if not TCP */
	uint64_t mss;                /* maximum payload of a segment, in bytes */
};

/* Returns false if it is not a TCP connection. */
bool tcpinfo_sending_of(int fd, struct tcpinfo_sending *ret_sending);

#endif
