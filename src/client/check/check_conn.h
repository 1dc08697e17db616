/* SPDX-License-Identifier: MIT */
/*
 * A connection of a check. Each step has a deadline: no progress for the time of the settings, or
 * the deadline of the check. Each step ends with what was seen, and check_conn_saw() puts it into
 * words: "65536 bytes, then RST".
 */
#ifndef CLIENT_CHECK_CHECK_CONN_H
#define CLIENT_CHECK_CHECK_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/check/check.h"
#include "client/verified_stream.h"

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)

/* More than an endpoint may take while nothing is read; and a small receive buffer. */
#define CHECK_JAM_SIZE     (64 * MIB)
#define CHECK_SMALL_BUFFER 4096

/* How a step ended. */
enum check_outcome {
	CHECK_DONE,      /* as asked for */
	CHECK_WRONG,     /* a byte is wrong, or more bytes came than were sent */
	CHECK_ENDED,     /* the connection ended: check_conn_end() says how */
	CHECK_SILENT,    /* no progress for too long */
	CHECK_LATE,      /* the deadline of the check has passed, although bytes still came */
	CHECK_CANCELLED, /* the checks are to end */
};

struct check_conn {
	struct check_job *job;
	int fd; /* -1: none */
	struct verified_stream stream;
	uint64_t connect_ns;        /* connect time */
	uint64_t moved_ns;          /* when bytes were last sent or came back */
	int received;               /* the last receive: 0 or a negative code; more: not ended */
	int broken;                 /* error that a send has consumed: a receive returns 0 then */
	uint64_t raw_returned;      /* bytes of check_exchange_raw() that came back right */
	enum check_outcome outcome; /* of the last step */
	char wrong[384];            /* for CHECK_WRONG: a sentence */
};

/* How to open a connection. A zeroed struct: as every client does. */
struct check_open {
	const struct addr *addr;   /* NULL: the address of the path */
	const struct addr *source; /* local address and port; NULL: any */
	int receive_buffer;        /* SO_RCVBUF in bytes, 0: automatic */
	int protocol;              /* IPPROTO_MPTCP; 0: TCP */
	bool fast_open;            /* the first bytes may go with the SYN (TCP_FASTOPEN_CONNECT) */
};

/*
 * Opens a connection. Returns true; or false, and the check has failed with the reason. The caller
 * closes it with check_close() in both cases.
 */
MUST_USE bool check_open(struct check_job *job, struct check_conn *ret_conn);
MUST_USE bool check_open_with(struct check_job *job, const struct check_open *how,
			      struct check_conn *ret_conn);

/* The same without a verdict: returns 0 or a negative code. */
MUST_USE int check_try_open(struct check_job *job, const struct check_open *how,
			    struct check_conn *ret_conn);

/* check_try_open() in two steps: many connections can be opened at once. */
MUST_USE int check_begin_open(struct check_job *job, const struct check_open *how,
			      struct check_conn *ret_conn);
MUST_USE int check_finish_open(struct check_conn *conn);

/* Closes it; with a reset if bytes are unread. check_reset() always resets it (RST). */
void check_close(struct check_conn *conn);
void check_reset(struct check_conn *conn);

/*
 * ---- steps ----
 *
 * All return conn->outcome.
 */

/* Sends n bytes, and reads until they have come back. piece: most bytes a send; 0: no limit. */
enum check_outcome check_exchange(struct check_conn *conn, uint64_t n, size_t piece);

/*
 * Sends up to n bytes and reads nothing. Returns CHECK_DONE if all are sent, or CHECK_SILENT if the
 * endpoint has taken none for quiet_ns.
 */
enum check_outcome check_send(struct check_conn *conn, uint64_t n, uint64_t quiet_ns);

/*
 * Sends n bytes, and reads meanwhile only what makes room: CHECK_DONE when all are sent, with as
 * many as possible on their way.
 */
enum check_outcome check_push(struct check_conn *conn, uint64_t n);

/*
 * Sends n bytes that are not of the stream, and compares what comes back. Only on a connection
 * whose stream is unused.
 */
enum check_outcome check_exchange_raw(struct check_conn *conn, const unsigned char *bytes,
				      size_t n);

/*
 * Reads up to n bytes of any kind, until the connection ends or is silent. Returns how many.
 * Control characters become dots.
 */
size_t check_read_raw(struct check_conn *conn, unsigned char *ret_bytes, size_t n);

/* Reads until every sent byte has come back. */
enum check_outcome check_collect(struct check_conn *conn);

/* Sends n bytes and our FIN in one segment, if they fit into one. */
enum check_outcome check_send_with_fin(struct check_conn *conn, uint64_t n);

/* Sends our FIN. */
enum check_outcome check_send_fin(struct check_conn *conn);

/* Reads until the connection ends: CHECK_ENDED. */
enum check_outcome check_await_end(struct check_conn *conn);

/* Waits without reading. CHECK_DONE at the end of the time. */
enum check_outcome check_pause(struct check_job *job, uint64_t time_ns);

/* Waits for a byte that was not asked for, or the end. CHECK_SILENT at the end of the time. */
enum check_outcome check_listen(struct check_conn *conn, uint64_t time_ns);

/* ---- what was seen ---- */

/* Returns how the connection ended. */
enum stream_end check_conn_end(const struct check_conn *conn);

/* Puts into words what was seen on the connection: "65536 bytes, then RST". */
struct check_text check_conn_saw(const struct check_conn *conn);

/* The end of that: "then RST". */
struct check_text check_conn_how(const struct check_conn *conn);

/*
 * Fails the check if the last step did not end as asked for, with the expectation in words and what
 * it means in general; a wrong byte has its own explanation. CHECK_LATE is no failure: every byte
 * so far was right, so the check is skipped. Returns whether the check goes on.
 */
MUST_USE bool check_expect(struct check_conn *conn, enum check_outcome outcome,
			   struct check_text expected, const char *means);

#endif
