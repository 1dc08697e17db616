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
 * Is all written that was given to it? Writes what is left, and tells of anything that failed since
 * it was opened. Returns 0 or -errno, -EIO for what failed earlier.
 */
MUST_USE int file_flush(FILE *file);

/* The same, and closes it, which it is then in any case. */
MUST_USE int file_close(FILE *file);

/* ---- all or nothing ---- */

/*
 * A result in the making, in memory: nothing is written before it is whole.
 *
 * A new regular file is written beside the old one and takes its name, with its owner, group and
 * mode: at any moment one of the two is there, and after a failure it is the old one. Where that
 * cannot be done (a mount point, a directory that is not writable, another owner, an access control
 * list, several names, a symbolic link), the old file is overwritten, once there is room for the
 * new content. Anything else, as a pipe, is simply written.
 */
struct file_draft {
	FILE *file;
	char *path;
	int fd;      /* of what is no regular file, -1 otherwise */
	char *bytes; /* of `file`, which has their address: a draft must not be moved */
	size_t n;
};

/*
 * Begins one. Fails if it can be seen already that `path` cannot be written. "-" is standard
 * output; so are /dev/stdout and the like, and /dev/fd/N is descriptor N: they are not opened anew.
 * A named pipe is waited for until it is read. *ret_draft is the caller's, to be kept or dropped.
 * Returns 0, -ENOMEM or -errno.
 */
MUST_USE int file_draft(const char *path, struct file_draft *ret_draft);

/*
 * It is whole: writes it. The draft is gone then, also on failure. `wait`: what may end the wait
 * for a reader (writer_write_all()). Returns 0, -EINTR or -errno.
 */
MUST_USE int file_keep(struct file_draft *draft, struct writer_wait *wait);

/* It is not wanted: nothing was written. */
void file_drop(struct file_draft *draft);

/*
 * Do two paths lead to one file, by whatever names? "-" is standard input of `read` and standard
 * output of `written`, which may also be other names of descriptors, as for file_draft(). Devices
 * are not compared: terminals and /dev/null keep nothing.
 */
bool file_is_same(const char *read, const char *written);

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
