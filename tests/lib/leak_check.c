/* SPDX-License-Identifier: MIT */
/*
 * Linked into builds with AddressSanitizer. Its leak check traces the process from a separate
 * thread. The check would end the program with its own exit status if another tracer is attached
 * (strace), if a seccomp filter of a test forbids that thread, or without /proc.
 */
#include <sanitizer/lsan_interface.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns whether the number in this line of /proc/self/status is not 0. */
static bool is_set(const char *line, const char *name)
{
	size_t n = strlen(name);
	return strncmp(line, name, n) == 0 && strtol(line + n, NULL, 10) != 0;
}

int __lsan_is_turned_off(void)
{
	char line[256];
	FILE *status = fopen("/proc/self/status", "re");
	bool found = status == NULL; /* without /proc the leak check cannot search memory */
	while (status != NULL && !found && fgets(line, sizeof(line), status) != NULL)
		found = is_set(line, "TracerPid:") || is_set(line, "Seccomp:");
	if (status != NULL)
		fclose(status);
	return found;
}
