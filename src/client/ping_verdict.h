/* SPDX-License-Identifier: MIT */
/*
 * The verdict on a ping that is over: whether the client was the limit, and the exit status.
 */
#ifndef CLIENT_PING_VERDICT_H
#define CLIENT_PING_VERDICT_H

#include <stdbool.h>

#include "client/own_limit.h"
#include "client/ping.h"

/* What ended it; neither: its count is reached, it is no echo server, or output failed. */
struct ping_end {
	bool by_signal;
	bool by_deadline;
};

/* Fills in the client's share of a core, and why the times are the client's. */
void ping_judge_client(const struct own_use *use, const struct own_idle *idle,
		       struct ping_report *report);

/* Fills in whether it was interrupted, and the verdict. Says why where no count shows it. */
void ping_judge(const struct ping_config *config, const struct ping_end *end,
		struct ping_report *report);

#endif
