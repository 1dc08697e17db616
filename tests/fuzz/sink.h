/* SPDX-License-Identifier: MIT */
/*
 * Standard error, as the log sees it, in memory: for targets linked with --wrap=write,poll.
 */
#ifndef FUZZ_SINK_H
#define FUZZ_SINK_H

#include <stdbool.h>
#include <stddef.h>

struct sink {
	/* bytes that it takes until the caller waits for it: then it has room again */
	size_t room;
	size_t at_once; /* bytes at most in a write, and every other is interrupted; 0: all */
	size_t n_calls;
	size_t size;
	char bytes[64 * 1024];
};

/* From here on, what is written to standard error lands there; NULL: where it always did. */
void sink_open(struct sink *sink);

/* How many whole lines it holds; none is longer than a log line or has a control character. */
size_t sink_lines(const struct sink *sink);

#endif
