/* SPDX-License-Identifier: MIT */
/* The verdict on a finished ping run: whether the client was the limit, and the exit status. */
#ifndef CLIENT_PING_VERDICT_H
#define CLIENT_PING_VERDICT_H

#include <stdbool.h>

#include "client/bottleneck.h"
#include "client/ping.h"

/* What ended the run. Neither: its count is reached, it is not an echo server, or output failed. */
struct ping_end {
	bool by_signal;
	bool by_deadline;
};

/* Fills in the CPU share of the client, and why the client was the limit. */
void ping_check_client(const struct bottleneck_usage *use, const struct bottleneck_idle *idle,
		       struct ping_report *report);

/* Fills in is_interrupted and the verdict. Prints the reason if no count shows it. */
void ping_set_verdict(const struct ping_config *config, const struct ping_end *end,
		      struct ping_report *report);

#endif
