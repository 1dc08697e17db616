/* SPDX-License-Identifier: MIT */
#include "client/dial.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "net/connect.h"
#include "net/io.h"
#include "net/machine.h"
#include "net/signals.h"

/*
 * Deadline for one of n addresses, from now on: a fair share of the time until end_ns, so that each
 * is tried; at least its share of the whole, if we were stopped while another was tried.
 */
static uint64_t share_deadline_ns(const struct dial_request *request, uint64_t now_ns,
				  uint64_t end_ns, int n, int n_left)
{
	uint64_t timeout_ns = request->timeout_ns;
	if (timeout_ns == 0 || (timeout_ns == CLOCK_NEVER && n_left > 1))
		return clock_after_ns(now_ns, DIAL_TIMEOUT_NS);
	if (timeout_ns == CLOCK_NEVER)
		return clock_after_ns(now_ns, DIAL_LONGEST_NS);
	uint64_t left_ns = end_ns > now_ns ? end_ns - now_ns : 0;
	uint64_t fair_ns = left_ns / (uint64_t)n_left, share_ns = timeout_ns / (uint64_t)n;
	return clock_after_ns(now_ns, fair_ns > share_ns ? fair_ns : share_ns);
}

/* Does a code mean that this machine does not reach addresses of that family at all? */
static bool is_of_family(int code)
{
	return code == -EAFNOSUPPORT || code == -ENETUNREACH || code == ERR_NO_SOURCE;
}

struct dialed dial(const struct dial_request *request)
{
	struct addr list[ADDR_MAX_RESOLVED];
	int n = addr_resolve(request->server, request->family, list);
	struct dialed dialed = { .fd = n };
	/* The resolver has its own timeouts (resolv.conf(5)); ours begins when it is done. */
	uint64_t end_ns = clock_deadline_ns(request->timeout_ns);
	for (int i = 0; i < n; i++) {
		uint64_t start_ns = clock_now_ns();
		uint64_t deadline_ns = share_deadline_ns(request, start_ns, end_ns, n, n - i);
		int fd = connect_open(&list[i], request->source, deadline_ns);
		if (fd >= 0)
			return (struct dialed){
				.fd = fd,
				.addr = list[i],
				.took_ns = clock_now_ns() - start_ns,
			};
		if (i == 0 || !is_of_family(fd) || is_of_family(dialed.fd))
			dialed.fd = fd;
	}
	return dialed;
}

/* ---- in a thread ---- */

static void *dial_thread(void *argument)
{
	struct dialing *dialing = argument;
	dialing->dialed = dial(&dialing->request);
	io_close(&dialing->finish_fd);
	return NULL;
}

int dial_begin(const struct dial_request *request, struct dialing **ret_dialing)
{
	struct dialing *dialing = calloc(1, sizeof(*dialing));
	if (dialing == NULL)
		return -ENOMEM;
	dialing->request = *request;
	dialing->server = *request->server;
	dialing->request.server = &dialing->server;
	if (request->source != NULL) {
		dialing->source = *request->source;
		dialing->request.source = &dialing->source;
	}
	int rc = io_pipe(&dialing->done_fd, &dialing->finish_fd);
	if (rc < 0) {
		free(dialing);
		return rc;
	}
	dialing->has_thread = pthread_create(&dialing->thread, NULL, dial_thread, dialing) == 0;
	if (!dialing->has_thread) {
		sigset_t blocked;
		signals_unblock(&blocked);
		dial_thread(dialing);
		signals_block(&blocked);
	}
	*ret_dialing = dialing;
	return 0;
}

struct dialed dial_end(struct dialing *dialing)
{
	if (dialing->has_thread)
		pthread_join(dialing->thread, NULL);
	struct dialed dialed = dialing->dialed;
	io_close(&dialing->done_fd);
	free(dialing);
	return dialed;
}

/* Returns 0 when it is done, or the signal that ends it; or a negative code. */
MUST_USE static int await_end(const struct dialing *dialing, int signals_fd)
{
	struct pollfd fds[] = {
		{ .fd = dialing->done_fd, .events = POLLIN },
		{ .fd = signals_fd, .events = POLLIN },
	};
	while (fds[0].revents == 0) {
		int rc = io_wait(fds, ARRAY_LEN(fds), CLOCK_NEVER);
		if (rc < 0)
			return rc;
		int signal;
		while ((signal = signals_next(signals_fd)) != 0) {
			if (signal != SIGQUIT)
				return signal;
			dial_say_so_far(&dialing->request);
		}
	}
	return 0;
}

enum status dial_await(const struct dial_request *request, int signals_fd,
		       struct dialed *ret_dialed)
{
	struct dialing *dialing;
	int rc = dial_begin(request, &dialing);
	if (rc == 0)
		rc = await_end(dialing, signals_fd);
	if (rc > 0)
		return status_of_signal(rc);
	if (rc < 0) {
		log_error("cannot start: %s", err_text(rc).text);
		return STATUS_MACHINE;
	}
	*ret_dialed = dial_end(dialing);
	return ret_dialed->fd < 0 ? dial_explain(request, ret_dialed->fd) : STATUS_OK;
}

/* ---- what is said ---- */

const char *dial_remedy(int code)
{
	switch (code) {
	case -ECONNREFUSED:
	case -ENOENT:
		return " (is a server listening there?)";
	case -ETIMEDOUT:
		return " (the host does not answer, or a firewall drops what it is sent)";
	case -EADDRNOTAVAIL:
		return " (no local port is free: wait, or widen net.ipv4.ip_local_port_range)";
	case -EACCES:
	case -EPERM:
		return " (this machine forbids it: by a firewall, a route or a file's permissions)";
	case -EAGAIN: /* of pthread_create(3) */
		return " (no thread can be started: see ulimit -u, ulimit -v and the pids cgroup)";
	case -EAFNOSUPPORT:
	case ERR_NO_SOURCE:
		return " (is IPv6 switched off?)";
	default:
		return err_remedy(code);
	}
}

enum status dial_explain(const struct dial_request *request, int code)
{
	log_error("cannot connect to %s: %s%s", addr_spec_text(request->server).text,
		  err_text(code).text, dial_remedy(code));
	return err_is_local(code) ? STATUS_MACHINE : STATUS_NO_CONNECTION;
}

int dial_limit(const struct result *result)
{
	int code = 0;
	for (size_t i = 0; i < result->n_failures; i++) {
		code = err_local_code(result->failures[i].name);
		if (code == 0)
			return 0;
	}
	return code;
}

void dial_say_limit(int code)
{
	log_error("this machine was the limit: %s%s", err_text(code).text, dial_remedy(code));
}

void dial_say_so_far(const struct dial_request *request)
{
	log_notice("connecting to %s", addr_spec_text(request->server).text);
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
