/* SPDX-License-Identifier: MIT */
/*
 * Files of text that we write: stdio(3) with codes instead of errno.
 */
#ifndef NET_FILE_H
#define NET_FILE_H

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

#endif
