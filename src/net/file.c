/* SPDX-License-Identifier: MIT */
#include "net/file.h"

#include <errno.h>

int file_create(const char *path, FILE **ret_file)
{
	FILE *file = fopen(path, "we");
	if (file == NULL)
		return -errno;
	*ret_file = file;
	return 0;
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
