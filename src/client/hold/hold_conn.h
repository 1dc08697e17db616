/* SPDX-License-Identifier: MIT */
/*
 * Connections that are held, each with its heartbeat.
 *
 *            its turn            outcome           beats, each compared
 *   QUEUED -----------> CONNECTING -----> OPEN ---------------------------.
 *     ^  ^                  |             | |  ^                           |
 *     |  | pause over       | failed      | |  `---------------------------'
 *     |  `----- CLOSED <----'        died | | wrong byte
 *     |           ^ ^---------------------' v
 *     |           `--------------------- WRONG: a thread finds out why (hold_mismatch.c)
 *     `-- at the start
 *
 * Each has one time at which something is next (client/timer_heap.h): the next heartbeat, the
 * timeout of the one that is under way, the end of a pause. Events in between come from epoll,
 * edge-triggered, so a death is noticed when it happens.
 */
#ifndef CLIENT_HOLD_HOLD_CONN_H
#define CLIENT_HOLD_HOLD_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "stats/disconnects.h"
#include "base/payload.h"
#include "client/diagnosis_thread.h"
#include "client/diagnosis.h"
#include "client/hold/hold_loop.h"
#include "client/redial.h"
#include "client/output.h"
#include "client/timer_heap.h"
#include "net/addr.h"
#include "net/io.h"
#include "net/poller.h"

enum hold_state { HOLD_QUEUED, HOLD_CONNECTING, HOLD_OPEN, HOLD_WRONG, HOLD_CLOSED };

struct hold_conn {
	int fd;
	uint8_t state;       /* enum hold_state */
	uint8_t told;        /* cause + 1 of what was last said of its not opening; 0: none was */
	bool has_failed;     /* ever: it has died, or could not be opened */
	uint32_t n_failures; /* since a heartbeat was back: by them the pause grows */
	uint32_t n_attempts; /* at opening it, since it was open */
	uint64_t number;     /* of the connection, by which its payload is known */
	struct payload payload;
	struct diagnosis_thread *kept; /* WRONG: waits until the server has been asked; else NULL */
	uint64_t sent, returned;       /* bytes, on this connection */
	uint64_t due;                  /* the heartbeat that is under way ends there */
	uint64_t n_beats;              /* back, on this connection */
	uint64_t since_ns;   /* OPEN: when it was opened; else: since when that is tried */
	uint64_t begun_ns;   /* CONNECTING: since when; OPEN: start of the heartbeat under way */
	uint32_t generation; /* of the address that it connects to (client/redial.h) */
	uint64_t good_ns;    /* last good byte, of any of its connections; the start at first */
	uint64_t died_ns;    /* the last time; 0: it has not */
};

/* Bytes received at a time. */
#define HOLD_PIECE ((size_t)64 * 1024)

/* Diagnoses of wrong bytes at the same time, each in a thread; more are made at once. */
#define HOLD_DIAGNOSES_MAX 4

/* A diagnosis under way. */
struct hold_diagnosis {
	struct diagnosis_thread *diagnosing; /* NULL: none */
	uint32_t index;                      /* of the connection */
};

/* Tags in the poller behind those of the connections. */
#define HOLD_TAG_DIALED    (UINT64_C(1) << 32)
#define HOLD_TAG_DIAGNOSED (HOLD_TAG_DIALED + 1) /* and those of further diagnoses */
#define HOLD_TAG_END       (HOLD_TAG_DIAGNOSED + HOLD_DIAGNOSES_MAX)

struct hold_set {
	const struct hold_config *config;
	struct disconnects *disconnects;
	struct own_use *use;         /* notes how long calls of connect(2) take */
	struct redial redial;        /* has the address of the server */
	struct served_by *served_by; /* notes addresses that a heartbeat came back from */
	struct poller poller;
	struct timer_heap timers;
	struct hold_conn *list;
	uint32_t n;
	uint32_t *queue; /* of who is to be opened: a ring of n */
	uint32_t queue_first, n_queued;
	uint32_t n_connecting;
	uint64_t start_ns, now_ns;
	uint64_t resumed_ns; /* when a wait last began anew: own_use_restarts() */
	uint64_t n_proven;   /* open connections whose first heartbeat is back */
	uint64_t n_numbers;  /* connections so far, of all */
	struct hold_diagnosis diagnoses[HOLD_DIAGNOSES_MAX];
	uint64_t n_local; /* deaths and failures to open that were this machine's doing */
	int local_code;   /* of the last of them (err_is_local()) */
	bool has_echoed;  /* has a heartbeat ever come back? */
	bool has_asked;   /* what kind of endpoint it is */
	struct diagnosis_thread *asking; /* of them, that which asks now; NULL: none */
	bool is_no_echo;                 /* it is another kind of server: the run must end */
	struct mismatch_text no_echo;    /* which; the same words for each connection */
	struct output *output;

	IO_ALIGNED unsigned char piece[HOLD_PIECE];
};

/*
 * Allocates all memory and puts all connections in the queue; zeroed else but for config, deaths,
 * redial, poller and start_ns, which are the caller's. Returns 0 or -errno.
 */
MUST_USE int hold_conn_open_all(struct hold_set *set);
void hold_conn_close_all(struct hold_set *set);

/*
 * The run is over: takes what has come, waits for diagnoses, and judges heartbeats under way. Those
 * that are older than the timeout have failed, others are unfinished and count with their age.
 */
void hold_conn_finish(struct hold_set *set);

/* The first of all is connected already: fd, which is taken. */
void hold_conn_adopt(struct hold_set *set, int fd);

/* Opens as many of the queue as may be opened at a time. */
void hold_conn_open_queued(struct hold_set *set);

/* Handles an event of a connection, or of a tag below HOLD_TAG_END. */
void hold_conn_event(struct hold_set *set, uint64_t tag, uint32_t events);

/* Its time has come (client/timer_heap.h). It gets another, later one. */
void hold_conn_wake(struct hold_set *set, uint32_t who);

/* ---- pure parts ---- */

/*
 * When connection `who` of n is to beat next: on a beat of its own, which lies at its share of the
 * interval behind the start, and after now. CLOCK_NEVER with an interval of 0.
 */
uint64_t hold_conn_next_beat_ns(const struct hold_set *set, uint32_t who);

#endif
