/* SPDX-License-Identifier: MIT */
#include "client/load/load_server.h"

#include <stddef.h>

#include "base/clock.h"
#include "net/io.h"

/* Minimum time between two lookups of a name of which no other address answers. */
#define SILENT_PAUSE_NS CLOCK_NS_PER_S

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

void load_server_want(struct load_server *server)
{
	if (!atomic_load(&server->is_wanted))
		atomic_store(&server->is_wanted, true);
}

void load_server_want_other(struct load_server *server)
{
	if (!atomic_load(&server->is_silent))
		atomic_store(&server->is_silent, true);
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

void load_server_look(struct load_server *server)
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
	bool is_failed = atomic_load(&server->is_wanted);
	bool is_silent = atomic_load(&server->is_silent) && now_ns >= server->next_silent_ns;
	if (redial->dialing != NULL || (!is_failed && !is_silent))
		return;
	if (redial_begin(redial, !is_failed, now_ns) < 0)
		return;
	server->next_silent_ns = now_ns + SILENT_PAUSE_NS;
	atomic_store(&server->is_wanted, false);
	atomic_store(&server->is_silent, false);
}
