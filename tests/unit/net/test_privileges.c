/* SPDX-License-Identifier: MIT */
/* Privileges are given up in a child, because that cannot be undone. */
#include "net/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "unit.h"

/* Returns the hexadecimal number in a line of /proc/self/status. */
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
	UNIT_CHILD_MUST(privileges_set_no_new() == 0);
	UNIT_CHILD_MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	UNIT_CHILD_MUST(privileges_set_no_new() == 0);
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
	/*
	 * Only this thread: a sanitizer's thread has kept its capabilities, and setuid(3) covers
	 * all threads.
	 */
	if (geteuid() == 0)
		UNIT_CHILD_MUST(syscall(SYS_setuid, 1) < 0 && errno == EPERM);
	UNIT_CHILD_MUST(privileges_drop_capabilities() == 0);
}

TEST(no_capability_is_left_even_to_root)
{
	unit_in_child(drop, NULL);
}

/* ---- users ---- */

TEST(a_user_is_found_by_name_and_by_number)
{
	uid_t uid = 1;
	assert_int_equal(privileges_find_user("root", &uid), 0);
	assert_int_equal(uid, 0);
	uid = 1;
	assert_int_equal(privileges_find_user("0", &uid), 0);
	assert_int_equal(uid, 0);
}

TEST(a_user_is_looked_up_with_all_groups)
{
	struct privileges_user user;
	gid_t groups[1024];
	int n = ARRAY_LEN(groups);
	assert_int_equal(privileges_look_up(0, &user), 0);
	assert_int_equal(user.uid, 0);
	assert_int_equal(user.gid, 0);
	assert_string_equal(user.name, "root");
	assert_true(getgrouplist("root", 0, groups, &n) >= 1);
	assert_int_equal(user.n_groups, n);
	assert_memory_equal(user.groups, groups, (size_t)n * sizeof(*groups));
	privileges_free_user(&user);
}

TEST(a_number_without_an_entry_cannot_be_looked_up)
{
	struct privileges_user user;
	assert_int_equal(privileges_look_up(3999999999, &user), ERR_NO_SUCH_USER);
	assert_string_equal(user.name, "3999999999");
	privileges_free_user(&user);
}

TEST(a_name_without_an_entry_is_no_user)
{
	static const char *const texts[] = {
		"nobody-of-that-name", "",   "3999999999", "4294967295",
		"4294967296",          "-1", "root ",      "root:root"
	};
	uid_t uid = 1;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(privileges_find_user(texts[i], &uid), ERR_NO_SUCH_USER);
	assert_int_equal(uid, 1);
}

static void become_user_nobody(const void *argument)
{
	(void)argument;
	uid_t uid;
	struct privileges_user user;
	gid_t others[] = { 0, 4, 27 }, groups[32];
	UNIT_CHILD_MUST(setgroups(ARRAY_LEN(others), others) == 0);
	UNIT_CHILD_MUST(privileges_find_user("nobody", &uid) == 0);
	const struct passwd *entry = getpwuid(uid);
	gid_t gid = entry->pw_gid;
	UNIT_CHILD_MUST(privileges_look_up(uid, &user) == 0);
	UNIT_CHILD_MUST(privileges_become(&user) == 0);

	uid_t uids[3];
	gid_t gids[3];
	UNIT_CHILD_MUST(getresuid(&uids[0], &uids[1], &uids[2]) == 0);
	UNIT_CHILD_MUST(getresgid(&gids[0], &gids[1], &gids[2]) == 0);
	for (size_t i = 0; i < 3; i++)
		UNIT_CHILD_MUST(uids[i] == uid && gids[i] == gid);
	UNIT_CHILD_MUST(getgroups(ARRAY_LEN(groups), groups) == 1 && groups[0] == gid);
	UNIT_CHILD_MUST(status_of("CapEff") == 0 && status_of("CapPrm") == 0);
	UNIT_CHILD_MUST(setuid(0) < 0 && seteuid(0) < 0 && setgid(0) < 0);
	UNIT_CHILD_MUST(privileges_become(&user) == -EPERM);
}

TEST(after_a_change_of_user_no_other_identity_remains)
{
	if (geteuid() != 0)
		unit_skip("only root can become another user");
	unit_in_child(become_user_nobody, NULL);
}

static void become_root(const void *argument)
{
	(void)argument;
	struct privileges_user user;
	UNIT_CHILD_MUST(privileges_look_up(0, &user) == 0);
	UNIT_CHILD_MUST(privileges_become(&user) == 0);
	UNIT_CHILD_MUST(geteuid() == 0);
}

TEST(root_can_stay_root)
{
	if (geteuid() != 0)
		unit_skip("only root stays root");
	unit_in_child(become_root, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_privileges_are_forgone_once_and_for_all),
		cmocka_unit_test(no_capability_is_left_even_to_root),
		cmocka_unit_test(a_user_is_found_by_name_and_by_number),
		cmocka_unit_test(a_user_is_looked_up_with_all_groups),
		cmocka_unit_test(a_number_without_an_entry_cannot_be_looked_up),
		cmocka_unit_test(a_name_without_an_entry_is_no_user),
		cmocka_unit_test(after_a_change_of_user_no_other_identity_remains),
		cmocka_unit_test(root_can_stay_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
