/* SPDX-License-Identifier: MIT */
#include "client/kernel_view.h"

/* Adds n connections with these sums. */
static void add_tcpinfo(struct kernel_view *view, uint64_t n, const struct tcpinfo *sum)
{
	view->sum.n_retransmits += sum->n_retransmits;
	if (n == 0)
		return;
	if (view->n == 0 || sum->rtt_min_ns < view->sum.rtt_min_ns)
		view->sum.rtt_min_ns = sum->rtt_min_ns;
	view->n += n;
	view->sum.rtt_ns += sum->rtt_ns;
	view->sum.rtt_var_ns += sum->rtt_var_ns;
}

void kernel_view_note(struct kernel_view *view, int fd)
{
	struct tcpinfo info;
	if (fd < 0 || !tcpinfo_of(fd, &info))
		return;
	if (view->n == 0 && !tcpinfo_sending_of(fd, &view->sending))
		return;
	add_tcpinfo(view, info.rtt_ns != 0, &info); /* no RTT: never established */
}

void kernel_view_add(struct kernel_view *into, const struct kernel_view *from)
{
	if (into->n == 0)
		into->sending = from->sending;
	add_tcpinfo(into, from->n, &from->sum);
}

bool kernel_view_mean(const struct kernel_view *view, struct tcpinfo *ret_info)
{
	if (view->n == 0)
		return false;
	*ret_info = view->sum;
	ret_info->rtt_ns /= view->n;
	ret_info->rtt_var_ns /= view->n;
	return true;
}
