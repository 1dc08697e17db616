/* SPDX-License-Identifier: MIT */
/*
 * The faults of one connection: a layer between the echo (echo/echo.h) and the driver that makes
 * the system calls. A pure state machine like the echo: time and bytes come from the driver.
 *
 *	client --> driver: receive --> echo_got() --> line --> driver: send --> client
 *	                                          ^        ^
 *	                     corrupt, drop, duplicate,     delay, throttle, chunk,
 *	                     swap, silent                  stall
 *
 * The bytes that the echo keeps move into a short queue, the line. Faults of bytes happen on the
 * way in, by the offset of the byte. Faults of time and of the end happen on the way out, by the
 * number of bytes sent. While the line is full nothing is received: that is the back-pressure, as
 * without faults.
 *
 * A connection without any fault has no stream: its driver works as if this file did not exist.
 */
#ifndef FAULT_FAULT_STREAM_H
#define FAULT_FAULT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "echo/echo.h"
#include "fault/fault.h"

/* Size of the line; with a delay more bytes are on their way. */
#define FAULT_LINE_SIZE       ((size_t)16 * 1024)
#define FAULT_DELAY_LINE_SIZE ((size_t)64 * 1024)

/* What the driver does next. */
enum fault_action {
	FAULT_RECEIVE,  /* receive up to `size` bytes into the buffer: echo_got(), echo_ended() */
	FAULT_SEND,     /* send `size` bytes at `bytes`: fault_sent() */
	FAULT_SLEEP,    /* nothing, but notice that the client resets the connection */
	FAULT_FOLLOW,   /* what the echo wants: finish, discard or close */
	FAULT_SEND_FIN, /* send a FIN: fault_fin_sent() */
	FAULT_STOP,     /* end the connection, as at a timeout of the server: echo_stop() */
	FAULT_RESET,    /* close with a reset when all is acknowledged, or at until_ns */
};

struct fault_step {
	enum fault_action action;
	size_t size;
	const unsigned char *bytes; /* for FAULT_SEND */
	uint64_t until_ns;          /* ask again at this time, whatever happens; may be never */
};

struct swaps;
struct fault_stream;

/* What a stream is made for. */
struct fault_conn {
	const struct fault_set *set; /* must outlive the stream */
	struct swaps *swaps;         /* NULL if no fault of the set is a swap */
	uint64_t number;             /* of the connection, from 1, in the order of accept */
	uint64_t n_open;             /* open connections, with this one */
	uint64_t now_ns;             /* when it was accepted */
};

/* Size of the memory of a stream for the faults of a set, aligned to FAULT_STREAM_ALIGNMENT. */
#define FAULT_STREAM_ALIGNMENT ((size_t)64)
size_t fault_stream_size(const struct fault_set *set);

/*
 * Begins the stream of a connection in the caller's memory, which it uses until the connection
 * ends. Returns NULL if no fault applies to the connection.
 */
struct fault_stream *fault_stream_begin(void *memory, const struct fault_conn *conn);

/*
 * Returns the next step. `buffer` is the driver's buffer, which has the bytes that the echo keeps
 * (NULL if it keeps none). They may be taken from the echo.
 */
struct fault_step fault_stream_next(struct fault_stream *stream, struct echo *echo,
				    const unsigned char *buffer, uint64_t now_ns);

/* n > 0 bytes were received, and echo_got() was called. */
void fault_received(struct fault_stream *stream, size_t n, uint64_t now_ns);

/* 0 < n <= size bytes of the step were sent. They count as sent in the echo. */
void fault_sent(struct fault_stream *stream, struct echo *echo, size_t n, uint64_t now_ns);

/* The FIN was sent. */
void fault_fin_sent(struct fault_stream *stream);

/*
 * Returns whether the driver must look before each step whether the client's FIN has arrived, even
 * behind bytes that are not received yet (POLLRDHUP). If so: fault_peer_closed().
 */
bool fault_watches_peer(const struct fault_stream *stream);
void fault_peer_closed(struct fault_stream *stream);

/* Returns when bytes were last received or sent. */
uint64_t fault_moved_ns(const struct fault_stream *stream);

/* Returns the faults that had an effect until now, as bits: 1 << number in the set. */
uint32_t fault_fired(const struct fault_stream *stream);

#endif
