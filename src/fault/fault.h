/* SPDX-License-Identifier: MIT */
/*
 * Faults: ways in which the server misbehaves on request (serve --fault).
 *
 * A fault has a kind, a value, a time or place (its trigger) and the connections that get it. All
 * of that is a function of the seed, the number of the connection and the offset in its echo. The
 * sizes of segments and buffers, timers, workers and the engine have no influence. So a server that
 * is started with the same faults and the same seed does the same to the same connection.
 *
 * This file has the grammar and the table. fault_stream.h applies faults to one connection.
 */
#ifndef FAULT_FAULT_H
#define FAULT_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/reason.h"

/* Maximum number of faults of one server, and size of the texts and regions of bytes. */
#define FAULTS_MAX       16
#define FAULT_TEXT_MAX   ((size_t)256)
#define FAULT_REGION_MAX ((size_t)4096)

enum fault_kind {
	FAULT_DELAY,
	FAULT_THROTTLE,
	FAULT_SLOW_READ,
	FAULT_CHUNK,
	FAULT_STALL,
	FAULT_CORRUPT,
	FAULT_DROP,
	FAULT_DUPLICATE,
	FAULT_SWAP,
	FAULT_TRUNCATE,
	FAULT_RST,
	FAULT_NO_HALF_CLOSE,
	FAULT_HALF_CLOSE,
	FAULT_NO_FIN,
	FAULT_NO_ACCEPT,
	FAULT_SILENT,
	FAULT_BANNER,
	FAULT_LIMIT,
	FAULT_FORGET,
	FAULT_KINDS
};

/* What a fault waits for. */
enum fault_trigger {
	FAULT_AT_ACCEPT, /* nothing: it applies from the start */
	FAULT_AT_OFFSET, /* a number of bytes of the echo */
	FAULT_AT_TIME,   /* a time since the connection was accepted */
	FAULT_AT_EOF,    /* the client's FIN has been read, and every byte before it is echoed */
	FAULT_AT_IDLE,   /* no byte has moved for a time */
};

struct fault {
	enum fault_kind kind;
	enum fault_trigger trigger;
	uint64_t at;        /* of the trigger: an offset in bytes, or a time in ns */
	uint64_t value;     /* ns, bytes, bytes/s, a count or a mask: see fault_kind.h */
	uint64_t jitter_ns; /* of a delay */
	uint64_t every;     /* every Nth connection, 0: not limited so */
	uint64_t one_in;    /* one connection of N, as the seed chooses, 0: not limited so */
	uint64_t conn;      /* this connection only, 0: not limited so */
	size_t text_size;
	unsigned char text[FAULT_TEXT_MAX]; /* of a banner */
};

/* The faults of a listening socket. `seed` chooses connections and jitter. */
struct fault_set {
	uint64_t seed;
	size_t n;
	struct fault faults[FAULTS_MAX];
};

/* The grammar in one line, for messages. */
#define FAULT_GRAMMAR "NAME[=VALUE][@WHEN][,every=N][,p=1/N][,conn=N]"

/*
 * Parses a fault: "rst@1M", "stall@64k=30s", "corrupt@4096=0x01,every=3". Returns 0, or -EINVAL
 * with the place and the reason in *reterr_reason.
 */
MUST_USE int fault_parse(const char *spec, struct fault *ret_fault, struct reason *reterr_reason);

/*
 * Adds a fault to a set. Returns 0, or -EINVAL with the reason: the set is full, or the fault
 * overlaps another one of the same kind.
 */
MUST_USE int fault_set_add(struct fault_set *set, const struct fault *fault,
			   struct reason *reterr_reason);

/* A fault in words: the form that fault_parse() takes, all numbers without multiples. */
struct fault_text {
	char text[4 * FAULT_TEXT_MAX + 160];
};
struct fault_text fault_format(const struct fault *fault);

/* Returns whether the connection with this number, from 1, gets fault number i of the set. */
bool fault_applies(const struct fault_set *set, size_t i, uint64_t conn);

/* Returns the jitter of a delay, 0 to 2 * jitter_ns, for the byte at an offset of a connection. */
uint64_t fault_jitter_ns(const struct fault_set *set, size_t i, uint64_t conn, uint64_t offset);

#endif
