/* SPDX-License-Identifier: MIT */
/* The line that is printed when a held connection ends unexpectedly. */
#ifndef CLIENT_HOLD_DISCONNECT_LINE_H
#define CLIENT_HOLD_DISCONNECT_LINE_H

#include <stdint.h>

#include "stats/disconnects.h"

struct disconnect_line {
	char text[1024];
};

/*
 * "connection 7 died (reset): connection reset by peer; 12.503 s old, 13 heartbeats, last good byte
 * 0.503 s ago, from 127.0.0.1:51334"
 */
struct disconnect_line disconnect_line_of(const struct disconnect *disconnect);

#endif
