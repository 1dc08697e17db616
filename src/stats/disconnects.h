/* SPDX-License-Identifier: MIT */
/*
 * Why connections ended, and the counts for many connections that are held for a long time. `hold`
 * fills these and serves them as metrics; report/ prints them as text and JSON.
 */
#ifndef STATS_DISCONNECTS_H
#define STATS_DISCONNECTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/deviation.h"
#include "stats/histogram.h"

/* Causes: symbol, name in results, explanation. */
#define DISCONNECT_LIST(X)                                                                      \
	X(DISCONNECT_ENDED, "ended", "the server, or what stands before it, sent a FIN")        \
	X(DISCONNECT_RESET, "reset", "an RST came")                                             \
	X(DISCONNECT_TIMEOUT, "timeout", "no reply in time, or the kernel gave up (ETIMEDOUT)") \
	X(DISCONNECT_UNREACHABLE, "unreachable",                                                \
	  "there is no way to the server, or none is let through")                              \
	X(DISCONNECT_WRONG, "wrong", "a byte came back wrong, or was never sent")               \
	X(DISCONNECT_REFUSED, "refused", "no server listens there")                             \
	X(DISCONNECT_ERROR, "error", "anything else, of this machine for instance")

#define X(symbol, name, what) symbol,
enum disconnect_cause { DISCONNECT_LIST(X) DISCONNECT_CAUSES };
#undef X

/* Returns the name of a cause. Static storage. */
const char *disconnect_name(enum disconnect_cause cause);

/* Returns the cause for a negative code of connecting, sending or receiving. Pure function. */
enum disconnect_cause disconnect_of_code(int code);

/* One connection that ended, for a log. Has space for the longest sentence and address. */
struct disconnect {
	enum disconnect_cause cause;
	uint64_t connection;   /* number of the held connection, from 1 */
	uint64_t at_ns;        /* when it ended, since the start of the run */
	uint64_t age_ns;       /* how long it was open */
	uint64_t n_heartbeats; /* number of heartbeats that came back on it */
	uint64_t silent_ns;    /* since its last good byte; DISCONNECT_NO_BYTE: it had none */
	char from[128];        /* local address; empty: it has none */
	char why[512];         /* the reason, a sentence */
};

#define DISCONNECT_NO_BYTE UINT64_MAX

/* Maximum number of disconnects that are logged, the first ones. All are counted. */
#define DISCONNECT_LOGGED_MAX 1000

/* What happened to the held connections. */
struct disconnects {
	uint64_t n_connections; /* number of connections to hold */
	uint64_t n_open;        /* number of them that are open now */
	uint64_t n_throughout;  /* open since the start, with at least one heartbeat back */
	uint64_t n_opened;      /* number of successful opens: n_open plus all that ended */
	uint64_t n_ended[DISCONNECT_CAUSES];
	uint64_t n_not_opened[DISCONNECT_CAUSES]; /* number of failed opens */

	uint64_t n_begun; /* heartbeats that were begun: back, failed and in flight */
	uint64_t n_back, n_lost;
	uint64_t n_unfinished; /* heartbeats in flight at the end of the run, and not late */
	uint64_t bytes_verified;
	uint64_t wrong_bytes; /* bytes that differed, as far as they were received */
	/*
	 * Heartbeats that came back. Unfinished ones count with their age, which is a lower bound.
	 */
	struct histogram round_trip;
	struct deviation deviation; /* of the same times */

	/* shortest life of those that ended; DISCONNECT_NO_BYTE: none ended */
	uint64_t shortest_ns;
	uint64_t longest_ns; /* longest life, open connections included */
	uint64_t oldest_ns;  /* time since the last good byte, maximum over all connections */
	uint64_t elapsed_ns;

	/* the first DISCONNECT_LOGGED_MAX disconnects; NULL: none are logged */
	struct disconnect *logged;
	size_t n_logged;
};

/* Makes an empty one; the caller must close it. Returns 0 or -ENOMEM. */
MUST_USE int disconnects_open(struct disconnects *ret_disconnects);
void disconnects_close(struct disconnects *disconnects);

/* Counts a connection that was open and ended, and logs it while there is room. */
void disconnects_add(struct disconnects *disconnects, const struct disconnect *disconnect);

/* Records the round-trip time of a heartbeat, or the age of an unfinished one. */
void disconnects_note_time(struct disconnects *disconnects, uint64_t ns);

/* Return the number of ended connections, and of failed opens, over all causes. */
uint64_t disconnects_ended(const struct disconnects *disconnects);
uint64_t disconnects_not_opened(const struct disconnects *disconnects);

#endif
