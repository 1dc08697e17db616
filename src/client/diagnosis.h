/* SPDX-License-Identifier: MIT */
/*
 * What went wrong with an echo, judged by the first bytes that came back wrong.
 *
 * The bytes are those of base/payload.h, so it can be told of what came instead of the right ones
 * where it is from. The more bytes are known from the first wrong one on, the surer it is: of one,
 * little can be said; from DIAGNOSIS_ENOUGH on, all.
 */
#ifndef CLIENT_DIAGNOSIS_H
#define CLIENT_DIAGNOSIS_H

#include <stddef.h>
#include <stdint.h>

#include "base/snippet.h"

/* With so many bytes all kinds can be told apart; more than the most are not looked at. */
#define DIAGNOSIS_ENOUGH ((size_t)64)
#define DIAGNOSIS_MAX    ((size_t)256)

enum diagnosis_kind {
	DIAGNOSIS_UNKNOWN,  /* too few bytes to tell */
	DIAGNOSIS_FLIPPED,  /* bits or bytes are others, in place; the rest goes on right */
	DIAGNOSIS_LOST,     /* bytes are left out: what came is further on in the stream */
	DIAGNOSIS_REPEATED, /* what came is from further back in the stream */
	DIAGNOSIS_STRAY,    /* what came is another connection's */
	DIAGNOSIS_INSERTED, /* foreign bytes, and behind them it goes on in the same stream */
	DIAGNOSIS_FOREIGN,  /* what came, none of us has sent */
	DIAGNOSIS_SURPLUS,  /* more came than was sent, and none of us has sent it */
};

/* What is known. Connections are numbered from 0 on, below PAYLOAD_CONNECTIONS (base/payload.h). */
struct diagnosis_case {
	uint64_t seed;
	uint64_t connection;
	uint64_t n_connections;
	uint64_t offset;               /* of the first wrong byte; all before it were right */
	uint64_t sent;                 /* how many bytes this connection has sent */
	uint64_t most_sent;            /* and no other has sent more than so many */
	const unsigned char *received; /* the first wrong byte and what came behind it */
	size_t n;                      /* at least 1 */
};

struct diagnosis {
	enum diagnosis_kind kind;
	/* STRAY: whose it is. The same connection else. */
	uint64_t connection;
	/* LOST, REPEATED, STRAY: the offset that the first wrong byte has there.
	 * INSERTED: where the stream goes on. */
	uint64_t origin;
	/* FLIPPED: how many bytes differ. LOST: how many are missing. REPEATED: how many lie
	 * between the first wrong byte and its origin. STRAY: how many of those given are of there.
	 * INSERTED: how many. */
	uint64_t n_bytes;
	/* FLIPPED: how many bits differ; if it is one, which, 0 being the lowest. */
	unsigned int n_bits, bit;
	/* What should have come and what came. */
	struct snippet expected, received;
	/* A sentence, without the name of the program. */
	char text[384];
};

/*
 * Says what is wrong. It makes no system call, and takes less than a millisecond however many
 * connections there are.
 */
struct diagnosis diagnose(const struct diagnosis_case *wrong);

#endif
