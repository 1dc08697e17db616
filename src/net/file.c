/* SPDX-License-Identifier: MIT */
#include "net/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* mode: of fopen(3). */
MUST_USE static int open_as(const char *path, const char *mode, FILE **ret_file)
{
	FILE *file = fopen(path, mode);
	if (file == NULL)
		return -errno;
	*ret_file = file;
	return 0;
}

int file_create(const char *path, FILE **ret_file)
{
	return open_as(path, "we", ret_file);
}

int file_flush(FILE *file)
{
	if (fflush(file) != 0)
		return -errno;
	return ferror(file) ? -EIO : 0;
}

int file_close(FILE *file)
{
	int rc = file_flush(file);
	if (fclose(file) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

/* ---- all or nothing ---- */

/*
 * May another file take its place? A link may not, for it would be the link that is replaced: that
 * of /dev/stdout, for one.
 */
static bool is_replaceable(const char *path)
{
	struct stat info;
	if (lstat(path, &info) < 0)
		return errno == ENOENT;
	return S_ISREG(info.st_mode);
}

/* Those of the file whose place is taken, or those of a new one. */
static mode_t permissions_of(const char *path)
{
	struct stat info;
	if (lstat(path, &info) == 0)
		return info.st_mode & 0777;
	mode_t mask = umask(0); /* it is told only by setting it */
	umask(mask);
	return 0666 & ~mask;
}

/* Opens a file beside it, whose name nothing has: one of an earlier run may have been left. */
MUST_USE static int open_beside(struct file_draft *draft)
{
	char *name;
	if (asprintf(&name, "%s.XXXXXX", draft->path) < 0)
		return -ENOMEM;
	int rc = 0, fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0 || fchmod(fd, permissions_of(draft->path)) < 0)
		rc = -errno;
	if (rc == 0 && (draft->file = fdopen(fd, "w")) == NULL)
		rc = -errno;
	if (rc == 0) {
		draft->draft = name;
		return 0;
	}
	if (fd >= 0) {
		ignore_result(close(fd)); /* nothing was written */
		ignore_result(unlink(name));
	}
	free(name);
	return rc;
}

static void forget(struct file_draft *draft)
{
	free(draft->draft);
	free(draft->path);
	*draft = (struct file_draft){ 0 };
}

int file_draft(const char *path, struct file_draft *ret_draft)
{
	struct file_draft draft = { .path = strdup(path) };
	int rc = 0;
	if (draft.path == NULL)
		return -ENOMEM;
	if (strcmp(path, "-") == 0)
		draft.file = stdout;
	else if (is_replaceable(path))
		rc = open_beside(&draft);
	else
		rc = file_create(path, &draft.file);
	if (rc == 0)
		*ret_draft = draft;
	else
		forget(&draft);
	return rc;
}

/* Standard output stays open: it is not ours. */
MUST_USE static int finish(FILE *file)
{
	return file == stdout ? file_flush(file) : file_close(file);
}

int file_keep(struct file_draft *draft)
{
	int rc = finish(draft->file);
	if (rc == 0 && draft->draft != NULL && rename(draft->draft, draft->path) < 0)
		rc = -errno;
	if (rc < 0 && draft->draft != NULL)
		ignore_result(unlink(draft->draft)); /* that it failed is told already */
	forget(draft);
	return rc;
}

void file_drop(struct file_draft *draft)
{
	ignore_result(finish(draft->file)); /* nobody wants it */
	if (draft->draft != NULL)
		ignore_result(unlink(draft->draft));
	forget(draft);
}

/* ---- reading ---- */

#define READ_AT_FIRST ((size_t)64 * 1024)

/* Appends what is left of a file, up to `most` bytes in all and one more, by which it is seen. */
MUST_USE static int read_rest(FILE *file, size_t most, struct file_bytes *bytes)
{
	size_t room = READ_AT_FIRST < most ? READ_AT_FIRST : most;
	for (;;) {
		char *at = realloc(bytes->at, room + 1);
		if (at == NULL)
			return -ENOMEM;
		bytes->at = at;
		errno = 0; /* fread(3) does not say that it sets it */
		bytes->n += fread(at + bytes->n, 1, room + 1 - bytes->n, file);
		if (ferror(file))
			return errno != 0 ? -errno : -EIO;
		if (bytes->n <= room) {
			at[bytes->n] = '\0';
			return 0;
		}
		if (room == most)
			return -EFBIG;
		room = room < most / 2 ? room * 2 : most;
	}
}

int file_read(const char *path, size_t most, struct file_bytes *ret_bytes)
{
	struct file_bytes bytes = { 0 };
	FILE *file = stdin;
	bool is_stdin = strcmp(path, "-") == 0;
	int rc = is_stdin ? 0 : open_as(path, "re", &file);
	if (rc < 0)
		return rc;
	rc = read_rest(file, most, &bytes);
	if (!is_stdin)
		fclose(file); /* nothing was written: there is nothing that it could lose */
	if (rc == 0)
		*ret_bytes = bytes;
	else
		free(bytes.at);
	return rc;
}
