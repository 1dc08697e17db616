/* SPDX-License-Identifier: MIT */
#include "server/capacity.h"

#include "base/err.h"

static uint64_t less(uint64_t most, uint64_t own)
{
	if (most == MACHINE_UNLIMITED)
		return most;
	return most > own ? most - own : 0;
}

static struct machine_bound tighter(struct machine_bound a, struct machine_bound b)
{
	return a.most < b.most ? a : b;
}

static struct machine_bound descriptors(uint64_t wanted, uint64_t n_tables)
{
	uint64_t each = (wanted + n_tables - 1) / n_tables + CAPACITY_OWN_DESCRIPTORS;
	uint64_t most = less(machine_descriptors(each), CAPACITY_OWN_DESCRIPTORS);
	return (struct machine_bound){
		.most = most == MACHINE_UNLIMITED ? most : most * n_tables,
		.set_by = "descriptors, ulimit -n",
	};
}

struct machine_bound capacity_of_machine(uint64_t wanted, struct capacity_need need,
					 uint32_t n_workers)
{
	struct machine_bound bound = descriptors(wanted, need.many_workers ? n_workers : 1);
	if (need.process) {
		struct machine_bound processes = machine_processes();
		processes.most = less(processes.most, CAPACITY_OWN_PROCESSES);
		bound = tighter(bound, processes);
	}
	struct machine_bound memory = {
		.most = machine_free_memory_kib(),
		.set_by = "memory, MemAvailable",
	};
	if (memory.most != MACHINE_UNLIMITED)
		memory.most /= need.kib;
	return tighter(bound, memory);
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
