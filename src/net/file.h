/* SPDX-License-Identifier: MIT */
/*
 * Files that are written or read as a whole: stdio(3) with codes instead of errno.
 */
#ifndef NET_FILE_H
#define NET_FILE_H

#include <stddef.h>
#include <stdio.h>

#include "base/compiler.h"

/* Makes a file, or makes it empty. *ret_file is the caller's. Returns 0 or -errno. */
MUST_USE int file_create(const char *path, FILE **ret_file);

/*
 * Is all written that was given to it? Writes what is left, and tells of anything that failed since
 * it was opened. Returns 0 or -errno, -EIO for what failed earlier.
 */
MUST_USE int file_flush(FILE *file);

/* The same, and closes it, which it is then in any case. */
MUST_USE int file_close(FILE *file);

/* ---- all or nothing ---- */

/*
 * A file in the making, beside the one that it is to be: whoever looks sees the old one or the
 * whole new one, which has the permissions of the old. What is no plain file, as a symbolic link
 * (that of /dev/stdout, for one) or a pipe, is written to directly: of that, the beginning can be
 * seen before the end.
 */
struct file_draft {
	FILE *file;
	char *path;  /* what it is to be */
	char *draft; /* what it is until then; NULL: it is written to directly */
};

/*
 * Begins one; "-" is standard output. *ret_draft is the caller's, to be kept or dropped. Returns
 * 0, -ENOMEM or -errno.
 */
MUST_USE int file_draft(const char *path, struct file_draft *ret_draft);

/* It is whole: closes it and gives it its name. On failure it is dropped. Returns 0 or -errno. */
MUST_USE int file_keep(struct file_draft *draft);

/* It is not wanted: closes and removes it. */
void file_drop(struct file_draft *draft);

/* ---- reading ---- */

/* The bytes of a file, and a NUL behind them. */
struct file_bytes {
	char *at; /* the owner's, to be freed */
	size_t n;
};

/*
 * Reads a file to its end, or standard input for "-". Returns 0 or -errno; -EFBIG: it has more than
 * `most` bytes.
 */
MUST_USE int file_read(const char *path, size_t most, struct file_bytes *ret_bytes);

#endif
