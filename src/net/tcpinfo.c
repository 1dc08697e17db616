/* SPDX-License-Identifier: MIT */
#include "net/tcpinfo.h"

#include <linux/tcp.h> /* the C library's is older and shorter */
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#define NS_PER_US UINT64_C(1000)

bool tcpinfo_of(int fd, struct tcpinfo *ret_info)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return false;
	*ret_info = (struct tcpinfo){
		.rtt_ns = info.tcpi_rtt * NS_PER_US,
		.rtt_var_ns = info.tcpi_rttvar * NS_PER_US,
		.rtt_min_ns = info.tcpi_min_rtt * NS_PER_US,
		.n_retransmits = info.tcpi_total_retrans,
	};
	return true;
}
