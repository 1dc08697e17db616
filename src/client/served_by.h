/* SPDX-License-Identifier: MIT */
/* The addresses that served a run, in order of use: one, and others after a failover. */
#ifndef CLIENT_SERVED_BY_H
#define CLIENT_SERVED_BY_H

#include <stdint.h>

#include "net/addr.h"

/* Maximum addresses listed. Others are not recorded. */
#define SERVED_BY_MAX 8

/* Zeroed: empty. */
struct served_by {
	struct addr list[SERVED_BY_MAX];
	uint32_t n;
	char text[SERVED_BY_MAX * (sizeof(struct addr_text) + 2)]; /* "127.0.0.2:7, 127.0.0.3:7" */
};

/* Adds an address that serves, unless it is listed already. */
void served_by_note(struct served_by *served_by, const struct addr *addr);

#endif
