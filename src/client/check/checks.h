/* SPDX-License-Identifier: MIT */
/* The functions of the checks, for the table in check.c only. */
#ifndef CLIENT_CHECK_CHECKS_H
#define CLIENT_CHECK_CHECKS_H

#include "client/check/check.h"

/* bytes.c */
void run_echo(struct check_job *job);
void run_silence(struct check_job *job);
void run_first_byte(struct check_job *job);
void run_backend(struct check_job *job);
void run_sizes(struct check_job *job);
void run_trickle(struct check_job *job);
void run_small_writes(struct check_job *job);
void run_pipeline(struct check_job *job);
void run_lock_step(struct check_job *job);

/* ends.c */
void run_half_close(struct check_job *job);
void run_half_close_late(struct check_job *job);
void run_fin_only(struct check_job *job);
void run_fin_with_data(struct check_job *job);
void run_ends_with_fin(struct check_job *job);
void run_tail(struct check_job *job);

/* abuse.c */
void run_abort(struct check_job *job);
void run_scan(struct check_job *job);
void run_port_reuse(struct check_job *job);
void run_slow_reader(struct check_job *job);
void run_zero_window(struct check_job *job);
void run_urgent(struct check_job *job);

/* many.c */
void run_cross_talk(struct check_job *job);
void run_isolation(struct check_job *job);
void run_connect(struct check_job *job);
void run_storm(struct check_job *job);
void run_limit(struct check_job *job);

/* path.c */
void run_addresses(struct check_job *job);
void run_source_ports(struct check_job *job);
void run_mtu(struct check_job *job);
void run_options(struct check_job *job);
void run_terminated(struct check_job *job);
void run_mptcp(struct check_job *job);
void run_fastopen(struct check_job *job);
void run_self(struct check_job *job);

/* idle.c */
void run_idle(struct check_job *job);
void run_idle_keepalive(struct check_job *job);
void run_idle_half_closed(struct check_job *job);
void run_hold(struct check_job *job);

#endif
