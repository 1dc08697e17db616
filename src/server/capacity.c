/* SPDX-License-Identifier: MIT */
#include "server/capacity.h"

#include "base/err.h"

static uint64_t less(uint64_t most, uint64_t own)
{
	if (most == MACHINE_UNLIMITED)
		return most;
	return most > own ? most - own : 0;
}

struct machine_bound capacity_of_machine(uint64_t wanted)
{
	struct machine_bound descriptors = {
		.most = less(machine_descriptors(wanted + CAPACITY_OWN_DESCRIPTORS),
			     CAPACITY_OWN_DESCRIPTORS),
		.set_by = "descriptors, ulimit -n",
	};
	struct machine_bound processes = machine_processes();
	processes.most = less(processes.most, CAPACITY_OWN_PROCESSES);
	return descriptors.most < processes.most ? descriptors : processes;
}

int capacity_decide(uint64_t asked, struct machine_bound bound, uint64_t *ret_clients)
{
	if (asked > bound.most)
		return ERR_OUT_OF_RANGE;
	uint64_t clients = asked != 0 ? asked : CAPACITY_DEFAULT;
	if (clients > bound.most)
		clients = bound.most;
	*ret_clients = clients > 0 ? clients : 1;
	return 0;
}
