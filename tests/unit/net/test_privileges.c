/* SPDX-License-Identifier: MIT */
/*
 * Privileges, given up in a child: there is no way back.
 */
#include "net/privileges.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "unit.h"

/* The value of a line of /proc/self/status, as a number in hexadecimal. */
static unsigned long long status_of(const char *name)
{
	char line[256];
	unsigned long long value = ~0ULL;
	FILE *file = fopen("/proc/self/status", "re");
	UNIT_CHILD_MUST(file != NULL);
	size_t n = strlen(name);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			UNIT_CHILD_MUST(sscanf(line + n + 1, "%llx", &value) == 1);
	}
	fclose(file);
	return value;
}

static void forgo(const void *argument)
{
	(void)argument;
	UNIT_CHILD_MUST(privileges_forgo_new() == 0);
	UNIT_CHILD_MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	UNIT_CHILD_MUST(privileges_forgo_new() == 0);
}

TEST(new_privileges_are_forgone_once_and_for_all)
{
	unit_in_child(forgo, NULL);
}

static void drop(const void *argument)
{
	(void)argument;
	UNIT_CHILD_MUST(privileges_drop_capabilities() == 0);
	UNIT_CHILD_MUST(status_of("CapEff") == 0 && status_of("CapPrm") == 0);
	UNIT_CHILD_MUST(status_of("CapInh") == 0 && status_of("CapAmb") == 0);
	if (geteuid() == 0)
		UNIT_CHILD_MUST(setuid(1) < 0 && errno == EPERM);
	UNIT_CHILD_MUST(privileges_drop_capabilities() == 0);
}

TEST(no_capability_is_left_even_to_root)
{
	unit_in_child(drop, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_privileges_are_forgone_once_and_for_all),
		cmocka_unit_test(no_capability_is_left_even_to_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
