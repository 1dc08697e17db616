/* SPDX-License-Identifier: MIT */
/*
 * The world around one echo: a client that sends WORLD_BYTES bytes and then its FIN, and a kernel
 * that may return any allowed count at every call. The driver between them works like any engine:
 * it does what the echo wants, and passes the result to the echo.
 *
 * The exhaustive search follows every possible choice; the fuzzer (tests/fuzz/fuzz_echo.c) follows
 * one after the other through a larger world.
 *
 * Held in every state:
 *   - what the client has received is a prefix of what it sent;
 *   - the counts of the echo are true, and it keeps no more than its buffer holds;
 *   - it wants to read only when it keeps nothing;
 *   - no execution is longer than WORLD_STEPS: it always ends.
 * Held when it wants to close:
 *   - if the connection did not fail, the FIN was sent, once;
 *   - if it neither failed nor was stopped, every byte came back before the FIN;
 *   - closing resets no connection: the client has ended, or the connection failed, or the linger
 *     timeout of the lingering close has expired.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>

#include "echo/echo.h"
#include "mistakes.h"

/* A larger world is built with larger bounds (-D). */
#ifndef WORLD_BYTES
#define WORLD_BYTES  8 /* sent by the client: the byte at offset i is i + 1 */
#define WORLD_BUFFER 4 /* the driver's buffer */
#endif

#define WORLD_REFUSALS 2                      /* EAGAIN and similar errors, which change nothing */
#define WORLD_STEPS    (2 * WORLD_BYTES + 16) /* more than the longest execution */

/* World and echo. Compared as memory, so its padding must be zero (calloc, memcpy). */
struct world {
	struct echo echo;
	unsigned char buffer[WORLD_BUFFER];
	unsigned char returned[WORLD_BYTES];  /* what the client has received */
	unsigned char n_received, n_returned; /* by the driver, by the client */
	unsigned char refusals, stops, fins, steps;
	bool end_seen, failed;
};

enum event { GOT, REFUSED, ENDED, SENT, FINISHED, STOPPED, FAILED };

/* One possible next event, and the number of bytes that it moves. */
struct choice {
	enum event event;
	size_t n;
};

/* GOT or SENT with every size, and four events without one. */
#define WORLD_CHOICES_MAX (WORLD_BUFFER + 4)

/* Returns all possible next events, by what the echo wants. None when it wants to close. */
size_t world_choices(const struct world *world, struct choice ret_choices[WORLD_CHOICES_MAX]);

/* Executes one of them. */
void world_follow(struct world *world, const struct machine *machine, struct choice choice);

/* Returns the law that a state breaks, in words; NULL if it breaks none. */
const char *world_broken_law(const struct world *world);

#endif
