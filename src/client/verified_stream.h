/* SPDX-License-Identifier: MIT */
/*
 * A connection on which one message at a time is sent and compared with what comes back.
 *
 * The bytes are those of base/payload.h. Each failure has a name and a sentence; the first one
 * counts, and the connection is of no use afterwards.
 */
#ifndef CLIENT_VERIFIED_STREAM_H
#define CLIENT_VERIFIED_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/payload.h"
#include "stats/result.h"
#include "client/diagnosis.h"
#include "net/addr.h"
#include "net/io.h"

/* Bytes received at a time; behind them there is room for what a diagnosis waits for. */
#define STREAM_PIECE_SIZE ((size_t)64 * 1024)

/*
 * How long a receive may wait. A signal, and having been stopped, is noticed afterwards. The kernel
 * rounds it up by up to two ticks, 20 ms at most.
 */
#define STREAM_RECV_NS     (10 * CLOCK_NS_PER_MS)
#define STREAM_RECV_MAX_NS (STREAM_RECV_NS + 20 * CLOCK_NS_PER_MS)

struct verified_stream {
	struct result *result; /* counts its bytes, mismatches and connections */
	uint64_t seed, size;   /* of the payload, of a message */
	uint64_t wait_ns;      /* for a message; CLOCK_NEVER: without limit */
	bool spins;            /* receives never wait */

	int fd; /* -1: none */
	struct addr server;
	bool may_wait; /* its receives may, STREAM_RECV_NS at most */
	struct payload payload;
	uint64_t sent, returned; /* bytes since the connection was opened */
	uint64_t due;            /* the message ends there */
	uint64_t begun_ns;       /* when the message was begun */
	uint64_t back_ns;        /* when bytes of it came last */
	const char *failure;     /* name of what failed, NULL: nothing has; static storage */
	char why[RESULT_SENTENCE_SIZE];
	bool is_no_echo; /* a first reply showed another kind of server */

	IO_ALIGNED unsigned char piece[STREAM_PIECE_SIZE + DIAGNOSIS_MAX];
};

/* Begins a connection, fd, which is taken. */
void stream_open(struct verified_stream *stream, int fd, const struct addr *server);

/* Begins a message, with its first bytes; it is sent and received by the following. */
void stream_begin_message(struct verified_stream *stream);

/* Has all of the message come back? */
bool stream_is_back(const struct verified_stream *stream);

/* Sends what the connection takes of the message. */
void stream_send(struct verified_stream *stream);

/* Receives what has come. Returns whether anything has: bytes, the end, an error. */
bool stream_receive(struct verified_stream *stream);

/*
 * Waits for the first bytes of a message in recv(2): one call instead of poll(2) and recv(2). Only
 * where all of it is sent and the deadline is far enough away; else returns false, as if nothing
 * had come within a moment.
 */
bool stream_receive_waiting(struct verified_stream *stream, uint64_t deadline_ns);

/* The message failed; the first reason counts. name: static storage. */
void stream_fail(struct verified_stream *stream, const char *name, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* The message failed, because wait_ns is over. */
void stream_fail_late(struct verified_stream *stream);

#endif
