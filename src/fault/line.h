/* SPDX-License-Identifier: MIT */
/*
 * The line: a short queue of bytes that are on their way back to a client. Each part of it has a
 * time before which it is not sent.
 */
#ifndef FAULT_LINE_H
#define FAULT_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "fault/fault.h"

/* Parts that can have a time of their own. With more, the newest part takes bytes in. */
#define LINE_PARTS_MAX 256

/* Positions count all bytes that were ever in the line. */
struct line {
	uint64_t put, sent;
	size_t first_part, n_parts;
	struct line_part {
		uint64_t end;
		uint64_t due_ns;
	} parts[LINE_PARTS_MAX];
	size_t size;
	unsigned char *bytes;
};

/* Opens an empty line in `size` bytes of the caller, more than 2 * FAULT_REGION_MAX. */
void line_open(struct line *ret_line, unsigned char *bytes, size_t size);

/* Returns the number of bytes in the line. */
size_t line_used(const struct line *line);

/*
 * Returns the number of bytes that may be put into the line. The last FAULT_REGION_MAX bytes stay
 * in it after they are sent, and it keeps room for them: line_put_again().
 */
size_t line_room(const struct line *line);

/* Puts n bytes into the line; line_seal() must follow. */
void line_put(struct line *line, const unsigned char *bytes, size_t n);

/* Puts the bytes that were put since a position, at most FAULT_REGION_MAX, into the line again. */
void line_put_again(struct line *line, uint64_t from);

/*
 * Sets when the bytes that were put since the last call may be sent. The line is a queue, so they
 * also wait until earlier bytes are sent.
 */
void line_seal(struct line *line, uint64_t due_ns);

/* Drops what is in the line. */
void line_drop(struct line *line);

/*
 * Returns how many bytes may be sent now, and where they are. If the next byte is not due yet,
 * lowers *until_ns to its time.
 */
size_t line_sendable(const struct line *line, uint64_t now_ns, const unsigned char **ret_bytes,
		     uint64_t *until_ns);

/* n of the sendable bytes, more than 0, were sent. */
void line_sent(struct line *line, size_t n);

#endif
