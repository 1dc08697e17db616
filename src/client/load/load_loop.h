/* SPDX-License-Identifier: MIT */
/* The loop of one thread of a load (client/load/load.h). */
#ifndef CLIENT_LOAD_LOAD_LOOP_H
#define CLIENT_LOAD_LOAD_LOOP_H

#include "client/load/load.h"

/*
 * Runs the load to its end in the calling thread. Counts that were not passed on are then in
 * load->result.
 */
void load_loop_run(struct load *load);

#endif
