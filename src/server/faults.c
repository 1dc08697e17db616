/* SPDX-License-Identifier: MIT */
#include "server/faults.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/clock.h"
#include "fault/swap.h"
#include "net/addr.h"
#include "net/shm.h"

/* A tag: above the number of the connection, the number of the set: 0 for --fault, or kind + 1. */
#define TAG_SET_SHIFT   27
#define TAG_NUMBER_MASK ((UINT32_C(1) << TAG_SET_SHIFT) - 1)

static_assert(FAULT_KINDS < 1 << (32 - TAG_SET_SHIFT), "a tag has room for every set");
static_assert(FAULTS_MAX <= 31 - FAULTS_REASON_BITS, "a reason has room for every fault");

struct faults_shared {
	_Atomic uint64_t n_clients; /* since the start: the number of the latest one */
	_Atomic uint64_t n_open;
	_Alignas(64) unsigned char swaps[];
};

int faults_open(struct faults *faults)
{
	void *memory;
	int rc = shm_map_shared(sizeof(struct faults_shared) + swaps_size(), &memory);
	if (rc == 0)
		faults->shared = memory;
	return rc;
}

size_t faults_stream_size(const struct faults *faults)
{
	/* The largest set decides: a fault port may have a delay. */
	size_t size = fault_stream_size(&faults->set);
	for (size_t kind = 0; faults->first_port != 0 && kind < FAULT_KINDS; kind++) {
		size_t other = fault_stream_size(&faults->port_sets[kind]);
		size = other > size ? other : size;
	}
	return size;
}

/* Returns the number of the set for a local address. */
static uint32_t set_of(const struct faults *faults, const struct addr *here)
{
	uint32_t kind = (uint32_t)addr_port(here) - faults->first_port;
	return faults->first_port != 0 && kind < FAULT_KINDS ? kind + 1 : 0;
}

void faults_client_begins(const struct faults *faults, struct client *client,
			  struct fault_conn *ret_conn)
{
	struct faults_shared *shared = faults->shared;
	uint64_t number =
		atomic_fetch_add_explicit(&shared->n_clients, 1, memory_order_relaxed) + 1;
	struct addr here;
	bool is_known = faults->first_port != 0 && addr_of_socket(client->fd, &here) == 0;
	uint32_t set = is_known ? set_of(faults, &here) : 0;
	client->fault_tag = set << TAG_SET_SHIFT | ((uint32_t)number & TAG_NUMBER_MASK);
	*ret_conn = (struct fault_conn){
		.set = faults_set(faults, client->fault_tag),
		.swaps = (struct swaps *)shared->swaps,
		.number = number & TAG_NUMBER_MASK,
		.n_open = atomic_fetch_add_explicit(&shared->n_open, 1, memory_order_relaxed) + 1,
		.now_ns = clock_now_ns(),
	};
}

void faults_client_ended(const struct faults *faults)
{
	atomic_fetch_sub_explicit(&faults->shared->n_open, 1, memory_order_relaxed);
}

struct faults_text faults_format_fired(const struct fault_set *set, uint32_t fired)
{
	struct faults_text out = { "none" };
	size_t used = 0;
	for (size_t i = 0; i < set->n && used < sizeof(out.text); i++) {
		if ((fired >> i & 1) != 0)
			used += (size_t)snprintf(out.text + used, sizeof(out.text) - used, "%s%s",
						 used > 0 ? "+" : "",
						 fault_format(&set->faults[i]).text);
	}
	return out;
}

struct faults_text faults_format(const struct faults *faults, const struct addr *addr)
{
	const struct fault_set *set = faults_set(faults, set_of(faults, addr) << TAG_SET_SHIFT);
	return faults_format_fired(set, UINT32_MAX);
}

uint64_t faults_number(uint32_t tag)
{
	return tag & TAG_NUMBER_MASK;
}

const struct fault_set *faults_set(const struct faults *faults, uint32_t tag)
{
	uint32_t set = tag >> TAG_SET_SHIFT;
	return set == 0 || set > FAULT_KINDS ? &faults->set : &faults->port_sets[set - 1];
}
