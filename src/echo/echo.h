/* SPDX-License-Identifier: MIT */
/*
 * The echo (RFC 862): one connection as a pure state machine.
 *
 * It makes no system call and touches no byte. It states the next action, the driver performs the
 * action and reports the result. The blocking child, the readiness loop, the completion ring and
 * the simulator in tests/sim are drivers of this one object.
 *
 *               got n
 *       READ ----------> WRITE --+
 *        |  <----------    |     | sent some of it
 *        |   sent all      +<----+
 *        | ended
 *        v        finished
 *      FINISH ---------------> CLOSE
 *
 *       READ, WRITE             finished              ended, or a second stop
 *        `---- stop ----> FINISH ------> DISCARD ----> CLOSE
 *                                        |     ^ got n
 *                                        +-----+
 *       failed, in any state: CLOSE
 *
 * The driver owns one buffer. `got n` means that the first n bytes of the buffer are new. The
 * machine wants no other read until all of them are sent. So an echo uses at most one buffer,
 * whatever the peer does, and nothing is received from a peer that does not read. That is the
 * back-pressure.
 *
 * DISCARD is the lingering close. Closing a socket while bytes from the peer are unread, or still
 * arriving, resets the connection. The reset destroys bytes that are on their way to the peer (RFC
 * 9293 3.6.1). So a server that ends a connection before its client does sends its FIN first. Then
 * it reads and discards until the client has ended too, or until the linger timeout of the driver
 * (a second stop).
 *
 * Invariants: out <= in; out == in whenever it wants READ. After `ended`, CLOSE is reached only
 * when every byte and then the FIN were sent, unless the connection failed or was stopped.
 */
#ifndef ECHO_ECHO_H
#define ECHO_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum echo_want {
	ECHO_READ,    /* receive into the buffer: then echo_got() or echo_ended() */
	ECHO_WRITE,   /* send the unsent bytes, echo_kept(): then echo_sent() */
	ECHO_FINISH,  /* send the FIN, half-close: then echo_finished() */
	ECHO_DISCARD, /* receive and discard: then echo_got() or echo_ended() */
	ECHO_CLOSE,   /* close the connected socket: the last action */
};

/* One connection. A zeroed struct is a connection that was just accepted and wants to read. */
struct echo {
	enum echo_want want;
	bool stopped;   /* the server ends the connection, not the peer */
	size_t kept_at; /* offset of the unsent bytes in the driver's buffer */
	size_t kept;    /* number of unsent bytes */
	uint64_t in;    /* bytes received, including discarded bytes */
	uint64_t out;   /* bytes sent */
};

/* Returns the next action. */
enum echo_want echo_wants(const struct echo *echo);

/* Returns the number of bytes to send in ECHO_WRITE; *ret_at is their offset in the buffer. */
size_t echo_kept(const struct echo *echo, size_t *ret_at);

/* n > 0 bytes were received. In ECHO_READ they are the first n bytes of the buffer. */
void echo_got(struct echo *echo, size_t n);

/* The peer has sent its FIN, and every byte before it has been received. */
void echo_ended(struct echo *echo);

/* 0 < n <= kept bytes were sent. */
void echo_sent(struct echo *echo, size_t n);

/*
 * 0 < n <= kept bytes were taken out of the buffer, by a layer that sends them later or drops them
 * (src/fault). They do not count as sent.
 */
void echo_taken(struct echo *echo, size_t n);

/* The FIN was sent. */
void echo_finished(struct echo *echo);

/*
 * The server ends the connection: a time limit is reached. The second call ends the lingering
 * close.
 */
void echo_stop(struct echo *echo);

/* The connection failed: reset, timed out. */
void echo_failed(struct echo *echo);

#endif
