/* SPDX-License-Identifier: MIT */
/*
 * The connection of `ping`: sends one message at a time and compares it with what comes back
 * (client/verified_stream.h). Each failure has a name and a sentence. The first failure counts, and
 * the connection must not be used afterwards.
 */
#ifndef CLIENT_PING_CONN_H
#define CLIENT_PING_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "client/diagnosis.h"
#include "client/verified_stream.h"
#include "net/addr.h"
#include "net/io.h"
#include "stats/result.h"

/* Maximum bytes per receive. The buffer has extra room for the bytes that a diagnosis waits for. */
#define PING_BUFFER_SIZE ((size_t)64 * 1024)

/*
 * Timeout of a receive that waits. A signal, or a stop of this process, is noticed afterwards. The
 * kernel rounds it up by up to two ticks, 20 ms at most.
 */
#define PING_RECV_NS     (10 * CLOCK_NS_PER_MS)
#define PING_RECV_MAX_NS (PING_RECV_NS + 20 * CLOCK_NS_PER_MS)

struct ping_conn {
	struct result *result; /* receives the counts of bytes, mismatches and connections */
	uint64_t seed, size;   /* seed of the payload, bytes per message */
	uint64_t wait_ns;      /* timeout of a message; CLOCK_NEVER: none */
	bool spins;            /* receives never wait */

	int fd; /* -1: none */
	struct addr server;
	bool may_wait; /* receives may wait, for PING_RECV_NS */
	struct verified_stream stream;
	uint64_t begun_ns;   /* when the message was begun */
	uint64_t back_ns;    /* when bytes of it last came back */
	const char *failure; /* name of the failure; NULL: none; static storage */
	char why[RESULT_SENTENCE_SIZE];
	bool is_no_echo; /* the first reply showed another kind of server */

	IO_ALIGNED unsigned char buffer[PING_BUFFER_SIZE + DIAGNOSIS_MAX];
};

/* Starts to use a connection. Takes fd. */
void ping_conn_open(struct ping_conn *conn, int fd, const struct addr *server);

/* Begins a message and sends its first bytes. The functions below send the rest and receive. */
void ping_conn_begin_message(struct ping_conn *conn);

/* Returns true if all of the message has come back. */
bool ping_conn_is_back(const struct ping_conn *conn);

/* Sends as much of the message as the socket accepts. */
void ping_conn_send(struct ping_conn *conn);

/* Receives what has arrived. Returns true if bytes, the end or an error have arrived. */
bool ping_conn_receive(struct ping_conn *conn);

/*
 * Waits in recv(2) for the first bytes of a message: one call instead of poll(2) and recv(2). It
 * does so only if all of the message is sent and the deadline is far enough away. Otherwise returns
 * false, as if nothing had arrived.
 */
bool ping_conn_receive_waiting(struct ping_conn *conn, uint64_t deadline_ns);

/* Marks the message as failed. The first reason counts. name: static storage. */
PRINTF_LIKE(3, 4)
void ping_conn_fail(struct ping_conn *conn, const char *name, const char *format, ...);

/* Marks the message as failed, because wait_ns is over. */
void ping_conn_fail_late(struct ping_conn *conn);

#endif
