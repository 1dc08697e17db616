/* SPDX-License-Identifier: MIT */
/*
 * What is said of a connection that is held: the line when it dies, and those that follow.
 */
#ifndef CLIENT_OBITUARY_H
#define CLIENT_OBITUARY_H

#include <stdint.h>

#include "stats/disconnects.h"

struct obituary {
	char text[1024];
};

/*
 * "connection 7 died (reset): connection reset by peer; 12.503 s old, 13 heartbeats, last good byte
 * 0.503 s ago, from 127.0.0.1:51334"
 */
struct obituary obituary_of(const struct disconnect *disconnect);

#endif
