/* SPDX-License-Identifier: MIT */
/*
 * What a service manager passes in the environment; each test runs in a child, because it changes
 * the environment.
 */
#include "net/systemd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "unit.h"

/* ---- sockets ---- */

struct said {
	const char *pid; /* "own": the child's own; NULL: not set */
	const char *fds;
	int wanted;
};

static void set(const char *name, const char *value)
{
	UNIT_CHILD_MUST((value != NULL ? setenv(name, value, 1) : unsetenv(name)) == 0);
}

static void take(const void *argument)
{
	const struct said *said = argument;
	char own[16];
	snprintf(own, sizeof(own), "%d", (int)getpid());
	set("LISTEN_PID", said->pid != NULL && strcmp(said->pid, "own") == 0 ? own : said->pid);
	set("LISTEN_FDS", said->fds);
	set("LISTEN_FDNAMES", "echo");
	UNIT_CHILD_MUST(systemd_take_sockets() == said->wanted);
	UNIT_CHILD_MUST(getenv("LISTEN_PID") == NULL && getenv("LISTEN_FDS") == NULL &&
			getenv("LISTEN_FDNAMES") == NULL);
	UNIT_CHILD_MUST(systemd_take_sockets() == 0);
}

TEST(passed_sockets_are_taken_once_by_the_process_they_are_meant_for)
{
	static const struct said rows[] = {
		{ "own", "1", 1 },
		{ "own", "64", 64 },
		{ "own", "0", 0 },
		{ "own", NULL, 0 },
		{ NULL, "1", 0 },
		{ "1", "1", 0 },
		{ "", "1", 0 },
		{ "many", "1", 0 },
		{ NULL, NULL, 0 },
		{ "own", "", ERR_NOT_A_NUMBER },
		{ "own", "many", ERR_NOT_A_NUMBER },
		{ "own", "-1", ERR_NOT_A_NUMBER },
		{ "own", "2147483645", ERR_OUT_OF_RANGE },
		{ "own", "2147483644", INT_MAX - SYSTEMD_FIRST_FD },
		{ "1", "many", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		unit_in_child(take, &rows[i]);
}

/* ---- notifications ---- */

static int listen_for_news(const struct sockaddr_un *address, size_t name_size)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	UNIT_CHILD_MUST(fd >= 0);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name_size);
	UNIT_CHILD_MUST(bind(fd, (const void *)address, size) == 0);
	return fd;
}

static void tell(const void *argument)
{
	const char *name = argument;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t n = strlen(name);
	memcpy(address.sun_path, name, n);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	int fd = listen_for_news(&address, n);
	set("NOTIFY_SOCKET", name);

	struct systemd_notify notify = { 0 };
	char wakeup[32] = { 0 };
	UNIT_CHILD_MUST(systemd_open_notify(&notify) == 0);
	UNIT_CHILD_MUST(notify.is_open && unit_is_cloexec(notify.fd));
	UNIT_CHILD_MUST(getenv("NOTIFY_SOCKET") == NULL);
	systemd_send_state(&notify, "READY=1");
	UNIT_CHILD_MUST(read(fd, wakeup, sizeof(wakeup)) == 7 && strcmp(wakeup, "READY=1") == 0);
	systemd_close_notify(&notify);
	UNIT_CHILD_MUST(!notify.is_open);
	systemd_send_state(&notify, "STOPPING=1");
	UNIT_CHILD_MUST(read(fd, wakeup, sizeof(wakeup)) < 0);
}

TEST(a_manager_with_a_path_or_an_abstract_name_gets_the_message)
{
	struct unit_directory directory = unit_directory_make();
	char path[96], abstract[64];
	snprintf(path, sizeof(path), "%s/notify", directory.path);
	snprintf(abstract, sizeof(abstract), "@tcpecho-notify-%d", (int)getpid());
	unit_in_child(tell, path);
	unit_in_child(tell, abstract);
	unit_directory_remove(&directory);
}

static void notify_without_manager(const void *argument)
{
	(void)argument;
	struct systemd_notify notify = { 0 };
	set("NOTIFY_SOCKET", NULL);
	UNIT_CHILD_MUST(systemd_open_notify(&notify) == 0 && !notify.is_open);
	systemd_send_state(&notify, "READY=1");
	systemd_close_notify(&notify);
	UNIT_CHILD_MUST(unit_is_open(0));
}

TEST(without_a_manager_no_message_is_sent)
{
	unit_in_child(notify_without_manager, NULL);
}

struct unreachable {
	const char *name;
	int wanted;
};

static void fail_to_reach(const void *argument)
{
	const struct unreachable *row = argument;
	struct systemd_notify notify = { 0 };
	size_t before = unit_open_descriptors();
	set("NOTIFY_SOCKET", row->name);
	UNIT_CHILD_MUST(systemd_open_notify(&notify) == row->wanted);
	UNIT_CHILD_MUST(!notify.is_open && getenv("NOTIFY_SOCKET") == NULL);
	UNIT_CHILD_MUST(unit_open_descriptors() == before);
}

TEST(a_manager_out_of_reach_is_an_error_and_leaves_nothing_open)
{
	static const char long_path[] =
		"/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
		"0123456789/0123456789/0123456789";
	static const struct unreachable rows[] = {
		{ "/no/such/directory", -ENOENT }, { "/dev/null", -ECONNREFUSED },
		{ "vsock:2:1", -EAFNOSUPPORT },    { "", -EAFNOSUPPORT },
		{ long_path, ERR_PATH_TOO_LONG },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		unit_in_child(fail_to_reach, &rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passed_sockets_are_taken_once_by_the_process_they_are_meant_for),
		cmocka_unit_test(a_manager_with_a_path_or_an_abstract_name_gets_the_message),
		cmocka_unit_test(without_a_manager_no_message_is_sent),
		cmocka_unit_test(a_manager_out_of_reach_is_an_error_and_leaves_nothing_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
