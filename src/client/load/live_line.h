/* SPDX-License-Identifier: MIT */
/*
 * The line that `bench` shows while it runs: connecting, waiting for the start, warm-up, and then
 * figures every second. On a terminal the line overwrites itself; elsewhere each is a log line. A
 * line is written only if standard error accepts it at once, so a blocked terminal never delays the
 * run.
 */
#ifndef CLIENT_LOAD_LIVE_LINE_H
#define CLIENT_LOAD_LIVE_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/load/aggregate.h"
#include "client/load/load.h"
#include "net/addr.h"

enum live_line_kind {
	LIVE_OFF,
	LIVE_TERMINAL, /* one line that overwrites itself */
	LIVE_LINES,    /* a log line each time */
};

enum live_line_state { LIVE_CONNECTING, LIVE_WAITING, LIVE_WARMUP, LIVE_RUNNING, LIVE_ENDING };

struct live_line {
	enum live_line_kind kind;
	const struct load_plan *plan;
	const struct load *loads; /* all threads; the first n_loads have started */
	uint32_t n_loads;
	const struct aggregate *aggregate; /* percentiles of the last interval */
	uint64_t start_at_ns;              /* wanted start, since the epoch; 0: none */

	enum live_line_state state;
	bool is_shown;
	uint64_t next_ns;     /* time of the next line in this state; 0: at once */
	uint64_t last_ns;     /* time of the last figures; initially, of the first message */
	uint64_t last_echoes; /* number of echoes at last_ns */
};

/* Shows that the client is connecting to the server. */
void live_line_dial(struct live_line *live, const struct addr_spec *server);

/* Shows the state of the run if a line is due. Call it repeatedly. */
void live_line_show(struct live_line *live);

/* Prints the figures so far as a log line: the response to QUIT. */
void live_line_log_figures(struct live_line *live);

/* Clears the live line of a terminal. */
void live_line_clear(struct live_line *live);

#endif
