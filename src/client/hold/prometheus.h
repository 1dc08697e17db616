/* SPDX-License-Identifier: MIT */
/*
 * The metrics of held connections, in Prometheus' text format 0.0.4.
 */
#ifndef CLIENT_HOLD_PROMETHEUS_H
#define CLIENT_HOLD_PROMETHEUS_H

#include <stddef.h>

#include "stats/disconnects.h"

/*
 * Writes the metrics to `out`, a string of fewer than `size` bytes. Returns its length. 8 KiB are
 * always enough; if `size` is smaller, lines that do not fit are left out.
 */
size_t prometheus_render(const struct disconnects *disconnects, char *out, size_t size);

#endif
