/* SPDX-License-Identifier: MIT */
/*
 * Held connections, each with a periodic heartbeat.
 *
 *            its turn            outcome           heartbeats, each compared
 *   QUEUED -----------> CONNECTING -----> OPEN ---------------------------.
 *     ^  ^                  |             | |  ^                           |
 *     |  | pause over       | failed      | |  `---------------------------'
 *     |  `----- CLOSED <----'      failed | | wrong byte
 *     |           ^ ^---------------------' v
 *     |           `--------------------- WRONG: a thread diagnoses it (hold_mismatch.c)
 *     `-- at the start
 *
 * Each connection has one timer (client/timer_heap.h): the next heartbeat, the timeout of the
 * heartbeat in flight, or the end of a pause. Other events come from epoll, edge-triggered, so a
 * disconnect is noticed when it happens.
 */
#ifndef CLIENT_HOLD_HOLD_CONN_H
#define CLIENT_HOLD_HOLD_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "client/diagnosis.h"
#include "client/diagnosis_thread.h"
#include "client/hold/hold_loop.h"
#include "client/output.h"
#include "client/redial.h"
#include "client/timer_heap.h"
#include "client/verified_stream.h"
#include "net/addr.h"
#include "net/io.h"
#include "net/poller.h"
#include "stats/disconnects.h"

enum hold_state { HOLD_QUEUED, HOLD_CONNECTING, HOLD_OPEN, HOLD_WRONG, HOLD_CLOSED };

struct hold_conn {
	int fd;
	uint8_t state;          /* enum hold_state */
	uint8_t reported_cause; /* cause + 1 of the last reported failure to open; 0: none */
	bool has_failed;        /* it has disconnected, or could not be opened, at least once */
	uint32_t n_failures;    /* since the last heartbeat came back; determines the pause */
	uint32_t n_attempts;    /* attempts to open it since it was last open */
	struct verified_stream stream;    /* due: the end of the heartbeat in flight */
	struct diagnosis_thread *waiting; /* WRONG: waits for set->asking; else NULL */
	uint64_t n_heartbeats;            /* heartbeats that came back on this connection */
	uint64_t since_ns;     /* OPEN: when it was opened; else: since when it is being opened */
	uint64_t begun_ns;     /* CONNECTING: start of it; OPEN: start of the heartbeat in flight */
	uint32_t generation;   /* of the address that it connects to (client/redial.h) */
	uint64_t last_good_ns; /* last good byte, also on earlier connections; at first the start */
	uint64_t disconnected_ns; /* last disconnect; 0: none */
};

/* Maximum bytes per send and per receive. */
#define HOLD_BUFFER_SIZE ((size_t)64 * 1024)

/*
 * Maximum diagnoses in threads at a time. Others are made at once, from the bytes received so far.
 */
#define HOLD_DIAGNOSES_MAX 4

/* A diagnosis in progress. */
struct hold_diagnosis {
	struct diagnosis_thread *diagnosing; /* NULL: none */
	uint32_t index;                      /* of the connection */
};

/* Tags in the poller after those of the connections. */
#define HOLD_TAG_DIALED    (UINT64_C(1) << 32)
#define HOLD_TAG_DIAGNOSED (HOLD_TAG_DIALED + 1) /* one tag per diagnosis, from here */
#define HOLD_TAG_END       (HOLD_TAG_DIAGNOSED + HOLD_DIAGNOSES_MAX)

struct hold_set {
	const struct hold_config *config;
	struct disconnects *disconnects;
	struct bottleneck_usage *use; /* records the duration of connect(2) calls */
	struct redial redial;         /* contains the server's address */
	struct served_by *served_by;  /* records addresses from which a heartbeat came back */
	struct poller poller;
	struct timer_heap timers;
	struct hold_conn *list;
	uint32_t n;
	uint32_t *queue; /* indices of connections to be opened: a ring of n */
	uint32_t queue_first, n_queued;
	uint32_t n_connecting;
	uint64_t start_ns, now_ns;
	uint64_t resumed_ns; /* when waits were last restarted: bottleneck_gap_restarts_wait() */
	uint64_t n_verified; /* open connections whose first heartbeat came back */
	uint64_t n_numbers;  /* connections begun so far */
	struct hold_diagnosis diagnoses[HOLD_DIAGNOSES_MAX];
	uint64_t n_local_failures; /* disconnects and failures to open caused by this machine */
	int local_code;            /* code of the last of them (err_is_local()) */
	bool has_echoed;           /* a heartbeat has come back */
	bool has_asked;            /* the server was asked whether it speaks first */
	struct diagnosis_thread *asking; /* diagnosis that asks the server now; NULL: none */
	bool is_no_echo;                 /* it is another kind of server: the run must end */
	struct mismatch_text no_echo;    /* its explanation, the same text for each connection */
	struct output *output;

	IO_ALIGNED unsigned char buffer[HOLD_BUFFER_SIZE];
};

/*
 * Allocates all memory and puts all connections into the queue. The caller has set the pointers,
 * redial, poller and start_ns; all other fields are zero. Returns 0 or -errno.
 */
MUST_USE int hold_conn_open_all(struct hold_set *set);
void hold_conn_close_all(struct hold_set *set);

/*
 * Ends the run: reads what has arrived, waits for diagnoses, and decides about heartbeats in
 * flight. A heartbeat older than the timeout has failed; others are unfinished and count with their
 * age.
 */
void hold_conn_finish(struct hold_set *set);

/* Makes fd, which is connected already, the first connection. Takes fd. */
void hold_conn_adopt(struct hold_set *set, int fd);

/* Opens queued connections, as many as may connect at a time. */
void hold_conn_open_queued(struct hold_set *set);

/* Handles an event of a connection, or of a tag below HOLD_TAG_END. */
void hold_conn_event(struct hold_set *set, uint64_t tag, uint32_t events);

/* Handles the expired timer of a connection and sets it again (client/timer_heap.h). */
void hold_conn_handle_timer(struct hold_set *set, uint32_t index);

/* ---- pure parts ---- */

struct hold_line {
	char text[1024];
};

/*
 * Returns the line that is printed for a disconnect: "connection 7 lost (reset): connection reset
 * by peer; 12.503 s old, 13 heartbeats, last good byte 0.503 s ago, from 127.0.0.1:51334".
 */
struct hold_line hold_conn_disconnect_line(const struct disconnect *disconnect);

/*
 * Returns the next heartbeat time of connection `index` of n, after now. Heartbeats of the
 * connections are spread evenly over the interval. CLOCK_NEVER with an interval of 0.
 */
uint64_t hold_conn_next_heartbeat_ns(const struct hold_set *set, uint32_t index);

#endif
