/* SPDX-License-Identifier: MIT */
/*
 * Connections that are held, each with its heartbeat.
 *
 *            its turn            outcome           beats, each compared
 *   QUEUED -----------> CONNECTING -----> OPEN ---------------------------.
 *     ^  ^                  |              |  ^                            |
 *     |  | pause over       | failed       |  `----------------------------'
 *     |  `----- CLOSED <----'              | died
 *     |            ^-----------------------'
 *     `-- at the start
 *
 * Each has one time at which something is next (client/wakes.h): the next heartbeat, the end of
 * the patience with the one that is under way, the end of a pause. What comes in between, epoll
 * tells at its edges, so that a death is noticed when it happens.
 */
#ifndef CLIENT_HELD_H
#define CLIENT_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/death.h"
#include "base/pattern.h"
#include "client/diagnosis.h"
#include "client/hold.h"
#include "client/teller.h"
#include "client/wakes.h"
#include "net/addr.h"
#include "net/io.h"
#include "net/poller.h"

enum held_state { HELD_QUEUED, HELD_CONNECTING, HELD_OPEN, HELD_CLOSED };

struct held {
	int fd;
	uint8_t state;       /* enum held_state */
	uint8_t told;        /* cause + 1 of what was last said of its not opening; 0: none was */
	bool has_failed;     /* ever: it has died, or could not be opened */
	uint32_t n_failures; /* since a heartbeat was back: by them the pause grows */
	uint32_t n_attempts; /* at opening it, since it was open */
	uint64_t number;     /* of the connection, by which its payload is known */
	struct pattern pattern;
	uint64_t sent, returned; /* bytes, on this connection */
	uint64_t due;            /* the heartbeat that is under way ends there */
	uint64_t n_beats;        /* back, on this connection */
	uint64_t since_ns;       /* OPEN: when it was opened; else: since when that is tried */
	uint64_t begun_ns;       /* of the heartbeat that is under way */
	uint64_t good_ns;        /* last good byte, of any of its connections; the start at first */
	uint64_t died_ns;        /* the last time; 0: it has not */
};

/* Received at a time; behind it there is room for what a diagnosis waits for. */
#define HELD_PIECE ((size_t)64 * 1024)

struct holding {
	const struct hold_config *config;
	struct deaths *deaths;
	struct addr server;
	struct poller poller;
	struct wakes wakes;
	struct held *list;
	uint32_t n;
	uint32_t *queue; /* of who is to be opened: a ring of n */
	uint32_t queue_first, n_queued;
	uint32_t n_connecting;
	uint64_t start_ns, now_ns;
	uint64_t n_proven;   /* open connections whose first heartbeat is back */
	uint64_t n_numbers;  /* connections so far, of all */
	uint64_t may_ask_ns; /* a diagnosis may wait for more bytes, from then on */
	uint64_t asked_ns;   /* when one had last waited: what was under way is not timed */
	uint64_t n_local;    /* deaths and failures to open that were this machine's doing */
	int local_code;      /* of the last of them (err_is_local()) */
	bool has_echoed;     /* has a heartbeat ever come back? */
	bool has_asked;      /* what kind of endpoint it is */
	struct teller *teller;

	IO_ALIGNED unsigned char piece[HELD_PIECE + DIAGNOSIS_MOST];
};

/*
 * Takes all memory that there will be and puts all in the queue; zeroed else but for config,
 * deaths, server, poller and start_ns, which are the caller's. Returns 0 or -errno.
 */
MUST_USE int held_open_all(struct holding *holding);
void held_close_all(struct holding *holding);

/* The first of all is connected already: fd, which is taken. */
void held_adopt(struct holding *holding, int fd);

/* Opens as many of the queue as may be opened at a time. */
void held_open_queued(struct holding *holding);

/* What poller_wait() told of one. */
void held_event(struct holding *holding, uint32_t who, uint32_t events);

/* Its time has come (client/wakes.h). It gets another, later one. */
void held_wake(struct holding *holding, uint32_t who);

/* ---- pure parts ---- */

/* How long to wait after so many failures in a row, from 1 on: 100 ms, doubling, 5 s at most. */
uint64_t held_pause_ns(uint32_t n_failures);

/*
 * When connection `who` of n is to beat next: on a beat of its own, which lies at its share of the
 * interval behind the start, and after now. CLOCK_NEVER with an interval of 0.
 */
uint64_t held_next_beat_ns(const struct holding *holding, uint32_t who);

#endif
