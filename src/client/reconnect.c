/* SPDX-License-Identifier: MIT */
#include "client/reconnect.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "client/redial.h"
#include "net/connect.h"
#include "net/io.h"

/* Handles a failure of the known address. From now on the name is looked up first. */
static void set_reconnect_failure(struct reconnect *reconnect, int code)
{
	io_close(&reconnect->fd);
	reconnect->code = code;
	reconnect->has_addr_failed = true;
}

/* Begins to connect to the known address. */
static void connect_known(struct reconnect *reconnect, uint64_t now_ns)
{
	int fd = connect_begin(&reconnect->addr, reconnect->request.source);
	bottleneck_note_connect(reconnect->use, clock_now_ns() - now_ns);
	reconnect->retry_ns = 0;
	if (fd >= 0) {
		reconnect->fd = fd;
	} else if (fd == -EAGAIN) {
		reconnect->code = ERR_QUEUE_FULL;
		reconnect->retry_ns = now_ns + CONNECT_RETRY_NS;
	} else {
		set_reconnect_failure(reconnect, fd);
	}
}

static void begin_dial(struct reconnect *reconnect, uint64_t now_ns)
{
	struct dial_request request = reconnect->request;
	request.timeout_ns = reconnect->deadline_ns - now_ns;
	request.except = reconnect->fd >= 0 ? &reconnect->addr : NULL;
	reconnect->has_dialed = true;
	reconnect->n_failures++; /* reset when it succeeds */
	reconnect->next_ns = now_ns + redial_pause_ns(reconnect->n_failures);
	int rc = dial_begin(&request, &reconnect->dialing);
	if (rc < 0)
		reconnect->code = rc;
}

void reconnect_resume(struct reconnect *reconnect, uint64_t now_ns)
{
	uint64_t timeout_ns = reconnect->request.timeout_ns;
	if (timeout_ns == CLOCK_NEVER)
		timeout_ns = DIAL_LONGEST_NS;
	reconnect->deadline_ns = clock_after_ns(now_ns, timeout_ns);
}

void reconnect_begin(struct reconnect *reconnect)
{
	uint64_t now_ns = clock_now_ns();
	reconnect->start_ns = now_ns;
	reconnect_resume(reconnect, now_ns);
	reconnect->code = -ETIMEDOUT;
	reconnect->has_dialed = reconnect->addr.any.sa_family == AF_UNIX; /* no other address */
	reconnect->dialing = NULL;
	reconnect->fd = -1;
	reconnect->retry_ns = 0;
	if (reconnect->has_dialed || !reconnect->has_addr_failed || now_ns < reconnect->next_ns)
		connect_known(reconnect, now_ns);
	if (!reconnect->has_dialed && reconnect->fd < 0 && now_ns >= reconnect->next_ns)
		begin_dial(reconnect, now_ns);
}

void reconnect_pollfds(const struct reconnect *reconnect, struct pollfd ret_fds[RECONNECT_FDS])
{
	int done_fd = reconnect->dialing != NULL ? reconnect->dialing->done_fd : -1;
	ret_fds[0] = (struct pollfd){ .fd = reconnect->fd, .events = POLLOUT };
	ret_fds[1] = (struct pollfd){ .fd = done_fd, .events = POLLIN };
}

uint64_t reconnect_until_ns(const struct reconnect *reconnect)
{
	if (reconnect->retry_ns != 0)
		return clock_earlier_ns(reconnect->retry_ns, reconnect->deadline_ns);
	uint64_t dial_ns = reconnect->start_ns + DIAL_ATTEMPT_DELAY_NS;
	dial_ns = clock_later_ns(dial_ns, reconnect->next_ns);
	return reconnect->has_dialed ? reconnect->deadline_ns
				     : clock_earlier_ns(dial_ns, reconnect->deadline_ns);
}

/* Returns true and the connection to the known address, if it has succeeded. */
static bool check_known_address(struct reconnect *reconnect, struct dialed *ret_dialed)
{
	if (reconnect->fd < 0 || !io_is_ready(reconnect->fd, POLLOUT))
		return false;
	int rc = connect_outcome(reconnect->fd);
	if (rc < 0) {
		set_reconnect_failure(reconnect, rc);
		return false;
	}
	*ret_dialed = (struct dialed){
		.fd = reconnect->fd,
		.addr = reconnect->addr,
	};
	reconnect->fd = -1;
	return true;
}

/* Returns true and the connection of the dialing thread, if it has one. */
static bool check_dialed(struct reconnect *reconnect, struct dialed *ret_dialed)
{
	if (reconnect->dialing == NULL || !io_is_ready(reconnect->dialing->done_fd, POLLIN))
		return false;
	struct dialed dialed = dial_end(reconnect->dialing);
	reconnect->dialing = NULL;
	if (dialed.fd < 0) {
		if (dialed.fd != -EALREADY)
			reconnect->code = dialed.fd;
		return false;
	}
	*ret_dialed = dialed;
	return true;
}

bool reconnect_check(struct reconnect *reconnect, struct dialed *ret_dialed)
{
	if (reconnect->retry_ns != 0 && clock_now_ns() >= reconnect->retry_ns)
		connect_known(reconnect, clock_now_ns());
	if (check_known_address(reconnect, ret_dialed) || check_dialed(reconnect, ret_dialed)) {
		ret_dialed->took_ns = clock_now_ns() - reconnect->start_ns;
		reconnect->addr = ret_dialed->addr;
		reconnect->has_addr_failed = false;
		reconnect->n_failures = 0;
		reconnect_cancel(reconnect);
		return true;
	}
	uint64_t now_ns = clock_now_ns();
	bool is_late = now_ns >= reconnect->deadline_ns;
	bool is_due = reconnect->fd < 0 ? now_ns >= reconnect->next_ns
					: now_ns >= reconnect_until_ns(reconnect);
	if (!reconnect->has_dialed && is_due && !is_late)
		begin_dial(reconnect, now_ns);
	bool is_waiting = reconnect->fd >= 0 || reconnect->dialing != NULL;
	if (!is_late && (is_waiting || reconnect->retry_ns != 0))
		return false;
	*ret_dialed = (struct dialed){
		.fd = reconnect->fd >= 0 ? -ETIMEDOUT : reconnect->code,
	};
	reconnect->has_addr_failed = true;
	reconnect_cancel(reconnect);
	return true;
}

void reconnect_cancel(struct reconnect *reconnect)
{
	io_close(&reconnect->fd);
	if (reconnect->dialing != NULL)
		dial_abandon(reconnect->dialing);
	reconnect->dialing = NULL;
}
