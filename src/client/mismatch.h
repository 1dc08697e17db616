/* SPDX-License-Identifier: MIT */
/*
 * A wrong byte has come: the sentence for it. Where nothing has ever come back right, it is perhaps
 * no echo that is spoken to, and that says more than which byte was the first to differ.
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
	bool is_no_echo;        /* another kind of server, not an echo that makes a mistake */
	enum peer_kind kind;    /* by its reply; PEER_ECHO: not judged */
	uint32_t n_connections; /* opened to ask the server whether it speaks first */
	char text[sizeof(((struct diagnosis *)0)->text)];
};

/*
 * server: where no message has come back whole from there, of any connection, its address; else
 * NULL. It is then asked whether it speaks first, by a connection on which nothing is sent, for a
 * moment at most.
 */
struct mismatch_text mismatch_say(const struct diagnosis_case *wrong, const struct addr *server);

/* The same where no message has come back, but another connection asks the server already. */
struct mismatch_text wrong_judge(const struct diagnosis_case *wrong);

/*
 * After a wrong byte, waits for a moment for what follows it: up to `size` bytes, at `bytes`, of
 * which n are there already. The more there are, the surer is the diagnosis. Returns how many there
 * are then.
 */
MUST_USE size_t mismatch_await_more(int fd, unsigned char *bytes, size_t n, size_t size);

/* ---- for a client with many connections, none of which may wait for the diagnosis ---- */

/*
 * What is known of the first wrong byte: kept until the run is over and there is time to diagnose
 * it. A zeroed one has fd 0 and holds nothing: fd counts only with is_there.
 */
struct mismatch_evidence {
	bool is_there;
	bool has_echoed;   /* a message had come back whole before */
	uint64_t until_ns; /* what follows on its connection is awaited until then */
	int fd;            /* that connection, owned; -1: closed */
	struct diagnosis_case wrong;
	unsigned char bytes[DIAGNOSIS_MAX]; /* wrong.received */
};

/*
 * Keeps a case, with a copy of what was received, and takes the connection. wrong->n may be larger
 * than what is kept. Makes no system call that could block.
 */
void mismatch_keep(struct mismatch_evidence *evidence, const struct diagnosis_case *wrong, int fd,
		   bool has_echoed);

/* After until_ns: takes what followed, without waiting, and closes the connection. */
void mismatch_collect(struct mismatch_evidence *evidence);

/*
 * Waits for what follows if that is still awaited, and says what was wrong. server: its address.
 * source: where to connect from if the server is asked; NULL: anywhere.
 */
struct mismatch_text mismatch_explain(struct mismatch_evidence *evidence, const struct addr *server,
				      const struct addr *source);

#endif
