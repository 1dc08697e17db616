/* SPDX-License-Identifier: MIT */
#include "client/load/load_server.h"

#include <stddef.h>

#include "base/clock.h"
#include "net/io.h"

/* Minimum time between two lookups of a name of which no other address answers. */
#define SLOW_PAUSE_NS CLOCK_NS_PER_S

void load_server_open(struct load_server *ret_server, const struct dial_request *request,
		      const struct addr *addr)
{
	*ret_server = (struct load_server){
		.list = { *addr },
		.n = 1,
		.redial = { .request = *request, .addr = *addr },
	};
}

const struct addr *load_server_addr(const struct load_server *server)
{
	return &server->list[atomic_load(&server->current)];
}

void load_server_report_failed(struct load_server *server)
{
	if (!atomic_load(&server->is_failed))
		atomic_store(&server->is_failed, true);
}

void load_server_report_slow(struct load_server *server)
{
	if (!atomic_load(&server->is_slow))
		atomic_store(&server->is_slow, true);
}

/* Makes the threads connect to this address, if the list has room. */
static void publish(struct load_server *server, const struct addr *addr)
{
	uint32_t i = 0;
	while (i < server->n && !addr_equal(&server->list[i], addr))
		i++;
	if (i == LOAD_ADDRESSES_MAX)
		return;
	if (i == server->n)
		server->list[server->n++] = *addr;
	atomic_store(&server->current, i);
}

void load_server_update(struct load_server *server)
{
	struct redial *redial = &server->redial;
	uint64_t now_ns = clock_now_ns();
	if (redial->dialing != NULL && io_is_ready(redial->dialing->done_fd, POLLIN)) {
		int fd = redial_end(redial, now_ns);
		if (fd >= 0) {
			server->n_opened++;
			publish(server, &redial->addr);
		}
		io_close(&fd);
	}
	bool has_failed = atomic_load(&server->is_failed);
	bool is_slow = atomic_load(&server->is_slow) && now_ns >= server->next_slow_ns;
	if (redial->dialing != NULL || (!has_failed && !is_slow))
		return;
	if (redial_begin(redial, !has_failed, now_ns) < 0)
		return;
	server->next_slow_ns = now_ns + SLOW_PAUSE_NS;
	atomic_store(&server->is_failed, false);
	atomic_store(&server->is_slow, false);
}
