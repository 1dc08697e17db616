/* SPDX-License-Identifier: MIT */
#include "server/client_limit.h"

#include "base/err.h"

static uint64_t subtract_or_zero(uint64_t most, uint64_t own)
{
	if (most == SYSINFO_UNLIMITED)
		return most;
	return most > own ? most - own : 0;
}

static struct sysinfo_bound stricter(struct sysinfo_bound a, struct sysinfo_bound b)
{
	return a.max < b.max ? a : b;
}

static struct sysinfo_bound bound_by_descriptors(uint64_t wanted, uint64_t n_tables)
{
	uint64_t each = (wanted + n_tables - 1) / n_tables + CLIENT_LIMIT_OWN_DESCRIPTORS;
	uint64_t most =
		subtract_or_zero(sysinfo_free_descriptors(each), CLIENT_LIMIT_OWN_DESCRIPTORS);
	return (struct sysinfo_bound){
		.max = most == SYSINFO_UNLIMITED ? most : most * n_tables,
		.set_by = "descriptors, ulimit -n",
	};
}

static struct sysinfo_bound bound_by_processes(uint64_t wanted)
{
	struct sysinfo_bound bound = sysinfo_processes(wanted + CLIENT_LIMIT_OWN_PROCESSES);
	bound.max = subtract_or_zero(bound.max, CLIENT_LIMIT_OWN_PROCESSES);
	return bound;
}

/*
 * Returns how many clients this amount of memory in KiB allows. The figures are estimates, so at
 * least one client is always tried.
 */
static struct sysinfo_bound clients_in_memory(struct sysinfo_bound bound, uint64_t taken_kib,
					      uint64_t each_kib)
{
	bound.max = subtract_or_zero(bound.max, taken_kib);
	if (bound.max == SYSINFO_UNLIMITED || each_kib == 0)
		return (struct sysinfo_bound){ SYSINFO_UNLIMITED, bound.set_by };
	bound.max /= each_kib;
	bound.max += bound.max == 0;
	return bound;
}

struct sysinfo_bound client_limit_of_machine(uint64_t wanted, struct client_need need,
					     uint32_t n_workers)
{
	uint64_t n_separate = need.many_workers ? n_workers : 1;
	uint64_t own_kib = CLIENT_LIMIT_OWN_KIB + (uint64_t)n_workers * need.worker_kib;
	struct sysinfo_bound bound = bound_by_descriptors(wanted, n_separate);
	if (need.process)
		bound = stricter(bound, bound_by_processes(wanted));
	bound = stricter(bound, clients_in_memory(sysinfo_memory_kib(), own_kib, need.kib));
	/* Each worker has its own address space. */
	struct sysinfo_bound space = clients_in_memory(sysinfo_address_space_kib(),
						       need.worker_space_kib, need.space_kib);
	if (space.max != SYSINFO_UNLIMITED)
		space.max *= n_separate;
	return stricter(bound, space);
}

int client_limit_decide(uint64_t asked, struct sysinfo_bound bound, uint64_t *ret_clients)
{
	if (asked > bound.max || bound.max == 0)
		return ERR_OUT_OF_RANGE;
	uint64_t clients = asked != 0 ? asked : CLIENT_LIMIT_DEFAULT;
	*ret_clients = clients < bound.max ? clients : bound.max;
	return 0;
}
