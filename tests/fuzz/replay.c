/* SPDX-License-Identifier: MIT */
/*
 * Feeds files to a fuzz target: the main function of a target that is built without libFuzzer.
 *
 *   replay FILE|DIRECTORY...
 *
 * A directory stands for the files in it. The name of each file is printed before it is fed, so
 * that the last name is that of the failed one.
 */
#include <assert.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* More than any of our inputs. */
#define MOST_BYTES (1 << 20)

static uint8_t buffer[MOST_BYTES];

/* Memory of exactly this size, so that a sanitizer detects a read beyond it. */
static void feed(const uint8_t *bytes, size_t size)
{
	uint8_t *data = malloc(size);
	assert(data != NULL || size == 0);
	if (size > 0)
		memcpy(data, bytes, size);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

/* Returns whether it could be read. */
static bool replay_file(const char *path)
{
	FILE *file = fopen(path, "rbe");
	if (file == NULL) {
		perror(path);
		return false;
	}
	printf("# %s\n", path);
	fflush(stdout);
	size_t size = fread(buffer, 1, sizeof(buffer), file);
	bool whole = !ferror(file) && size < sizeof(buffer);
	fclose(file);
	if (whole)
		feed(buffer, size);
	return whole;
}

/* Returns how many files were fed, -1 if one could not be. */
static int replay_directory(DIR *directory, const char *path)
{
	int n = 0;
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
		char name[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (!replay_file(name))
			return -1;
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	int n_inputs = 0;
	feed(NULL, 0);
	for (int i = 1; i < argc; i++) {
		DIR *directory = opendir(argv[i]);
		int n = directory != NULL ? replay_directory(directory, argv[i])
					  : (replay_file(argv[i]) ? 1 : -1);
		if (directory != NULL)
			closedir(directory);
		if (n <= 0) {
			printf("not ok 1 - %s: nothing to replay\n1..1\n", argv[i]);
			return EXIT_FAILURE;
		}
		n_inputs += n;
	}
	printf("ok 1 - %d inputs break no promise\n1..1\n", n_inputs);
	return EXIT_SUCCESS;
}
