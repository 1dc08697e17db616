/* SPDX-License-Identifier: MIT */
/* Standard error of the log, in memory: for targets linked with --wrap=write,poll. */
#ifndef FUZZ_SINK_H
#define FUZZ_SINK_H

#include <stdbool.h>
#include <stddef.h>

struct sink {
	/* bytes that it takes until the caller waits for it: then it has room again */
	size_t room;
	/* maximum number of bytes in a write, and every other write is interrupted; 0: no limit */
	size_t at_once;
	size_t n_calls;
	size_t size;
	char bytes[64 * 1024];
};

/* From here on, bytes written to standard error go to the sink; NULL: to standard error again. */
void sink_open(struct sink *sink);

/*
 * Returns the number of whole lines; asserts that none is longer than a log line or has a control
 * character.
 */
size_t sink_lines(const struct sink *sink);

#endif
