/* SPDX-License-Identifier: MIT */
#include "client/redial.h"

#include <errno.h>
#include <stddef.h>

#include "base/clock.h"

#define PAUSE_MIN_NS (100 * CLOCK_NS_PER_MS)
#define PAUSE_MAX_NS (5 * CLOCK_NS_PER_S)

uint64_t redial_pause_ns(uint32_t n_failures)
{
	uint32_t doublings = n_failures > 0 ? n_failures - 1 : 0;
	if (doublings > 6)
		doublings = 6;
	uint64_t pause_ns = PAUSE_MIN_NS << doublings;
	return clock_earlier_ns(pause_ns, PAUSE_MAX_NS);
}

static void begin_pause(struct redial *redial, uint64_t now_ns)
{
	redial->n_failures++;
	redial->next_ns = now_ns + redial_pause_ns(redial->n_failures);
}

int redial_begin(struct redial *redial, bool is_slow, uint64_t now_ns)
{
	struct dial_request request = redial->request;
	if (redial->dialing != NULL || now_ns < redial->next_ns)
		return -1;
	request.except = is_slow ? &redial->addr : NULL;
	struct dialing *dialing;
	if (dial_begin(&request, &dialing) == 0) {
		redial->dialing = dialing;
		return dialing->done_fd;
	}
	begin_pause(redial, now_ns);
	return -1;
}

int redial_end(struct redial *redial, uint64_t now_ns)
{
	struct dialed dialed = dial_end(redial->dialing);
	redial->dialing = NULL;
	if (dialed.fd >= 0 || dialed.fd == -EALREADY)
		redial->n_failures = 0;
	begin_pause(redial, now_ns);
	if (dialed.fd >= 0 && !addr_equal(&dialed.addr, &redial->addr)) {
		redial->addr = dialed.addr;
		redial->generation++;
	}
	return dialed.fd;
}

void redial_cancel(struct redial *redial)
{
	if (redial->dialing != NULL)
		dial_abandon(redial->dialing);
	redial->dialing = NULL;
}
