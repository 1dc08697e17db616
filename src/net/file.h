/* SPDX-License-Identifier: MIT */
/*
 * Files that are written or read as a whole: stdio(3) with codes instead of errno.
 */
#ifndef NET_FILE_H
#define NET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/compiler.h"
#include "net/writer.h"

/*
 * Writes what is still buffered and reports any failure since the file was opened. Returns 0 or
 * -errno, -EIO for an earlier failure.
 */
MUST_USE int file_flush(FILE *file);

/* The same, and closes the file, also on failure. */
MUST_USE int file_close(FILE *file);

/* ---- writing all or nothing ---- */

/*
 * A draft: a result that is built in memory. Nothing is written before it is complete.
 *
 * A new regular file is written beside the old one and then takes its name, owner, group and mode.
 * At any time one of the two exists, and after a failure it is the old one. In some cases that is
 * impossible: a mount point, a directory that is not writable, another owner, an access control
 * list, several hard links, a symbolic link. Then the old file is overwritten, after space for the
 * new content is reserved. Anything else, such as a pipe, is written directly.
 */
struct file_draft {
	FILE *file;
	char *path;
	int fd;      /* descriptor if it is not a regular file, else -1 */
	char *bytes; /* content of `file`, which stores this field's address: do not move a draft */
	size_t n;
};

/*
 * Begins a draft. Fails if it is already known that `path` cannot be written. "-", /dev/stdout and
 * similar names mean standard output; /dev/fd/N is descriptor N. These are not opened anew. Opening
 * a named pipe waits for its reader. The caller must pass *ret_draft to file_keep() or file_drop().
 * Returns 0, -ENOMEM or -errno.
 */
MUST_USE int file_draft(const char *path, struct file_draft *ret_draft);

/*
 * Writes a complete draft. The draft is freed, also on failure. `wait`: what may end the wait for a
 * reader (writer_write_all()). Returns 0, -EINTR or -errno.
 */
MUST_USE int file_keep(struct file_draft *draft, struct writer_wait *wait);

/* Frees a draft without writing anything. */
void file_drop(struct file_draft *draft);

/*
 * Returns whether two paths name the same file. "-" is standard input for `read` and standard
 * output for `written`, which may also be another name of a descriptor, as in file_draft().
 * Character devices are not compared, because terminals and /dev/null store nothing.
 */
bool file_is_same(const char *read, const char *written);

/* ---- reading ---- */

/* The bytes of a file, followed by a NUL. */
struct file_bytes {
	char *at; /* the owner must free it */
	size_t n;
};

/*
 * Reads a file to its end; "-" is standard input. Returns 0 or -errno; -EFBIG if it has more than
 * `most` bytes.
 */
MUST_USE int file_read(const char *path, size_t max_size, struct file_bytes *ret_bytes);

#endif
