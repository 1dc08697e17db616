/* SPDX-License-Identifier: MIT */
#include "client/dial.h"

#include <errno.h>
#include <inttypes.h>

#include "base/err.h"
#include "base/log.h"
#include "net/connect.h"
#include "net/machine.h"

/*
 * Deadline for one of several addresses: a fair share of the time that is left, so that each is
 * tried; at least its share of the whole, if we were stopped while another was tried.
 */
static uint64_t share_deadline_ns(uint64_t now_ns, uint64_t deadline_ns, int n_left,
				  uint64_t share_ns)
{
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	uint64_t fair_ns = left_ns / (uint64_t)n_left;
	return clock_after_ns(now_ns, fair_ns > share_ns ? fair_ns : share_ns);
}

int dial(const struct addr_spec *server, int family, uint64_t timeout_ns, struct addr *ret_addr,
	 uint64_t *ret_took_ns)
{
	struct addr list[ADDR_MAX_RESOLVED];
	int n = addr_resolve(server, family, list);
	int fd = n;
	/* The resolver has time-outs of its own (resolv.conf(5)); ours begins when it is done. */
	uint64_t deadline_ns = clock_deadline_ns(timeout_ns);
	for (int i = 0; i < n; i++) {
		uint64_t start_ns = clock_now_ns();
		uint64_t until_ns = clock_after_ns(start_ns, DIAL_TIMEOUT_NS);
		if (timeout_ns != 0)
			until_ns = share_deadline_ns(start_ns, deadline_ns, n - i,
						     timeout_ns / (uint64_t)n);
		fd = connect_open(&list[i], until_ns);
		if (fd < 0)
			continue;
		if (ret_took_ns != NULL)
			*ret_took_ns = clock_now_ns() - start_ns;
		if (ret_addr != NULL)
			*ret_addr = list[i];
		break;
	}
	return fd;
}

static const char *remedy(int code)
{
	switch (code) {
	case -ECONNREFUSED:
	case -ENOENT:
		return " (is a server listening there?)";
	case -ETIMEDOUT:
		return " (the host does not answer, or a firewall drops what it is sent)";
	default:
		return "";
	}
}

static enum status status_of(int code)
{
	switch (code) {
	case -EMFILE:
	case -ENFILE:
	case -ENOBUFS:
	case -ENOMEM:
	case -EACCES:
		return STATUS_MACHINE;
	default:
		return STATUS_NO_CONNECTION;
	}
}

enum status dial_explain(const struct addr_spec *server, int code)
{
	log_error("cannot connect to %s: %s%s", addr_spec_text(server).text, err_text(code).text,
		  remedy(code));
	return status_of(code);
}

bool dial_has_room(uint64_t n_connections, uint64_t n_beside)
{
	uint64_t wanted = n_connections + n_beside;
	uint64_t allowed = machine_descriptors(wanted);
	if (allowed >= wanted)
		return true;
	log_error("cannot have %" PRIu64 " connections: this process may have %" PRIu64
		  " descriptors (ulimit -n)",
		  n_connections, allowed);
	return false;
}
