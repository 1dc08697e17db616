/* SPDX-License-Identifier: MIT */
/*
 * The echo (RFC 862): one connection as a pure state machine.
 *
 * It makes no system call and touches no byte. It says what it wants next, its driver does that and
 * tells it what came of it. The blocking child, a readiness loop, a completion ring and the
 * simulator in tests/sim are drivers of this one object.
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
 * The driver owns one buffer. After `got n` the n bytes are the first n of it, and until all of
 * them are sent the machine wants no other read: so an echo holds one buffer at most, whatever the
 * peer does, and a peer who does not read is not read from. That is the back-pressure.
 *
 * DISCARD is the lingering close. Whoever closes a connection while bytes of the peer are unread,
 * or still to come, resets it, and the reset destroys what was on its way to the peer (RFC 9293
 * 3.6.1). So a server that ends a conversation before its client does sends its FIN, then reads and
 * throws away until the client has ended too, or until the driver's patience ends (a second stop).
 *
 * Invariants: out <= in; out == in whenever it wants READ; after `ended`, CLOSE is reached only
 * when every byte was sent and the FIN behind it, unless the connection failed or was stopped.
 */
#ifndef ECHO_ECHO_H
#define ECHO_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum echo_want {
	ECHO_READ,    /* receive into the buffer: then echo_got() or echo_ended() */
	ECHO_WRITE,   /* send the kept bytes, echo_kept(): then echo_sent() */
	ECHO_FINISH,  /* send the FIN, half-close: then echo_finished() */
	ECHO_DISCARD, /* receive and forget: then echo_got() or echo_ended() */
	ECHO_CLOSE,   /* close the connected socket: nothing more will be wanted */
};

/* One connection. A zeroed one has just been accepted and wants to read. */
struct echo {
	enum echo_want want;
	bool stopped;   /* we end it, not the peer */
	size_t kept_at; /* where in the driver's buffer the kept bytes begin */
	size_t kept;    /* how many of them are still to be sent */
	uint64_t in;    /* bytes received, those thrown away as well */
	uint64_t out;   /* bytes sent */
};

/* What to do next. */
enum echo_want echo_wants(const struct echo *echo);

/* The bytes to send while it wants to WRITE: returns how many, *ret_at is their place. */
size_t echo_kept(const struct echo *echo, size_t *ret_at);

/* n > 0 bytes were received; when it wanted READ they are the first n of the buffer. */
void echo_got(struct echo *echo, size_t n);

/* The peer has ended its half: it sent a FIN, and every byte before it has been received. */
void echo_ended(struct echo *echo);

/* 0 < n <= kept bytes were sent. */
void echo_sent(struct echo *echo, size_t n);

/* The FIN was sent. */
void echo_finished(struct echo *echo);

/* The server ends it: a limit of time is reached. The second time: its patience is at an end. */
void echo_stop(struct echo *echo);

/* The connection is broken: reset, timed out. */
void echo_failed(struct echo *echo);

#endif
