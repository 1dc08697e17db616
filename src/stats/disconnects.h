/* SPDX-License-Identifier: MIT */
/*
 * What a connection died of, and what is counted of many that are held for long: what `ping --hold`
 * finds, and report/ turns into text, JSON and a page of metrics.
 */
#ifndef STATS_DISCONNECTS_H
#define STATS_DISCONNECTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/deviation.h"
#include "stats/histogram.h"

/* Causes: name, as it stands in figures, and what it is. */
#define DISCONNECT_LIST(X)                                                                      \
	X(DISCONNECT_ENDED, "ended", "the server, or what stands before it, sent a FIN")        \
	X(DISCONNECT_RESET, "reset", "an RST came")                                             \
	X(DISCONNECT_TIMEOUT, "timeout", "no reply in time, or the kernel gave up (ETIMEDOUT)") \
	X(DISCONNECT_UNREACHABLE, "unreachable",                                                \
	  "there is no way to the server, or none is let through")                              \
	X(DISCONNECT_WRONG, "wrong", "a byte came back wrong, or was never sent")               \
	X(DISCONNECT_REFUSED, "refused", "nobody listens there")                                \
	X(DISCONNECT_ERROR, "error", "anything else, of this machine for instance")

#define X(symbol, name, what) symbol,
enum disconnect_cause { DISCONNECT_LIST(X) DISCONNECT_CAUSES };
#undef X

/* The name of a cause. Static storage. */
const char *disconnect_name(enum disconnect_cause cause);

/* The cause behind a negative code of connecting, sending or receiving: pure. */
enum disconnect_cause disconnect_of_code(int code);

/* One that has died, for who writes it down. Room for the longest sentence and address. */
struct disconnect {
	enum disconnect_cause cause;
	uint64_t connection; /* which of those that are held, from 1 */
	uint64_t at_ns;      /* since the start of the run */
	uint64_t age_ns;     /* since it was opened */
	uint64_t n_beats;    /* heartbeats that came back on it */
	uint64_t silent_ns;  /* since its last good byte; DISCONNECT_NO_BYTE: there was none */
	char from[128];      /* its local address; empty: it has none */
	char why[512];       /* a sentence */
};

#define DISCONNECT_NO_BYTE UINT64_MAX

/* So many are written down, the first ones; all are counted. */
#define DISCONNECT_LOGGED_MAX 1000

/* What happened to connections that were held. */
struct disconnects {
	uint64_t n_connections; /* that are to be held */
	uint64_t n_open;        /* of them, now */
	uint64_t n_throughout;  /* of them, open since the start; a heartbeat came back on each */
	uint64_t n_opened;      /* times that one was opened; n_open and the dead together */
	uint64_t n_died[DISCONNECT_CAUSES];
	uint64_t n_not_opened[DISCONNECT_CAUSES]; /* times that one could not be opened */

	uint64_t n_begun; /* heartbeats: those that are back, failed, and under way */
	uint64_t n_back, n_lost;
	uint64_t n_unfinished; /* heartbeats under way at the end of the run, and not late */
	uint64_t bytes_verified;
	uint64_t wrong_bytes; /* bytes that came back different, as far as they were received */
	/* Of those that are back; and of unfinished ones their age, which is a lower bound. */
	struct histogram round_trip;
	struct deviation deviation; /* of the same times */

	uint64_t shortest_ns; /* life of those that died; DISCONNECT_NO_BYTE: none did */
	uint64_t longest_ns;  /* of those too that are open */
	uint64_t oldest_ns;   /* age of the oldest last good byte of all connections */
	uint64_t elapsed_ns;

	struct disconnect *told; /* DISCONNECT_LOGGED_MAX of them; NULL: none are written down */
	size_t n_told;
};

/* Makes an empty one, the caller's, to be closed. Returns 0 or -ENOMEM. */
MUST_USE int disconnects_open(struct disconnects *ret_deaths);
void disconnects_close(struct disconnects *disconnects);

/* Counts one that was open, and writes it down where there is room. */
void disconnects_add(struct disconnects *disconnects, const struct disconnect *disconnect);

/* Notes the round trip of a heartbeat, or the age of an unfinished one. */
void disconnects_note_time(struct disconnects *disconnects, uint64_t ns);

/* How many died, and how often one could not be opened, of all causes. */
uint64_t disconnects_died(const struct disconnects *disconnects);
uint64_t disconnects_not_opened(const struct disconnects *disconnects);

#endif
