/* SPDX-License-Identifier: MIT */
/*
 * Why a connection ended, and its line in the access log.
 */
#ifndef SERVER_CLOSE_REASON_H
#define SERVER_CLOSE_REASON_H

#include <stdbool.h>
#include <stdint.h>

#include "net/peer.h"

struct faults;

/* Reasons and their words in the log. 0 means "not ended": a killed child leaves this value. */
#define CLOSE_LIST(X)                                                                    \
	X(CLOSE_NONE, "none")                                                            \
	X(CLOSE_EOF, "eof")             /* the client ended it; every byte was echoed */ \
	X(CLOSE_RESET, "reset")         /* the client reset it */                        \
	X(CLOSE_TIMEOUT, "timeout")     /* the client's host no longer answers */        \
	X(CLOSE_IDLE, "idle")           /* nothing moved for --idle-timeout */           \
	X(CLOSE_DRAIN, "drain")         /* the server ended before the client did */     \
	X(CLOSE_SOURCE, "source-limit") /* the wait queue is full for this source */     \
	X(CLOSE_FAULT, "fault")         /* a fault on request ended it (--fault) */      \
	X(CLOSE_KILLED, "killed")       /* a signal killed the serving process */        \
	X(CLOSE_ERROR, "error")         /* anything else: the code says what */

#define X(name, word) name,
enum close_reason { CLOSE_LIST(X) };
#undef X

/* A connection that has ended. It has no pointers, because a worker copies it to the supervisor. */
struct conn_record {
	struct peer peer;
	uint64_t in, out; /* bytes */
	uint64_t lasted_ns;
	enum close_reason reason;
	int code;           /* for CLOSE_ERROR: the negative code */
	int signal;         /* for CLOSE_KILLED */
	uint32_t serial;    /* number of the client in its table (server/client_table.h); 0: none */
	uint64_t ticket;    /* number of the client in the supervisor's table; 0: none */
	uint32_t fault_tag; /* with faults on request (server/faults.h) */
	uint32_t fired;     /* the faults that had an effect, as bits */
	bool was_turned_away; /* the server closed it before the client ended it */
};

/* Returns the close reason for a negative code of recv(2) or send(2). */
enum close_reason close_reason_of_code(int code);

/*
 * Writes the access log line: `end peer=192.0.2.7:51334 in=120 out=120 seconds=3.214 reason=eof`.
 * faults: of a server that misbehaves on request, else NULL. Then the line goes on with the faults
 * that had an effect, and what repeats them: ` fault=rst@1048576 conn=42 seed=7`.
 */
void conn_record_log(const struct conn_record *record, const struct faults *faults);

#endif
