/* SPDX-License-Identifier: MIT */
/* The functions of the checks, for the table in check.c only. */
#ifndef CLIENT_CHECK_CHECKS_H
#define CLIENT_CHECK_CHECKS_H

#include "client/check/check.h"

/* bytes.c */
void check_echo(struct check_job *job);
void check_silence(struct check_job *job);
void check_first_byte(struct check_job *job);
void check_backend(struct check_job *job);
void check_sizes(struct check_job *job);
void check_trickle(struct check_job *job);
void check_small_writes(struct check_job *job);
void check_pipeline(struct check_job *job);
void check_lock_step(struct check_job *job);

/* ends.c */
void check_half_close(struct check_job *job);
void check_half_close_late(struct check_job *job);
void check_fin_only(struct check_job *job);
void check_fin_with_data(struct check_job *job);
void check_ends_with_fin(struct check_job *job);
void check_tail(struct check_job *job);

/* abuse.c */
void check_abort(struct check_job *job);
void check_scan(struct check_job *job);
void check_port_reuse(struct check_job *job);
void check_slow_reader(struct check_job *job);
void check_zero_window(struct check_job *job);
void check_urgent(struct check_job *job);

/* many.c */
void check_cross_talk(struct check_job *job);
void check_isolation(struct check_job *job);
void check_second_client(struct check_job *job);
void check_connect(struct check_job *job);
void check_storm(struct check_job *job);
void check_limit(struct check_job *job);

/* path.c */
void check_addresses(struct check_job *job);
void check_source_ports(struct check_job *job);
void check_mtu(struct check_job *job);
void check_options(struct check_job *job);
void check_terminated(struct check_job *job);
void check_mptcp(struct check_job *job);
void check_fastopen(struct check_job *job);
void check_self(struct check_job *job);

/* process.c */
void check_zombies(struct check_job *job);
void check_descriptors(struct check_job *job);
void check_memory(struct check_job *job);
void check_cpu_when_full(struct check_job *job);
void check_survival(struct check_job *job);
void check_killed_child(struct check_job *job);
void check_restart(struct check_job *job);

/* during.c */
void check_during(struct check_job *job);

/* idle.c */
void check_idle(struct check_job *job);
void check_idle_keepalive(struct check_job *job);
void check_idle_half_closed(struct check_job *job);
void check_lifetime(struct check_job *job);

#endif
