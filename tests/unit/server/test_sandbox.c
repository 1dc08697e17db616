/* SPDX-License-Identifier: MIT */
/*
 * The sandbox of a server and its children: every system call is tried, each in a separate child.
 */
#include "server/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/engine.h"
#include "unit.h"

/* Higher than any system call number of any kernel. */
#define CALLS_END 600

/* Exit status of a child whose call passed the filter, whatever the call returned. */
#define LET_THROUGH 42

/* All calls that a session may make. */
static const long session_calls[] = {
#ifdef __NR_poll
	__NR_poll,
#else
	__NR_ppoll,
#endif
	__NR_recvfrom,      __NR_sendto,          __NR_shutdown,
	__NR_clock_gettime, __NR_restart_syscall, __NR_exit_group,
};

/* Some calls that no serving process needs. */
static const long never_calls[] = {
	__NR_execve,
	__NR_execveat,
	__NR_ptrace,
	__NR_process_vm_readv,
	__NR_process_vm_writev,
	__NR_openat,
	__NR_connect,
	__NR_bind,
	__NR_mount,
	__NR_unshare,
	__NR_setns,
	__NR_bpf,
	__NR_keyctl,
	__NR_perf_event_open,
	__NR_init_module,
	__NR_setuid,
	__NR_memfd_create,
	__NR_prctl,
	__NR_chroot,
	__NR_fchmodat,
	__NR_linkat,
};

static bool is_of_session(long call)
{
	for (size_t i = 0; i < ARRAY_LEN(session_calls); i++) {
		if (session_calls[i] == call)
			return true;
	}
	return false;
}

/*
 * The kernel inserts the calls uretprobe and uprobe into a program that it probes, so every filter
 * lets them pass (x86-64). They do nothing without a probe.
 */
static bool is_of_probes(long call)
{
#ifdef __x86_64__
	return call == 335 || call == 336;
#else
	(void)call;
	return false;
#endif
}

/* Returns how a sandboxed child ends that makes a call; only these two arguments are meaningful. */
static int end_of_call_with(const struct sandbox *sandbox, long call, long second, long third)
{
	pid_t pid = fork();
	UNIT_CHILD_MUST(pid >= 0);
	if (pid == 0) {
		if (sandbox_enter_child(sandbox) < 0)
			_exit(1);
		syscall(call, -1L, second, third, -1L, -1L, -1L);
		_exit(LET_THROUGH);
	}
	int status;
	UNIT_CHILD_MUST(waitpid(pid, &status, 0) == pid);
	return status;
}

static int end_of_call(const struct sandbox *sandbox, long call, long argument)
{
	return end_of_call_with(sandbox, call, argument, -1);
}

static bool is_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static const struct sandbox_needs no_needs = { .has_workers = false };

static void enter(struct sandbox *sandbox)
{
	const struct listeners none = { .n = 0 };
	UNIT_CHILD_MUST(sandbox_enter(sandbox, &none, &no_needs) == 0);
}

static void enter_with(const void *argument)
{
	const struct engine *engine = argument;
	const struct listeners none = { .n = 0 };
	struct sandbox sandbox;
	UNIT_CHILD_MUST(sandbox_enter(&sandbox, &none, &engine->sandbox) == 0);
}

static void try_every_call(const void *argument)
{
	(void)argument;
	struct sandbox sandbox;
	enter(&sandbox);
	for (long call = 0; call < CALLS_END; call++) {
		if (is_of_probes(call))
			continue;
		int status = end_of_call(&sandbox, call, -1);
		UNIT_CHILD_MUST(is_killed(status) == !is_of_session(call));
	}
}

TEST(a_child_has_the_calls_of_a_session_and_every_other_kills_it)
{
	unit_in_child(try_every_call, NULL);
}

static void try_requests(const void *argument)
{
	(void)argument;
	struct sandbox sandbox;
	enter(&sandbox);
	UNIT_CHILD_MUST(!is_killed(end_of_call(&sandbox, __NR_ioctl, SIOCOUTQ)));
	UNIT_CHILD_MUST(is_killed(end_of_call(&sandbox, __NR_ioctl, TIOCSTI)));
	UNIT_CHILD_MUST(is_killed(end_of_call(&sandbox, __NR_ioctl, FIONREAD)));
	UNIT_CHILD_MUST(is_killed(end_of_call(&sandbox, __NR_ioctl, SIOCGIFNAME)));
}

TEST(a_child_can_ask_its_socket_for_the_queue_but_type_nothing_into_a_terminal)
{
	unit_in_child(try_requests, NULL);
}

static bool option_kills(const struct sandbox *sandbox, int level, int name)
{
	return is_killed(end_of_call_with(sandbox, __NR_getsockopt, level, name));
}

static void try_options(const void *argument)
{
	(void)argument;
	struct sandbox sandbox;
	enter(&sandbox);
	UNIT_CHILD_MUST(!option_kills(&sandbox, SOL_SOCKET, SO_ERROR));
	/* The server's filter allows this one, the child's does not. */
	UNIT_CHILD_MUST(option_kills(&sandbox, SOL_SOCKET, SO_PEERCRED));
	/* The number of SO_ERROR at another level is another option. */
	UNIT_CHILD_MUST(option_kills(&sandbox, IPPROTO_TCP, SO_ERROR));
}

TEST(a_child_can_ask_its_socket_for_an_error_and_for_no_other_option)
{
	unit_in_child(try_options, NULL);
}

static void try_calls_of_server(const void *argument)
{
	(void)argument;
	struct sandbox sandbox;
	enter(&sandbox);
	for (size_t i = 0; i < ARRAY_LEN(never_calls); i++) {
		errno = 0;
		UNIT_CHILD_MUST(syscall(never_calls[i], -1L, -1L, -1L, -1L, -1L, -1L) < 0 &&
				errno == ENOSYS);
	}
}

TEST(the_server_itself_lacks_what_it_has_no_use_for)
{
	unit_in_child(try_calls_of_server, NULL);
}

/* epoll_create1() is a call that only a server with workers makes, to open them. */
static void try_calls_of_workers(const void *argument)
{
	(void)argument;
	static const struct sandbox_needs needs = { .has_workers = true };
	const struct listeners none = { .n = 0 };
	struct sandbox sandbox;
	UNIT_CHILD_MUST(sandbox_enter(&sandbox, &none, &needs) == 0);
	UNIT_CHILD_MUST(syscall(__NR_epoll_create1, -1) < 0 && errno == EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(never_calls); i++)
		UNIT_CHILD_MUST(syscall(never_calls[i], -1L, -1L, -1L, -1L, -1L, -1L) < 0 &&
				errno == ENOSYS);
	/* A child of that server may not make it, and neither may a serving worker. */
	UNIT_CHILD_MUST(is_killed(end_of_call(&sandbox, __NR_epoll_create1, -1)));
	UNIT_CHILD_MUST(sandbox_enter_worker(&sandbox) == 0);
	UNIT_CHILD_MUST(syscall(__NR_epoll_create1, -1) < 0 && errno == ENOSYS);
}

static void try_calls_without_workers(const void *argument)
{
	(void)argument;
	const struct listeners none = { .n = 0 };
	struct sandbox sandbox;
	UNIT_CHILD_MUST(sandbox_enter(&sandbox, &none, &no_needs) == 0);
	UNIT_CHILD_MUST(syscall(__NR_epoll_create1, -1) < 0 && errno == ENOSYS);
}

TEST(what_an_engine_needs_the_server_has_and_a_child_has_not)
{
	unit_in_child(try_calls_of_workers, NULL);
	unit_in_child(try_calls_without_workers, NULL);
}

TEST(there_is_room_for_the_calls_of_every_engine)
{
	for (const struct engine *const *at = engines; *at != NULL; at++)
		unit_in_child(enter_with, *at);
}

static void remove_path(const void *argument)
{
	const struct listeners *listeners = argument;
	struct sandbox sandbox;
	UNIT_CHILD_MUST(sandbox_enter(&sandbox, listeners, &no_needs) == 0);
	struct listeners copy = *listeners;
	listeners_close(&copy);
	if (sandbox_is_built_in() && seccomp_is_known_here()) /* Landlock would return EACCES */
		UNIT_CHILD_MUST(rmdir("/") < 0 && errno == ENOSYS &&
				unlinkat(AT_FDCWD, "/", AT_REMOVEDIR) < 0 && errno == ENOSYS);
}

static void sandboxed_server_removes(const char *path)
{
	struct listeners listeners = { .n = 0 };
	struct addr_spec spec = { .kind = ADDR_UNIX };
	memcpy(spec.host, path, strlen(path) + 1);
	struct listen_addresses addresses = { .n = 0 };
	assert_int_equal(listeners_look_up(&addresses, &spec), 0);
	assert_int_equal(listeners_add(&listeners, &addresses, 0), 0);
	assert_int_equal(access(path, F_OK), 0);
	unit_in_child(remove_path, &listeners);
	assert_true(access(path, F_OK) < 0);
	listeners_close(&listeners);
}

TEST(a_sandboxed_server_still_removes_its_paths)
{
	struct unit_directory directory = unit_directory_make();
	struct addr_text path;
	snprintf(path.text, sizeof(path.text), "%s/echo", directory.path);
	sandboxed_server_removes(path.text);
	assert_int_equal(chdir(directory.path), 0);
	sandboxed_server_removes("echo");
	assert_int_equal(chdir("/"), 0);
	unit_directory_remove(&directory);
}

TEST(filters_are_installed_for_at_most_n_children_a_second)
{
	struct sandbox sandbox = { 0 };
	uint64_t now_ns = 5 * CLOCK_NS_PER_S;
	for (int second = 0; second < 3; second++) {
		for (int i = 0; i < SANDBOX_FILTERS_PER_SECOND; i++)
			assert_true(sandbox_acquire_filter(&sandbox, now_ns + (uint64_t)i));
		assert_false(sandbox_acquire_filter(&sandbox, now_ns + CLOCK_NS_PER_S / 2));
		assert_false(sandbox_acquire_filter(&sandbox, now_ns + CLOCK_NS_PER_S - 1));
		for (int i = 0; i < SANDBOX_FILTERS_PER_SECOND; i++)
			sandbox_release_filter(&sandbox);
		now_ns += CLOCK_NS_PER_S;
	}
}

TEST(at_most_n_children_install_a_filter_at_a_time)
{
	struct sandbox sandbox = { 0 };
	uint64_t now_ns = 0;
	for (int i = 0; i < SANDBOX_FILTERS_MAX; i++) {
		now_ns += CLOCK_NS_PER_S;
		assert_true(sandbox_acquire_filter(&sandbox, now_ns));
	}
	assert_false(sandbox_acquire_filter(&sandbox, now_ns + CLOCK_NS_PER_S));
	sandbox_release_filter(&sandbox);
	assert_true(sandbox_acquire_filter(&sandbox, now_ns + CLOCK_NS_PER_S));
}

#define EVERYWHERE                                                               \
	cmocka_unit_test(filters_are_installed_for_at_most_n_children_a_second), \
		cmocka_unit_test(at_most_n_children_install_a_filter_at_a_time), \
		cmocka_unit_test(a_sandboxed_server_still_removes_its_paths)

int main(void)
{
	const struct CMUnitTest everywhere[] = { EVERYWHERE };
	const struct CMUnitTest sandboxed[] = {
		EVERYWHERE,
		cmocka_unit_test(a_child_has_the_calls_of_a_session_and_every_other_kills_it),
		cmocka_unit_test(
			a_child_can_ask_its_socket_for_the_queue_but_type_nothing_into_a_terminal),
		cmocka_unit_test(a_child_can_ask_its_socket_for_an_error_and_for_no_other_option),
		cmocka_unit_test(the_server_itself_lacks_what_it_has_no_use_for),
		cmocka_unit_test(what_an_engine_needs_the_server_has_and_a_child_has_not),
		cmocka_unit_test(there_is_room_for_the_calls_of_every_engine),
	};
	/* With a sanitizer the sandbox is not built in. */
	return sandbox_is_built_in() && seccomp_is_known_here()
		       ? cmocka_run_group_tests(sandboxed, NULL, NULL)
		       : cmocka_run_group_tests(everywhere, NULL, NULL);
}
