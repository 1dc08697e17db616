/* SPDX-License-Identifier: MIT */
/*
 * What Landlock still allows a process, in a child each time. Tests of rights that this kernel does
 * not have are skipped.
 */
#include "net/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/privileges.h"
#include "unit.h"

/* The first versions that can restrict TCP, and signals and abstract unix sockets. */
#define VERSION_OF_TCP    4
#define VERSION_OF_SCOPES 6

static long version(void)
{
	return syscall(__NR_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static void restrict_to(const char *directory)
{
	const char *const directories[] = { directory, "/no/such/directory" };
	UNIT_CHILD_MUST(privileges_set_no_new() == 0);
	UNIT_CHILD_MUST(landlock_restrict(directories, ARRAY_LEN(directories)) == 0);
}

/* ---- files ---- */

/* In the directory `own`, a file that may be removed; in `other` one that may not. */
struct files {
	struct unit_directory own, other;
	char removable[96], kept[96], moved[96];
};

static void make_file(char *name, size_t size, const struct unit_directory *directory)
{
	snprintf(name, size, "%s/file", directory->path);
	int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void try_files(const void *argument)
{
	const struct files *files = argument;
	char name[] = "true";
	char *const words[] = { name, NULL };
	int open_before = open(files->kept, O_RDWR | O_CLOEXEC);
	restrict_to(files->own.path);

	UNIT_CHILD_MUST(open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
	UNIT_CHILD_MUST(open(files->removable, O_WRONLY | O_CLOEXEC) < 0 && errno == EACCES);
	UNIT_CHILD_MUST(open(files->own.path, O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
	UNIT_CHILD_MUST(mkdir(files->moved, 0700) < 0 && errno == EACCES);
	UNIT_CHILD_MUST(rename(files->removable, files->moved) < 0 && errno == EACCES);
	UNIT_CHILD_MUST(truncate(files->kept, 0) < 0 && errno == EACCES);
	UNIT_CHILD_MUST(execv("/bin/true", words) < 0 && errno == EACCES);
	UNIT_CHILD_MUST(unlink(files->kept) < 0 && errno == EACCES);
	UNIT_CHILD_MUST(unlink(files->removable) == 0);
	UNIT_CHILD_MUST(write(open_before, "x", 1) == 1);
}

TEST(of_the_files_only_removing_in_named_directories_is_left)
{
	if (version() < 3)
		unit_skip("this kernel has no Landlock, or one that does not know truncate(2)");
	struct files files = { .own = unit_directory_make(), .other = unit_directory_make() };
	make_file(files.removable, sizeof(files.removable), &files.own);
	make_file(files.kept, sizeof(files.kept), &files.other);
	snprintf(files.moved, sizeof(files.moved), "%s/moved", files.own.path);
	unit_in_child(try_files, &files);
	unit_directory_remove(&files.own);
	unit_directory_remove(&files.other);
}

/* ---- TCP ---- */

static void try_tcp(const void *argument)
{
	const struct sockaddr_in *address = argument;
	struct sockaddr_in any = unit_loopback(0);
	int connecting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int binding = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	restrict_to("/");
	UNIT_CHILD_MUST(connect(connecting, (const void *)address, sizeof(*address)) < 0 &&
			errno == EACCES);
	UNIT_CHILD_MUST(bind(binding, (const void *)&any, sizeof(any)) < 0 && errno == EACCES);
}

static void accept_one(const void *argument)
{
	int fd = *(const int *)argument;
	restrict_to("/");
	int connected = accept(fd, NULL, NULL);
	UNIT_CHILD_MUST(connected >= 0 && write(connected, "x", 1) == 1);
}

TEST(no_tcp_socket_is_bound_or_connected_but_one_that_listens_accepts)
{
	if (version() < VERSION_OF_TCP)
		unit_skip("this kernel's Landlock does not know TCP");
	struct sockaddr_in address;
	int listening = unit_listen(1, &address);
	unit_in_child(try_tcp, &address);
	int client = unit_connect(&address);
	unit_in_child(accept_one, &listening);
	close(client);
	close(listening);
}

/* ---- strangers ---- */

static void try_strangers(const void *argument)
{
	const struct sockaddr_un *abstract = argument;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	restrict_to("/");
	UNIT_CHILD_MUST(kill(getppid(), 0) < 0 && errno == EPERM);
	UNIT_CHILD_MUST(connect(fd, (const void *)abstract, sizeof(*abstract)) < 0 &&
			errno == EPERM);

	pid_t child = fork();
	UNIT_CHILD_MUST(child >= 0);
	if (child == 0)
		_exit(kill(getppid(), 0) == 0 ? 0 : 1);
	int status;
	UNIT_CHILD_MUST(kill(child, 0) == 0);
	UNIT_CHILD_MUST(waitpid(child, &status, 0) == child && status == 0);
}

TEST(other_processes_cannot_be_signalled_nor_reached_by_abstract_sockets)
{
	if (version() < VERSION_OF_SCOPES)
		unit_skip("this kernel's Landlock does not know scopes");
	struct sockaddr_un abstract = { .sun_family = AF_UNIX };
	snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "tcpecho-%d", (int)getpid());
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const void *)&abstract, sizeof(abstract)), 0);
	assert_int_equal(listen(fd, 1), 0);
	unit_in_child(try_strangers, &abstract);
	close(fd);
}

/* ---- failing ---- */

static void restrict_without_forgoing(const void *argument)
{
	(void)argument;
	UNIT_CHILD_MUST(privileges_drop_capabilities() == 0);
	size_t before = unit_open_descriptors();
	UNIT_CHILD_MUST(landlock_restrict(NULL, 0) == -EPERM);
	UNIT_CHILD_MUST(unit_open_descriptors() == before);
}

TEST(what_fails_is_an_error_and_leaves_nothing_open)
{
	if (version() < 0)
		unit_skip("this kernel has no Landlock");
	unit_in_child(restrict_without_forgoing, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_the_files_only_removing_in_named_directories_is_left),
		cmocka_unit_test(no_tcp_socket_is_bound_or_connected_but_one_that_listens_accepts),
		cmocka_unit_test(
			other_processes_cannot_be_signalled_nor_reached_by_abstract_sockets),
		cmocka_unit_test(what_fails_is_an_error_and_leaves_nothing_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
