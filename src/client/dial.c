/* SPDX-License-Identifier: MIT */
#include "client/dial.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/units.h"
#include "net/connect.h"
#include "net/io.h"
#include "net/signals.h"
#include "net/sysinfo.h"

/* ---- all addresses of a name ---- */

/* A connection attempt to one of the addresses. */
struct attempt {
	int fd; /* -1: not begun, or failed */
	uint64_t start_ns, deadline_ns;
};

/* Attempts to connect to the addresses of a name. The first that succeeds ends it (RFC 8305, 5). */
struct race {
	const struct dial_request *request;
	struct addr list[ADDR_MAX_RESOLVED];
	struct attempt attempts[ADDR_MAX_RESOLVED];
	int n, n_begun, n_open;
	uint64_t next_ns; /* when the next address is tried; earlier if one fails */
	uint64_t end_ns;
	bool is_won;
	struct dialed dialed; /* the first success; until then, fd is the code of the failures */
};

/*
 * Returns the deadline of an attempt that begins now. If the process was stopped until after the
 * end, an address that was not tried yet still has its share of the timeout.
 */
static uint64_t attempt_deadline_ns(const struct race *race, uint64_t now_ns)
{
	uint64_t timeout_ns = race->request->timeout_ns;
	if (timeout_ns == 0)
		return clock_after_ns(now_ns, DIAL_TIMEOUT_NS);
	if (timeout_ns == CLOCK_NEVER)
		return clock_after_ns(now_ns, DIAL_LONGEST_NS);
	uint64_t share_ns = clock_after_ns(now_ns, timeout_ns / (uint64_t)race->n);
	return clock_later_ns(share_ns, race->end_ns);
}

/* Returns true if the code means that this machine cannot reach any address of that family. */
static bool is_of_family(int code)
{
	return code == -EAFNOSUPPORT || code == -ENETUNREACH || code == ERR_NO_SOURCE;
}

/* Records the code of a failed attempt. The next address is tried at once. */
static void set_dial_failure(struct race *race, int code, uint64_t now_ns)
{
	if (race->dialed.fd == 0 || !is_of_family(code) || is_of_family(race->dialed.fd))
		race->dialed.fd = code;
	race->next_ns = now_ns;
}

static void begin_attempt(struct race *race, uint64_t now_ns)
{
	int i = race->n_begun++;
	int fd = connect_begin(&race->list[i], race->request->source);
	race->next_ns = now_ns + DIAL_ATTEMPT_DELAY_NS;
	if (fd < 0) {
		set_dial_failure(race, fd, now_ns);
		return;
	}
	race->attempts[i] = (struct attempt){
		.fd = fd,
		.start_ns = now_ns,
		.deadline_ns = attempt_deadline_ns(race, now_ns),
	};
	race->n_open++;
}

/* Ends an attempt, with a code or 0. */
static void end_attempt(struct race *race, int i, int code, uint64_t now_ns)
{
	struct attempt *attempt = &race->attempts[i];
	race->n_open--;
	if (code == 0) {
		race->is_won = true;
		race->dialed = (struct dialed){
			.fd = attempt->fd,
			.addr = race->list[i],
			.took_ns = now_ns - attempt->start_ns,
		};
		attempt->fd = -1;
		return;
	}
	set_dial_failure(race, code, now_ns);
	io_close(&attempt->fd);
}

/* Waits for the outcome of an attempt, or until the next address is due. */
static void await_attempts(struct race *race)
{
	struct pollfd fds[ADDR_MAX_RESOLVED];
	uint64_t until_ns = race->n_begun < race->n ? race->next_ns : CLOCK_NEVER;
	for (int i = 0; i < race->n_begun; i++) {
		fds[i] = (struct pollfd){ .fd = race->attempts[i].fd, .events = POLLOUT };
		if (fds[i].fd >= 0)
			until_ns = clock_earlier_ns(until_ns, race->attempts[i].deadline_ns);
	}
	int ready = io_wait(fds, (size_t)race->n_begun, until_ns);
	uint64_t now_ns = clock_now_ns();
	for (int i = 0; i < race->n_begun && !race->is_won; i++) {
		if (fds[i].fd < 0)
			continue;
		if (ready < 0)
			end_attempt(race, i, ready, now_ns);
		else if (fds[i].revents != 0)
			end_attempt(race, i, connect_outcome(fds[i].fd), now_ns);
		else if (now_ns >= race->attempts[i].deadline_ns)
			end_attempt(race, i, -ETIMEDOUT, now_ns);
	}
}

/* Alternates between the families, starting with the first (RFC 8305, 4). Each keeps its order. */
static void interleave_families(struct addr *list, int n)
{
	for (int i = 1; i < n; i++) {
		int other = i;
		while (other < n && list[other].any.sa_family == list[i - 1].any.sa_family)
			other++;
		if (other == n)
			return; /* the rest is of one family */
		struct addr next = list[other];
		memmove(&list[i + 1], &list[i], (size_t)(other - i) * sizeof(*list));
		list[i] = next;
	}
}

/* Removes an address from the list. */
static void remove_addr(struct race *race, const struct addr *except)
{
	int n = 0;
	for (int i = 0; i < race->n; i++) {
		if (!addr_equal(&race->list[i], except))
			race->list[n++] = race->list[i];
	}
	race->n = n;
	race->dialed.fd = n == 0 ? -EALREADY : 0;
}

/* Tries the addresses that are in *race. */
static struct dialed race_addresses(struct race *race)
{
	uint64_t now_ns = clock_now_ns();
	interleave_families(race->list, race->n);
	/* The resolver has its own timeouts (resolv.conf(5)); ours begins after it. */
	race->end_ns = clock_after_ns(now_ns, race->request->timeout_ns);
	while (!race->is_won && (race->n_begun < race->n || race->n_open > 0)) {
		bool is_due = race->n_open == 0 || now_ns >= race->next_ns;
		if (is_due && race->n_begun < race->n)
			begin_attempt(race, now_ns);
		else
			await_attempts(race);
		now_ns = clock_now_ns();
	}
	for (int i = 0; i < race->n_begun; i++)
		io_close(&race->attempts[i].fd);
	return race->dialed;
}

/* Connects to a unix socket. connect_open() handles a full queue. */
static struct dialed dial_unix(const struct dial_request *request, const struct addr *addr)
{
	uint64_t start_ns = clock_now_ns(), timeout_ns = request->timeout_ns;
	if (timeout_ns == 0)
		timeout_ns = DIAL_TIMEOUT_NS;
	else if (timeout_ns == CLOCK_NEVER)
		timeout_ns = DIAL_LONGEST_NS;
	int fd = connect_open(addr, NULL, clock_after_ns(start_ns, timeout_ns));
	return (struct dialed){ .fd = fd, .addr = *addr, .took_ns = clock_now_ns() - start_ns };
}

struct dialed dial(const struct dial_request *request)
{
	struct race race = { .request = request };
	for (int i = 0; i < ADDR_MAX_RESOLVED; i++)
		race.attempts[i].fd = -1;
	race.n = addr_resolve(request->server, request->family, race.list);
	if (race.n < 0)
		return (struct dialed){ .fd = race.n };
	if (request->except != NULL)
		remove_addr(&race, request->except);
	if (race.n == 0)
		return race.dialed;
	if (race.list[0].any.sa_family == AF_UNIX)
		return dial_unix(request, &race.list[0]);
	return race_addresses(&race);
}

/* ---- in a thread ---- */

static void free_dialing(struct dialing *dialing)
{
	io_close(&dialing->done_fd);
	io_close(&dialing->dialed.fd);
	free(dialing);
}

static void run_dial(struct dialing *dialing)
{
	dialing->dialed = dial(&dialing->request);
	io_close(&dialing->finish_fd);
}

static void *dial_thread(void *argument)
{
	struct dialing *dialing = argument;
	run_dial(dialing);
	if (atomic_exchange(&dialing->is_released, true))
		free_dialing(dialing);
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
	if (request->except != NULL) {
		dialing->except = *request->except;
		dialing->request.except = &dialing->except;
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
		run_dial(dialing);
		signals_block(&blocked);
		atomic_store(&dialing->is_released, true); /* only the caller uses it */
	}
	*ret_dialing = dialing;
	return 0;
}

struct dialed dial_end(struct dialing *dialing)
{
	if (dialing->has_thread)
		pthread_join(dialing->thread, NULL);
	struct dialed dialed = dialing->dialed;
	dialing->dialed.fd = -1;
	free_dialing(dialing);
	return dialed;
}

void dial_abandon(struct dialing *dialing)
{
	if (dialing->has_thread)
		pthread_detach(dialing->thread);
	/* The second of the thread and its caller frees it. */
	if (atomic_exchange(&dialing->is_released, true))
		free_dialing(dialing);
}

/* Returns 0 at the end of dialing, the signal that ends it, or a negative code. */
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
			dial_log_progress(&dialing->request);
		}
	}
	return 0;
}

enum exit_status dial_await(const struct dial_request *request, int signals_fd,
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
	return ret_dialed->fd < 0 ? dial_log_failure(request, ret_dialed->fd) : STATUS_OK;
}

/* ---- messages ---- */

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
	case -EAGAIN: /* from pthread_create(3) */
		return " (no thread can be started: see ulimit -u, -v, -d, -s and the pids cgroup)";
	case -EAFNOSUPPORT:
	case ERR_NO_SOURCE:
		return " (is IPv6 switched off?)";
	default:
		return err_remedy(code);
	}
}

enum exit_status dial_log_failure(const struct dial_request *request, int code)
{
	const char *remark = addr_path_remark(request->server);
	log_error("cannot connect to %s: %s%s", addr_spec_text(request->server).text,
		  err_text(code).text, remark[0] != '\0' ? remark : dial_remedy(code));
	return err_is_local(code) ? STATUS_MACHINE : STATUS_NO_CONNECTION;
}

int dial_limit(const struct result *result)
{
	const struct {
		const struct result_failure *list;
		size_t n;
	} lists[] = {
		{ result->failures, result->n_failures },
		{ result->connection_errors, result->n_connection_errors },
	};
	int code = 0;
	for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
		for (size_t i = 0; i < lists[k].n; i++) {
			code = err_local_code(lists[k].list[i].name);
			if (code == 0)
				return 0;
		}
	}
	return code;
}

void dial_log_limit(int code)
{
	log_error("this machine was the limit: %s%s", err_text(code).text, dial_remedy(code));
}

void dial_log_progress(const struct dial_request *request)
{
	log_notice("connecting to %s", addr_spec_text(request->server).text);
}

bool dial_has_descriptors(uint64_t n_connections, uint64_t n_beside)
{
	uint64_t wanted = n_connections + n_beside;
	uint64_t allowed = sysinfo_descriptors(wanted);
	if (allowed >= wanted)
		return true;
	log_error("cannot open %" PRIu64 " connection%s: the limit is %" PRIu64
		  " descriptors (ulimit -n)",
		  n_connections, units_s(n_connections), allowed);
	return false;
}
