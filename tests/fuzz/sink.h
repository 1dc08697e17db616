/* SPDX-License-Identifier: MIT */
/*
 * Standard error, as the log sees it, in memory: for targets linked with --wrap=write,poll.
 */
#ifndef FUZZ_SINK_H
#define FUZZ_SINK_H

#include <stdbool.h>
#include <stddef.h>

struct sink {
	bool full;      /* poll(2) says that it takes nothing; write(2) does all the same */
	size_t at_once; /* so many bytes at most a write, and every other is refused; 0: all */
	size_t n_calls;
	size_t size;
	char bytes[64 * 1024];
};

/* From here on, what is written to standard error lands there; NULL: where it always did. */
void sink_open(struct sink *sink);

/* How many lines it holds, each of them whole, no longer than a log line, and without a control. */
size_t sink_lines(const struct sink *sink);

#endif
