/* SPDX-License-Identifier: MIT */
/*
 * Explains a wrong byte in a sentence. If no message has ever come back correct, the server may not
 * be an echo server. This explains more than the first wrong byte.
 */
#ifndef CLIENT_MISMATCH_H
#define CLIENT_MISMATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "client/diagnosis.h"
#include "client/peer_fingerprint.h"
#include "net/addr.h"

struct mismatch_text {
	bool is_no_echo;        /* another kind of server, not a faulty echo server */
	enum peer_kind kind;    /* kind by its reply; PEER_ECHO: not checked */
	uint32_t n_connections; /* opened to ask the server whether it speaks first */
	char text[sizeof(((struct diagnosis *)0)->text)];
};

/*
 * Returns the explanation. server: its address if no message has come back whole on any connection;
 * else NULL. The server is then asked whether it speaks first: a connection is opened on which
 * nothing is sent, for a moment at most.
 */
struct mismatch_text mismatch_describe(const struct diagnosis_case *wrong,
				       const struct addr *server);

/*
 * Like mismatch_describe() if no message has come back, but without asking the server, because
 * another connection asks it already.
 */
struct mismatch_text mismatch_describe_without_asking(const struct diagnosis_case *wrong);

/*
 * Waits for a moment for the bytes that follow a wrong byte: up to `size` bytes at `bytes`, of
 * which n are there already. More bytes make the diagnosis more certain. Returns the number of
 * bytes then.
 */
MUST_USE size_t mismatch_await_more(int fd, unsigned char *bytes, size_t n, size_t size);

/* ---- for a client with many connections, which must not wait for the diagnosis ---- */

/*
 * Evidence of the first wrong byte, kept until the run is over and there is time for a diagnosis.
 * Zeroed: empty. fd is then 0 and not valid: fd counts only with is_there.
 */
struct mismatch_evidence {
	bool is_there;
	bool has_echoed;   /* a message had come back whole before */
	uint64_t until_ns; /* end of the wait for bytes that follow */
	int fd;            /* the connection, owned; -1: closed */
	struct diagnosis_case wrong;
	unsigned char bytes[DIAGNOSIS_MAX]; /* wrong.received */
};

/*
 * Keeps a case with a copy of the received bytes. Takes fd, the connection. wrong->n may be larger
 * than the room. Makes no system call that could block.
 */
void mismatch_keep(struct mismatch_evidence *evidence, const struct diagnosis_case *wrong, int fd,
		   bool has_echoed);

/* Call it after until_ns: reads what has followed, without waiting, and closes the connection. */
void mismatch_collect(struct mismatch_evidence *evidence);

/*
 * Waits for the bytes that follow, if the wait is not over, and returns the explanation. server:
 * its address. source: source address if the server is asked; NULL: any.
 */
struct mismatch_text mismatch_explain(struct mismatch_evidence *evidence, const struct addr *server,
				      const struct addr *source);

#endif
