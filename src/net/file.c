/* SPDX-License-Identifier: MIT */
#include "net/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/units.h"
#include "net/io.h"

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

/* ---- paths that name descriptors ---- */

#define LINKS_MAX 8

/* Returns the descriptor that a path names, or -1. Symbolic links to such a path are followed. */
static int descriptor_of(const char *path)
{
	static const char *const folders[] = { "/dev/fd/", "/proc/self/fd/" };
	char target[PATH_MAX];
	uint64_t number;
	for (int i = 0; i < LINKS_MAX; i++) {
		if (strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0)
			return STDOUT_FILENO;
		if (strcmp(path, "/dev/stderr") == 0)
			return STDERR_FILENO;
		for (size_t j = 0; j < ARRAY_LEN(folders); j++) {
			size_t n = strlen(folders[j]);
			if (strncmp(path, folders[j], n) == 0 &&
			    units_parse_count(path + n, &number) == 0 && number <= INT_MAX)
				return (int)number;
		}
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			return -1;
		target[n] = '\0';
		path = target;
	}
	return -1;
}

/* ---- drafts ---- */

/* Checks that a file may be created there. Returns 0 or -errno. */
MUST_USE static int check_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash != NULL ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	if (directory == NULL)
		return -ENOMEM;
	int rc = faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
	free(directory);
	return rc;
}

static bool is_link(const char *path)
{
	struct stat info;
	return lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
}

/* Opens an existing file for writing, unchanged. Returns the descriptor or -errno. */
MUST_USE static int open_existing(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/*
 * Checks that the path can be written. Anything except a regular file stays open as *ret_fd.
 * Otherwise *ret_fd stays or becomes -1. Returns 0 or -errno.
 */
MUST_USE static int open_target(const char *path, int *ret_fd)
{
	struct stat info;
	int descriptor = descriptor_of(path);
	if (descriptor >= 0) {
		int fd = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
		*ret_fd = fd;
		if (fd < 0)
			return -errno;
		return io_check_writable(fd) < 0 ? -EBADF : 0; /* the same error as write(2) */
	}
	int fd = open_existing(path);
	if (fd == -ENOENT)
		return is_link(path) ? 0 : check_directory(path);
	if (fd < 0)
		return fd;
	if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
		io_close(&fd); /* reopened later: another file may be there by then */
	*ret_fd = fd;
	return 0;
}

static void forget(struct file_draft *draft)
{
	io_close(&draft->fd);
	free(draft->bytes);
	free(draft->path);
	*draft = (struct file_draft){ .fd = -1 };
}

int file_draft(const char *path, struct file_draft *ret_draft)
{
	struct file_draft draft = { .path = strdup(path), .fd = -1 };
	int rc = draft.path != NULL ? open_target(path, &draft.fd) : -ENOMEM;
	if (rc < 0) {
		forget(&draft);
		return rc;
	}
	*ret_draft = draft; /* before open_memstream(), which keeps pointers into it */
	ret_draft->file = open_memstream(&ret_draft->bytes, &ret_draft->n);
	if (ret_draft->file != NULL)
		return 0;
	forget(ret_draft);
	return -ENOMEM;
}

bool file_is_same(const char *read, const char *written)
{
	struct stat a, b;
	int descriptor = descriptor_of(written);
	int rc = strcmp(read, "-") == 0 ? fstat(STDIN_FILENO, &a) : stat(read, &a);
	if (rc == 0)
		rc = descriptor >= 0 ? fstat(descriptor, &b) : stat(written, &b);
	return rc == 0 && !S_ISCHR(a.st_mode) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* ---- replacing a file ---- */

/* Writes everything to a regular file. Returns 0 or -errno. */
MUST_USE static int file_write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = io_write(fd, bytes, size);
		if (n < 0)
			return (int)n;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

/*
 * Returns whether a new file can take the place of this one without a visible difference. Not if
 * the path is a symbolic link, the file has several hard links, or an access control list (acl(5)).
 */
static bool is_replaceable(const char *path, int fd, const struct stat *info)
{
	return !is_link(path) && info->st_nlink == 1 &&
	       fgetxattr(fd, "system.posix_acl_access", NULL, 0) < 0;
}

/* Sets owner, group and mode of the old file, or those of a new file. Returns 0 or -errno. */
MUST_USE static int set_attributes(int fd, const struct stat *old)
{
	struct stat info;
	if (old == NULL) {
		mode_t mask = umask(0); /* umask(2) can be read only by setting it */
		umask(mask);
		return fchmod(fd, 0666 & ~mask) < 0 ? -errno : 0;
	}
	if (fstat(fd, &info) < 0)
		return -errno;
	bool is_ours = info.st_uid == old->st_uid && info.st_gid == old->st_gid;
	if (!is_ours && fchown(fd, old->st_uid, old->st_gid) < 0)
		return -errno;
	return fchmod(fd, old->st_mode & 07777) < 0 ? -errno : 0;
}

/* Returns whether replacing failed for a reason that does not prevent overwriting. */
static bool is_for_overwriting(int code)
{
	return code == -EBUSY || code == -EACCES || code == -EPERM || code == -EROFS ||
	       code == -EXDEV || code == -ENAMETOOLONG;
}

/* Writes a file beside the old one and renames it; `old` is NULL if no file exists. */
MUST_USE static int replace(const struct file_draft *draft, const struct stat *old)
{
	char *name;
	if (asprintf(&name, "%s.XXXXXX", draft->path) < 0)
		return -ENOMEM;
	int fd = mkostemp(name, O_CLOEXEC);
	int rc = fd < 0 ? -errno : file_write_all(fd, draft->bytes, draft->n);
	/* Only now: a write clears the set-user-ID and set-group-ID bits, unless root writes. */
	if (rc == 0)
		rc = set_attributes(fd, old);
	if (fd >= 0 && close(fd) < 0 && rc == 0)
		rc = -errno; /* on a network disk, "disk full" may appear only here */
	if (rc == 0 && rename(name, draft->path) < 0)
		rc = -errno;
	if (fd >= 0 && rc < 0)
		ignore_result(unlink(name)); /* the first error is reported */
	free(name);
	return rc;
}

/* ---- overwriting a file ---- */

/* Reserves space for the growth, so that a full disk leaves the file unchanged. */
MUST_USE static int make_room(int fd, off_t old_size, off_t new_size)
{
	if (new_size <= old_size)
		return 0;
	int rc = fallocate(fd, 0, 0, new_size) < 0 ? -errno : 0;
	if (rc == -EOPNOTSUPP || rc == -ENOSYS)
		return 0;
	if (rc < 0)
		/* undo a partial growth */
		ignore_result(ftruncate(fd, old_size));
	return rc;
}

/* Takes fd. Restores the mode if we may set it. */
MUST_USE static int overwrite(const struct file_draft *draft, int fd, const struct stat *old)
{
	off_t size = (off_t)draft->n;
	int rc = make_room(fd, old->st_size, size);
	if (rc == 0)
		rc = file_write_all(fd, draft->bytes, draft->n);
	if (rc == 0 && ftruncate(fd, size) < 0)
		rc = -errno;
	ignore_result(fchmod(fd, old->st_mode & 07777));
	return close(fd) < 0 && rc == 0 ? -errno : rc;
}

/* ---- finishing a draft ---- */

/* Creates a file where none exists. */
MUST_USE static int create(const struct file_draft *draft)
{
	int rc = is_link(draft->path) ? -EXDEV : replace(draft, NULL);
	if (!is_for_overwriting(rc))
		return rc;
	int fd = open(draft->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
	struct stat info;
	if (fd < 0 || fstat(fd, &info) < 0)
		return -errno;
	return overwrite(draft, fd, &info);
}

MUST_USE static int write_file(const struct file_draft *draft)
{
	struct stat info;
	int fd = open_existing(draft->path);
	if (fd == -ENOENT)
		return create(draft);
	if (fd < 0)
		return fd;
	int rc = fstat(fd, &info) < 0 ? -errno : 0;
	if (rc == 0)
		rc = is_replaceable(draft->path, fd, &info) ? replace(draft, &info) : -EXDEV;
	if (is_for_overwriting(rc))
		return overwrite(draft, fd, &info);
	io_close(&fd);
	return rc;
}

/* Writes to a pipe, a terminal or an open descriptor, from its present position. */
MUST_USE static int write_stream(const struct file_draft *draft, struct writer_wait *wait)
{
	struct writer writer;
	writer_open(draft->fd, WRITER_ANY_FILE, &writer);
	int rc = writer_write_all(&writer, draft->bytes, draft->n, wait);
	int finished = writer_finish(&writer, wait);
	return rc < 0 ? rc : finished;
}

int file_keep(struct file_draft *draft, struct writer_wait *wait)
{
	int rc = file_close(draft->file);
	if (rc == 0)
		rc = draft->fd >= 0 ? write_stream(draft, wait) : write_file(draft);
	forget(draft);
	return rc;
}

void file_drop(struct file_draft *draft)
{
	ignore_result(file_close(draft->file)); /* in memory: no error possible */
	forget(draft);
}

/* ---- reading ---- */

#define READ_AT_FIRST ((size_t)64 * 1024)

/* Reads the rest of a file: up to `max_size` bytes in total, plus one to detect a longer file. */
MUST_USE static int read_rest(FILE *file, size_t max_size, struct file_bytes *bytes)
{
	size_t room = READ_AT_FIRST < max_size ? READ_AT_FIRST : max_size;
	for (;;) {
		char *at = realloc(bytes->at, room + 1);
		if (at == NULL)
			return -ENOMEM;
		bytes->at = at;
		errno = 0; /* fread(3) need not set errno */
		bytes->n += fread(at + bytes->n, 1, room + 1 - bytes->n, file);
		if (ferror(file))
			return errno != 0 ? -errno : -EIO;
		if (bytes->n <= room) {
			at[bytes->n] = '\0';
			return 0;
		}
		if (room == max_size)
			return -EFBIG;
		room = room < max_size / 2 ? room * 2 : max_size;
	}
}

int file_read(const char *path, size_t max_size, struct file_bytes *ret_bytes)
{
	struct file_bytes bytes = { 0 };
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "re");
	if (file == NULL)
		return -errno;
	int rc = read_rest(file, max_size, &bytes);
	if (!is_stdin)
		fclose(file); /* opened for reading: no data can be lost */
	if (rc == 0)
		*ret_bytes = bytes;
	else
		free(bytes.at);
	return rc;
}
