/* SPDX-License-Identifier: MIT */
#include "net/tcpinfo.h"

#include <linux/tcp.h> /* the C library's version is older and shorter */
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/compiler.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)

MUST_USE static bool ask(int fd, struct tcp_info *ret_info)
{
	socklen_t size = sizeof(*ret_info);
	*ret_info = (struct tcp_info){ 0 }; /* an older kernel fills less */
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret_info, &size) == 0;
}

bool tcpinfo_of(int fd, struct tcpinfo *ret_info)
{
	struct tcp_info info;
	if (!ask(fd, &info))
		return false;
	*ret_info = (struct tcpinfo){
		.rtt_ns = info.tcpi_rtt * NS_PER_US,
		.rtt_var_ns = info.tcpi_rttvar * NS_PER_US,
		.rtt_min_ns = info.tcpi_min_rtt * NS_PER_US,
		.n_retransmits = info.tcpi_total_retrans,
	};
	return true;
}

bool tcpinfo_received_ago(int fd, uint64_t *ret_ns)
{
	struct tcp_info info;
	if (!ask(fd, &info))
		return false;
	*ret_ns = info.tcpi_last_data_recv * NS_PER_MS;
	return true;
}

bool tcpinfo_sending_of(int fd, struct tcpinfo_sending *ret_sending)
{
	struct tcp_info info;
	struct tcpinfo_sending sending = { 0 };
	socklen_t size = sizeof(sending.congestion_control) - 1; /* keep a NUL at the end */
	if (!ask(fd, &info) ||
	    getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, sending.congestion_control, &size) < 0)
		return false;
	sending.mss = info.tcpi_snd_mss;
	*ret_sending = sending;
	return true;
}
