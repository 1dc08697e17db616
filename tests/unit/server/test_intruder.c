/* SPDX-License-Identifier: MIT */
/*
 * What an intruder could do with the remaining system calls of a server, a worker or a child
 * (src/server/sandbox.c). Each attempt has valid arguments. It succeeds in an ordinary process and
 * fails in every sandboxed process, whatever the engine.
 */
#include "server/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/engine.h"
#include "unit.h"

/* Targets and means of the attempts. All of it exists before the sandbox is entered. */
static struct {
	pid_t victim;               /* a process that is no child of the intruder */
	int listen_fd, other_fd;    /* two listening sockets */
	struct sockaddr_in address; /* of the other */
	int client_fd;              /* a connected socket */
	int file_fd;
	void *page;
	uint32_t *word;
} stage;

#define PAGE_SIZE ((size_t)4096)

/* ---- attempts: is it done? ---- */

/* Other processes. */

static bool limit_another(void)
{
	const struct rlimit limit = { 1, 1 };
	return prlimit(stage.victim, RLIMIT_CPU, &limit, NULL) == 0;
}

static bool read_limits_of_another(void)
{
	struct rlimit limit;
	return prlimit(stage.victim, RLIMIT_CPU, NULL, &limit) == 0;
}

static bool limit_itself(void)
{
	const struct rlimit limit = { 0, 0 };
	return setrlimit(RLIMIT_CORE, &limit) == 0;
}

/* The lower half of the pointer is zero, as in a null pointer. */
static bool limit_itself_by_a_high_pointer(void)
{
#ifdef __LP64__
	void *address = (void *)(UINT64_C(1) << 32);
	struct rlimit *limit = mmap(address, PAGE_SIZE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	return limit == address && syscall(__NR_prlimit64, 0, RLIMIT_CORE, limit, NULL) == 0;
#else
	return limit_itself();
#endif
}

/*
 * Signals. Landlock (Linux 6.12) refuses signals to processes outside the sandbox with EPERM; here
 * the seccomp filter must refuse them before.
 */
static bool passes_list(long rc)
{
	return rc == 0 || errno == EPERM;
}

static bool kill_a_group(void)
{
	return passes_list(kill(-stage.victim, SIGKILL));
}

static bool stop_another(void)
{
	return passes_list(kill(stage.victim, SIGSTOP));
}

static bool stop_a_thread_of_another(void)
{
	return passes_list(syscall(__NR_tgkill, stage.victim, stage.victim, SIGSTOP));
}

static bool see_where_another_runs(void)
{
	cpu_set_t set;
	return sched_getaffinity(stage.victim, sizeof(set), &set) == 0;
}

MUST_USE static bool put_on_list_with(unsigned int flags)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	const struct sock_fprog program = { 1, code };
	return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) >= 0;
}

/* Another process can answer the calls of a process that installs such a filter. */
static bool have_its_calls_watched(void)
{
	return put_on_list_with(SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

static bool ask_about_lists(void)
{
	unsigned short sizes[3]; /* struct seccomp_notif_sizes */
	return syscall(__NR_seccomp, 3 /* SECCOMP_GET_NOTIF_SIZES */, 0, sizes) == 0;
}

/* New processes of other kinds. */

static bool clone_with(unsigned long flags)
{
	int pidfd;
	long pid = syscall(__NR_clone, flags, NULL, &pidfd, NULL, NULL);
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, __WALL);
	return pid > 0;
}

static bool enter_a_user_namespace(void)
{
	return clone_with(CLONE_NEWUSER | SIGCHLD);
}

static bool enter_a_network_of_its_own(void)
{
	return clone_with(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | SIGCHLD);
}

static bool start_a_brother(void)
{
	return clone_with(CLONE_PARENT | SIGCHLD);
}

static bool start_with_a_descriptor(void)
{
	return clone_with(CLONE_PIDFD | SIGCHLD);
}

static bool start_with_another_signal(void)
{
	return clone_with(SIGKILL);
}

static bool start_by_clone3(void)
{
	struct {
		uint64_t words[8]; /* struct clone_args, which not every header has */
	} arguments = { .words = { [4] = SIGCHLD } };
	long pid = syscall(__NR_clone3, &arguments, sizeof(arguments));
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, __WALL);
	return pid > 0;
}

/* The network. */

static bool open_socket(int family, int type, int protocol)
{
	return socket(family, type, protocol) >= 0;
}

static bool open_udp(void)
{
	return open_socket(AF_INET, SOCK_DGRAM, 0);
}

static bool open_udp_v6(void)
{
	return open_socket(AF_INET6, SOCK_DGRAM, 0);
}

static bool open_tcp(void)
{
	return open_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static bool open_netlink(void)
{
	return open_socket(AF_NETLINK, SOCK_RAW, 0);
}

static bool open_unix_datagrams(void)
{
	return open_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static bool open_datagram_channel(void)
{
	int ends[2];
	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0;
}

static struct msghdr *one_byte(void)
{
	static char byte = 'x';
	static struct iovec part = { &byte, 1 };
	static struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	return &message;
}

static bool send_urgent_data(void)
{
	return sendmsg(stage.client_fd, one_byte(), MSG_OOB) == 1;
}

static bool receive_errors(void)
{
	return recvmsg(stage.client_fd, one_byte(), MSG_ERRQUEUE) >= 0 || errno == EAGAIN;
}

static bool end_a_listening_socket_for_all(void)
{
	return shutdown(stage.listen_fd, SHUT_RDWR) == 0;
}

/* A stopped listening socket is an unconnected one, and a send can connect that. */
static bool connect_a_listening_socket(void)
{
	if (shutdown(stage.listen_fd, SHUT_RD) < 0)
		return false;
	ssize_t n = sendto(stage.listen_fd, "x", 1, MSG_FASTOPEN | MSG_DONTWAIT,
			   (struct sockaddr *)&stage.address, sizeof(stage.address));
	return n == 1 || errno == EINPROGRESS;
}

static bool attach_a_filter(void)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	const struct sock_fprog program = { 1, code };
	return setsockopt(stage.client_fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
			  sizeof(program)) == 0;
}

static bool set_number(int level, int name, int value)
{
	return setsockopt(stage.client_fd, level, name, &value, sizeof(value)) == 0;
}

static bool change_precedence(void)
{
	return set_number(IPPROTO_IP, IP_TOS, 0x10);
}

static bool change_size_of_segments(void)
{
	return set_number(IPPROTO_TCP, TCP_MAXSEG, 600);
}

static bool take_large_buffers(void)
{
	return set_number(SOL_SOCKET, SO_RCVBUF, 1 << 20);
}

static bool add_ip_options(void)
{
	static const unsigned char no_operation[4] = { 1, 1, 1, 1 };
	return setsockopt(stage.client_fd, IPPROTO_IP, IP_OPTIONS, no_operation,
			  sizeof(no_operation)) == 0;
}

static bool choose_congestion_control(void)
{
	return setsockopt(stage.client_fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0;
}

static bool ask_for_more(void)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);
	return getsockopt(stage.client_fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0;
}

static bool make_another_request(void)
{
	int bytes;
	return ioctl(stage.client_fd, FIONREAD, &bytes) == 0;
}

/* Memory and files. */

static bool map_code(void)
{
	return mmap(NULL, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}

static bool make_code_of_data(void)
{
	return mprotect(stage.page, PAGE_SIZE, PROT_READ | PROT_EXEC) == 0;
}

static bool map_a_file(void)
{
	return mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE, stage.file_fd, 0) != MAP_FAILED;
}

static bool map_a_file_to_write(void)
{
	return mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, stage.file_fd, 0) !=
	       MAP_FAILED;
}

static bool map_code_of_a_file(void)
{
	return mmap(NULL, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_POPULATE,
		    stage.file_fd, 0) != MAP_FAILED;
}

static bool move_memory(void)
{
	return mremap(stage.page, PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE) != MAP_FAILED;
}

/* Merged pages show what other processes have in theirs. */
static bool advise_otherwise(void)
{
	return madvise(stage.page, PAGE_SIZE, MADV_WILLNEED) == 0;
}

static bool read_what_is_typed(void)
{
	char byte;
	return read(STDIN_FILENO, &byte, 1) == 1;
}

/* A descriptor that may be read, in place of one that may not. */
static bool copy_what_is_typed(void)
{
	return dup(STDIN_FILENO) >= 0;
}

static bool look_at_a_path(void)
{
	return access("/", F_OK) == 0 || syscall(__NR_unlinkat, AT_FDCWD, "/", 0) == 0;
}

static bool requeue_waiters(void)
{
	return syscall(__NR_futex, stage.word, FUTEX_CMP_REQUEUE, 1, 1, stage.word + 1, 0) >= 0;
}

static bool take_a_lock_of_the_kernel(void)
{
	return syscall(__NR_futex, stage.word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0) >= 0;
}

static bool open_a_pipe_of_packets(void)
{
	int ends[2];
	return pipe2(ends, O_CLOEXEC | O_DIRECT) == 0;
}

/* Calls that a worker does not need while it serves. */

static bool start_a_process(void)
{
	return clone_with(SIGCHLD);
}

static bool kill_another(void)
{
	return passes_list(kill(stage.victim, SIGKILL));
}

static bool abort_another(void)
{
	return passes_list(syscall(__NR_tgkill, stage.victim, stage.victim, SIGABRT));
}

static bool put_on_another_list(void)
{
	return put_on_list_with(0);
}

static bool open_a_channel(void)
{
	int ends[2];
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0;
}

/* Messages can pass descriptors to other processes (SCM_RIGHTS). */
static bool send_a_message(void)
{
	return sendmsg(stage.client_fd, one_byte(), MSG_NOSIGNAL) == 1;
}

static bool open_a_pipe(void)
{
	int ends[2];
	return pipe2(ends, O_CLOEXEC) == 0;
}

static bool close_a_range(void)
{
	return syscall(__NR_close_range, 500, 501, 0) == 0;
}

static bool read_its_limits(void)
{
	struct rlimit limit;
	return getrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static bool wait_for_children(void)
{
	return waitpid(-1, NULL, WNOHANG) == 0 || errno == ECHILD;
}

static bool open_a_poller(void)
{
	return syscall(__NR_epoll_create1, O_CLOEXEC) >= 0;
}

static bool open_a_ring(void)
{
	unsigned char parameters[120] = { 0 }; /* struct io_uring_params */
	return syscall(__NR_io_uring_setup, 1, parameters) >= 0;
}

/* ---- all of them ---- */

struct attempt {
	const char *name;
	bool (*make)(void);
};

#define ATTEMPT(function)           \
	{                           \
#function, function \
	}

/* Refused to a server, a worker and a child. */
static const struct attempt attempts[] = {
	ATTEMPT(limit_another),
	ATTEMPT(read_limits_of_another),
	ATTEMPT(limit_itself),
	ATTEMPT(limit_itself_by_a_high_pointer),
	ATTEMPT(stop_another),
	ATTEMPT(stop_a_thread_of_another),
	ATTEMPT(kill_a_group),
	ATTEMPT(see_where_another_runs),
	ATTEMPT(have_its_calls_watched),
	ATTEMPT(ask_about_lists),
	ATTEMPT(enter_a_user_namespace),
	ATTEMPT(enter_a_network_of_its_own),
	ATTEMPT(start_a_brother),
	ATTEMPT(start_with_a_descriptor),
	ATTEMPT(start_with_another_signal),
	ATTEMPT(start_by_clone3),
	ATTEMPT(open_udp),
	ATTEMPT(open_udp_v6),
	ATTEMPT(open_tcp),
	ATTEMPT(open_netlink),
	ATTEMPT(open_unix_datagrams),
	ATTEMPT(open_datagram_channel),
	ATTEMPT(send_urgent_data),
	ATTEMPT(receive_errors),
	ATTEMPT(end_a_listening_socket_for_all),
	ATTEMPT(connect_a_listening_socket),
	ATTEMPT(attach_a_filter),
	ATTEMPT(change_precedence),
	ATTEMPT(change_size_of_segments),
	ATTEMPT(take_large_buffers),
	ATTEMPT(add_ip_options),
	ATTEMPT(choose_congestion_control),
	ATTEMPT(ask_for_more),
	ATTEMPT(make_another_request),
	ATTEMPT(map_code),
	ATTEMPT(make_code_of_data),
	ATTEMPT(map_a_file),
	ATTEMPT(map_a_file_to_write),
	ATTEMPT(map_code_of_a_file),
	ATTEMPT(move_memory),
	ATTEMPT(advise_otherwise),
	ATTEMPT(read_what_is_typed),
	ATTEMPT(copy_what_is_typed),
	ATTEMPT(look_at_a_path),
	ATTEMPT(requeue_waiters),
	ATTEMPT(take_a_lock_of_the_kernel),
	ATTEMPT(open_a_pipe_of_packets),
};

/* Also refused to a serving worker. */
static const struct attempt attempts_of_worker[] = {
	ATTEMPT(start_a_process),   ATTEMPT(open_a_channel), ATTEMPT(send_a_message),
	ATTEMPT(kill_another),      ATTEMPT(abort_another),  ATTEMPT(put_on_another_list),
	ATTEMPT(open_a_pipe),       ATTEMPT(close_a_range),  ATTEMPT(read_its_limits),
	ATTEMPT(wait_for_children), ATTEMPT(open_a_poller),  ATTEMPT(open_a_ring),
};

/* ---- the stage ---- */

static void start_victim(void)
{
	stage.victim = fork();
	assert_true(stage.victim >= 0);
	if (stage.victim == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	setpgid(stage.victim, stage.victim);
}

/* Ends the victim, and reaps it and every other process that an intruder made our child. */
static void end_victim(void)
{
	kill(stage.victim, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		continue;
}

static void set_stage(void)
{
	struct sockaddr_in address;
	int ends[2];
	stage.listen_fd = unit_listen(1, &address);
	stage.client_fd = unit_connect(&address);
	stage.other_fd = unit_listen(1, &stage.address);
	stage.file_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	stage.page =
		mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stage.word = stage.page;
	assert(stage.file_fd >= 0 && stage.page != MAP_FAILED);
	assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	assert(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
	assert(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
}

/* Runs a function in a child beside a victim. Returns the wait status of the child. */
static int run_beside_victim(unit_child_fn *run, const void *argument)
{
	start_victim();
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		set_stage();
		run(argument);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	end_victim();
	return status;
}

/* ---- without a sandbox ---- */

static void succeed(const void *argument)
{
	const struct attempt *attempt = argument;
	if (attempt->make())
		return;
	fprintf(stderr, "# %s is not possible here: %s\n", attempt->name, strerror(errno));
	_exit(1);
}

/* Attempts that this machine forbids anyway do not test the sandbox, but most must be possible. */
static size_t count_possible(const struct attempt *list, size_t n)
{
	size_t possible = 0;
	for (size_t i = 0; i < n; i++)
		possible += run_beside_victim(succeed, &list[i]) == 0;
	return possible;
}

TEST(every_attempt_succeeds_without_a_sandbox)
{
	size_t possible = count_possible(attempts, ARRAY_LEN(attempts)) +
			  count_possible(attempts_of_worker, ARRAY_LEN(attempts_of_worker));
	/*
	 * The number allowed for: without user namespaces (2), IPv6, fast open, io_uring, and on a
	 * kernel of 2020.
	 */
	assert_true(possible + 8 >= ARRAY_LEN(attempts) + ARRAY_LEN(attempts_of_worker));
}

/* ---- with one ---- */

#define EXIT_DONE 1 /* exit status of a child whose attempt succeeded */

static void enter(struct sandbox *sandbox, const struct engine *engine)
{
	const struct listeners none = { .n = 0 };
	struct sandbox_needs needs = engine->sandbox;
	needs.has_dispatch = needs.has_workers; /* the longest filter */
	assert(sandbox_enter(sandbox, &none, &needs) == 0);
}

static void all_fail(const struct attempt *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].make()) {
			fprintf(stderr, "# %s succeeded\n", list[i].name);
			_exit(EXIT_DONE);
		}
	}
}

static void try_as_server(const void *engine)
{
	struct sandbox sandbox;
	enter(&sandbox, engine);
	all_fail(attempts, ARRAY_LEN(attempts));
}

static void try_as_worker(const void *engine)
{
	struct sandbox sandbox;
	enter(&sandbox, engine);
	assert(sandbox_enter_worker(&sandbox) == 0);
	all_fail(attempts, ARRAY_LEN(attempts));
	all_fail(attempts_of_worker, ARRAY_LEN(attempts_of_worker));
}

TEST(every_attempt_of_a_server_fails_whatever_its_engine)
{
	for (const struct engine *const *at = engines; *at != NULL; at++)
		assert_int_equal(run_beside_victim(try_as_server, *at), 0);
}

TEST(every_attempt_of_a_worker_fails_whatever_its_engine)
{
	for (const struct engine *const *at = engines; *at != NULL; at++) {
		if ((*at)->work != NULL)
			assert_int_equal(run_beside_victim(try_as_worker, *at), 0);
	}
}

/* The call kills the child, or the server's filter refuses it, which does not kill. */
static void try_as_child(const void *argument)
{
	struct sandbox sandbox;
	enter(&sandbox, engine_find("fork"));
	assert(sandbox_enter_child(&sandbox) == 0);
	if (((const struct attempt *)argument)->make())
		_exit(EXIT_DONE);
}

static void child_is_refused(const struct attempt *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int status = run_beside_victim(try_as_child, &list[i]);
		if (status != 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS))
			fail_msg("%s: the child ended with status %d", list[i].name, status);
	}
}

TEST(every_attempt_of_a_child_fails)
{
	child_is_refused(attempts, ARRAY_LEN(attempts));
	child_is_refused(attempts_of_worker, ARRAY_LEN(attempts_of_worker));
}

int main(void)
{
	if (!sandbox_is_built_in()) {
		puts("1..1\nok 1 - attempts of an intruder # SKIP built without the sandbox");
		return 0;
	}
	if (!seccomp_is_known_here()) {
		puts("1..1\nok 1 - attempts of an intruder # SKIP no seccomp on this machine");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attempt_succeeds_without_a_sandbox),
		cmocka_unit_test(every_attempt_of_a_server_fails_whatever_its_engine),
		cmocka_unit_test(every_attempt_of_a_worker_fails_whatever_its_engine),
		cmocka_unit_test(every_attempt_of_a_child_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
