/* SPDX-License-Identifier: MIT */
/*
 * The progress line on standard error: bytes, rate, and the share of a regular file. It is shown
 * only on a terminal that shows nothing else, and only if the run takes more than a second.
 */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool wanted;
	bool is_shown;
	uint64_t start_ns, next_ns;
	uint64_t expected; /* total bytes; 0: unknown */
};

/*
 * Starts the clock. The line is wanted if standard error is a terminal and neither input_fd nor
 * output_fd is. The rest of a regular file at input_fd is the expected total.
 */
struct progress progress_start(int input_fd, int output_fd);

/* Shows the progress if a new line is due. */
void progress_show(struct progress *progress, uint64_t bytes);

/* Returns when progress_show() would show a new line; CLOCK_NEVER: never. */
uint64_t progress_deadline_ns(const struct progress *progress);

/* Clears the line. Call it before anything else is written to standard error. */
void progress_clear(struct progress *progress);

#endif
