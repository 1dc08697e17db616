/* SPDX-License-Identifier: MIT */
/*
 * Why a conversation ended, and the one line that says so.
 */
#ifndef SERVER_ENDING_H
#define SERVER_ENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "net/peer.h"

/* Reasons and their words in the log. 0 is "has not ended": what a killed child leaves behind. */
#define ENDING_LIST(X)                                                                    \
	X(ENDING_NONE, "none")                                                            \
	X(ENDING_EOF, "eof")             /* the client ended it, every byte was echoed */ \
	X(ENDING_RESET, "reset")         /* the client reset it */                        \
	X(ENDING_TIMEOUT, "timeout")     /* the client's host no longer answers */        \
	X(ENDING_IDLE, "idle")           /* nothing moved for --idle-timeout */           \
	X(ENDING_DRAIN, "drain")         /* the server ended before the client did */     \
	X(ENDING_SOURCE, "source-limit") /* more from one source than we even let wait */ \
	X(ENDING_KILLED, "killed")       /* who served it was killed by a signal */       \
	X(ENDING_ERROR, "error")         /* anything else: the code says what */

#define X(name, word) name,
enum ending { ENDING_LIST(X) };
#undef X

/* One conversation that is over. A value without pointers: a worker hands it to the supervisor. */
struct ending_facts {
	struct peer peer;
	uint64_t in, out; /* bytes */
	uint64_t lasted_ns;
	enum ending reason;
	int code;             /* for ENDING_ERROR: the negative code */
	int signal;           /* for ENDING_KILLED */
	uint32_t serial;      /* which client of its table it was (server/clients.h); 0: none */
	uint64_t ticket;      /* and which one of the supervisor's table; 0: none */
	bool was_turned_away; /* it is closed although its client has not ended it */
};

/* The reason that a negative code of recv(2) or send(2) amounts to. */
enum ending ending_of_code(int code);

/* `end peer=192.0.2.7:51334 in=120 out=120 seconds=3.214 reason=eof` */
void ending_log(const struct ending_facts *facts);

#endif
