/* SPDX-License-Identifier: MIT */
#include "net/proctitle.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the kernel reads our command line: the strings of argv, followed by those of environ. */
static struct {
	char *start;
	size_t size; /* size of both */
	/* size of argv alone: what the kernel shows, unless the title is longer */
	size_t argv_size;
} title;

/* The strings of argv and environ are contiguous (execve(2)). Returns the end of these strings. */
static char *end_of_strings(char **strings, char *end)
{
	for (; *strings != NULL; strings++) {
		if (*strings == end)
			end += strlen(end) + 1;
	}
	return end;
}

void proctitle_prepare(int argc, char **argv)
{
	if (argc < 1)
		return;
	size_t n = 0, size = 0;
	for (; environ[n] != NULL; n++)
		size += strlen(environ[n]) + 1;
	char **moved = calloc(1, (n + 1) * sizeof(*moved) + size);
	if (moved == NULL)
		return;
	char *at = (char *)(moved + n + 1);
	for (size_t i = 0; i < n; i++) {
		moved[i] = at;
		at = stpcpy(at, environ[i]) + 1;
	}
	moved[n] = NULL;

	char *end = end_of_strings(argv, argv[0]);
	title.start = argv[0];
	title.argv_size = (size_t)(end - argv[0]);
	title.size = (size_t)(end_of_strings(environ, end) - argv[0]);
	environ = moved;
}

void proctitle_set(const char *text)
{
	if (title.size == 0)
		return;
	size_t n = 0;
	while (n < title.size - 1 && text[n] != '\0') {
		title.start[n] = text[n];
		n++;
	}
	title.start[n] = '\0';
	/*
	 * If the last byte of argv is not NUL, the kernel knows that a title replaced the
	 * arguments. The title then ends at its first NUL (setproctitle, get_mm_cmdline() in the
	 * kernel).
	 */
	if (n < title.argv_size - 1)
		title.start[title.argv_size - 1] = '.';
}

const void *proctitle_memory(void)
{
	return title.start;
}
