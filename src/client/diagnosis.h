/* SPDX-License-Identifier: MIT */
/*
 * Diagnoses a faulty echo by the first bytes that came back wrong.
 *
 * The bytes are those of base/payload.h, so a byte shows from which connection and offset it comes.
 * The diagnosis is more certain the more bytes are known, starting with the first wrong byte. One
 * byte shows little; DIAGNOSIS_ENOUGH bytes show everything.
 */
#ifndef CLIENT_DIAGNOSIS_H
#define CLIENT_DIAGNOSIS_H

#include <stddef.h>
#include <stdint.h>

#include "base/snippet.h"

/* DIAGNOSIS_ENOUGH bytes distinguish all kinds. At most DIAGNOSIS_MAX bytes are examined. */
#define DIAGNOSIS_ENOUGH ((size_t)64)
#define DIAGNOSIS_MAX    ((size_t)256)

enum diagnosis_kind {
	DIAGNOSIS_UNKNOWN,  /* too few bytes */
	DIAGNOSIS_FLIPPED,  /* bits or bytes changed in place; the rest is correct */
	DIAGNOSIS_LOST,     /* bytes are missing: what came is from further on in the stream */
	DIAGNOSIS_REPEATED, /* what came is from further back in the stream */
	DIAGNOSIS_STRAY,    /* what came belongs to another connection */
	DIAGNOSIS_INSERTED, /* foreign bytes were inserted; the stream continues after them */
	DIAGNOSIS_FOREIGN,  /* the bytes received were not sent by this client */
	DIAGNOSIS_SURPLUS,  /* more bytes came than were sent, and this client did not send them */
};

/* What is known. Connections are numbered from 0, below PAYLOAD_CONNECTIONS (base/payload.h). */
struct diagnosis_case {
	uint64_t seed;
	uint64_t connection;
	uint64_t n_connections;
	uint64_t offset;               /* of the first wrong byte; all before it are correct */
	uint64_t sent;                 /* bytes sent on this connection */
	uint64_t max_sent;             /* maximum bytes sent on any connection */
	const unsigned char *received; /* the first wrong byte and those that follow */
	size_t n;                      /* at least 1 */
};

struct diagnosis {
	enum diagnosis_kind kind;
	/* STRAY: the connection that the bytes belong to. Otherwise: this connection. */
	uint64_t connection;
	/*
	 * LOST, REPEATED, STRAY: offset of the first wrong byte in its own stream. INSERTED: offset
	 * at which the stream continues.
	 */
	uint64_t origin;
	/*
	 * FLIPPED: bytes that differ. LOST: bytes missing. REPEATED: distance from the first wrong
	 * byte to its origin. STRAY: bytes received from there. INSERTED: bytes inserted.
	 */
	uint64_t n_bytes;
	/* FLIPPED: number of bits that differ; if 1, which bit, 0 being the lowest. */
	unsigned int n_bits, bit;
	/* The bytes expected and the bytes received. */
	struct snippet expected, received;
	/* A sentence, without the name of the program. */
	char text[384];
};

/*
 * Returns the diagnosis. Makes no system call and takes less than a millisecond for any number of
 * connections.
 */
struct diagnosis diagnose(const struct diagnosis_case *wrong);

#endif
