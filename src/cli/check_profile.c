/* SPDX-License-Identifier: MIT */
#include "cli/check_profile.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "net/file.h"

/* A profile has a line for each check. */
#define PROFILE_SIZE_MAX ((size_t)64 * 1024)

/* From the directory of the program. */
static const char *const directories[] = { "../share/tcpecho/profiles", "../profiles" };

/* Writes the path of directory i. Returns false if it is unknown. */
static bool profile_directory(size_t i, char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
	if (slash == NULL)
		return false;
	size_t room = PATH_MAX - (size_t)(slash + 1 - path);
	return (size_t)snprintf(slash + 1, room, "%s", directories[i]) < room;
}

/* Reads the profile of that name. Returns -ENOENT if no file has that name. */
MUST_USE static int read_own_profile(const char *name, struct file_bytes *ret_bytes)
{
	int rc = -ENOENT;
	for (size_t i = 0; i < ARRAY_LEN(directories) && rc == -ENOENT; i++) {
		char directory[PATH_MAX], path[PATH_MAX + 256];
		if (!profile_directory(i, directory))
			continue;
		int n = snprintf(path, sizeof(path), "%s/%s", directory, name);
		if ((size_t)n < sizeof(path))
			rc = file_read(path, PROFILE_SIZE_MAX, ret_bytes);
	}
	return rc;
}

/* Prints that the profile does not exist, and the names of those that do. */
static void log_no_profile(const char *word)
{
	char names[512] = "";
	size_t used = 0;
	for (size_t i = 0; i < ARRAY_LEN(directories) && used == 0; i++) {
		char path[PATH_MAX];
		struct dirent **entries = NULL;
		int n = profile_directory(i, path) ? scandir(path, &entries, NULL, alphasort) : 0;
		for (int k = 0; k < n; k++) {
			const char *name = entries[k]->d_name;
			if (name[0] != '.' && used + strlen(name) + 2 < sizeof(names))
				used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
							 used > 0 ? ", " : "", name);
			free(entries[k]);
		}
		free(entries);
	}
	log_error("--expect %.200s: neither a file nor a profile%s%s%s", word,
		  used > 0 ? " (profiles: " : "", names, used > 0 ? ")" : "");
}

enum exit_status check_profile_read(const char *word, struct profile *ret_profile)
{
	struct file_bytes bytes;
	struct reason reason;
	int rc = file_read(word, PROFILE_SIZE_MAX, &bytes);
	if (rc == -ENOENT && strchr(word, '/') == NULL)
		rc = read_own_profile(word, &bytes);
	if (rc == -ENOENT) {
		log_no_profile(word);
		return STATUS_USAGE;
	}
	if (rc < 0) {
		log_error("cannot read the profile %.200s: %s", word, err_text(rc).text);
		return STATUS_MACHINE;
	}
	rc = profile_parse(bytes.at, bytes.n, ret_profile, &reason);
	free(bytes.at);
	if (rc == 0)
		return STATUS_OK;
	log_error("--expect %.200s, %s", word, reason.text);
	return STATUS_USAGE;
}
