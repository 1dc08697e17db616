/* SPDX-License-Identifier: MIT */
/*
 * The progress line: bytes, rate, and the share of a regular file, on standard error. Only where a
 * person looks on and nothing else is on the screen, and only for what takes more than a second.
 */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool wanted;
	bool is_shown;
	uint64_t start_ns, next_ns;
	uint64_t expected; /* bytes in all, 0: unknown */
};

/*
 * Starts the clock. The line is wanted when standard error is a terminal and neither input_fd nor
 * output_fd is; the rest of a regular file at input_fd is what is expected.
 */
struct progress progress_start(int input_fd, int output_fd);

/* Shows how far it is, if it is time to. */
void progress_show(struct progress *progress, uint64_t bytes);

/* When progress_show() would show something new, or CLOCK_NEVER. */
uint64_t progress_deadline_ns(const struct progress *progress);

/* Takes the line away. To be called before anything else is written to standard error. */
void progress_clear(struct progress *progress);

#endif
