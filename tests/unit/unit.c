/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void unit_sleep_ms(long ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		continue;
}

/* ---- tests ---- */

static const char *running;
static jmp_buf end_of_test;

void unit_run(const char *name, void (*body)(void))
{
	running = name;
	if (setjmp(end_of_test) == 0)
		body();
}

void unit_skip(const char *reason)
{
	print_message("# SKIP %s: %s\n", running, reason);
	longjmp(end_of_test, 1);
}

/* ---- children ---- */

/* Where a child writes what failed: it may have no descriptor left for that. */
static char *complaint;

#define COMPLAINT_SIZE 512

/* An exit status that no test uses: the child failed, or did not reach its end. */
#define FAILED_STATUS 99

void unit_child_fail(const char *file, int line, const char *condition)
{
	snprintf(complaint, COMPLAINT_SIZE, "%s:%d: in the child: %s", file, line, condition);
	_exit(FAILED_STATUS);
}

_Noreturn static void child_main(unit_child_fn *run, const void *argument)
{
	struct rlimit no_core = { 0 };
	setrlimit(RLIMIT_CORE, &no_core);
	alarm(UNIT_TIMEOUT_S);
	run(argument);
	_exit(0);
}

/* Returns the wait status (waitpid(2)). */
static int run_child(unit_child_fn *run, const void *argument, bool is_to_abort)
{
	if (complaint == NULL)
		complaint = mmap(NULL, COMPLAINT_SIZE, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(complaint != MAP_FAILED);
	complaint[0] = '\0';

	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* The message of an expected assert() failure would only confuse the reader. */
		if (is_to_abort)
			dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		child_main(run, argument);
	}

	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (complaint[0] != '\0')
		fail_msg("%s", complaint);
	return status;
}

void unit_in_child(unit_child_fn *run, const void *argument)
{
	unit_child_exits_with(0, run, argument);
}

void unit_child_dies_of(int signal, unit_child_fn *run, const void *argument)
{
	int status = run_child(run, argument, signal == SIGABRT);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signal);
}

void unit_child_exits_with(int wanted, unit_child_fn *run, const void *argument)
{
	int status = run_child(run, argument, false);
	if (WIFSIGNALED(status))
		fail_msg("the child was ended by signal %d", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), wanted);
}

/* More instructions than any function that a test runs this way, under a sanitizer too. */
#define STEPS_MAX 1000000

void unit_stop_everywhere(unit_child_fn *run, const void *argument, void (*between)(void))
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(1);
		raise(SIGSTOP);
		run(argument);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
		unit_skip("processes may not be traced here");
	/* If `between` fails the test, the child ends with it. */
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_EXITKILL), 0);
	long steps = 0;
	for (; WIFSTOPPED(status); steps++) {
		assert_true(steps < STEPS_MAX);
		between();
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(steps > 10);
}

/* ---- standard descriptors ---- */

void unit_capture_begin(struct unit_capture *capture, int fd)
{
	fflush(stdout);
	capture->fd = fd;
	capture->saved_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	capture->file_fd = memfd_create("capture", MFD_CLOEXEC);
	assert_true(capture->saved_fd >= 0 && capture->file_fd >= 0);
	assert_int_equal(dup2(capture->file_fd, fd), fd);
}

void unit_capture_end(struct unit_capture *capture)
{
	fflush(stdout);
	dup2(capture->saved_fd, capture->fd);
	close(capture->saved_fd);
	ssize_t n = pread(capture->file_fd, capture->text, sizeof(capture->text) - 1, 0);
	close(capture->file_fd);
	assert_true(n >= 0 && n < (ssize_t)sizeof(capture->text) - 1);
	capture->size = (size_t)n;
	capture->text[n] = '\0';
}

size_t unit_lines(const char *text)
{
	size_t n = 0;
	while (*text != '\0') {
		text = strchr(text, '\n');
		assert_non_null(text);
		text++;
		n++;
	}
	return n;
}

void unit_need_terminal(void)
{
	int master, slave;
	if (openpty(&master, &slave, NULL, NULL, NULL) < 0)
		unit_skip("no terminal can be opened here");
	close(master);
	close(slave);
}

/* ---- descriptors and sockets ---- */

size_t unit_open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	assert_non_null(directory);
	size_t n = 0;
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
		n += entry->d_name[0] != '.';
	closedir(directory);
	return n - 1; /* without the directory itself */
}

bool unit_is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

bool unit_is_cloexec(int fd)
{
	return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

bool unit_is_nonblocking(int fd)
{
	return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

void unit_socket_pair(int *ret_one, int *ret_other)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*ret_one = pair[0];
	*ret_other = pair[1];
}

bool unit_is_unix(int fd)
{
	int domain = 0;
	socklen_t size = sizeof(domain);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

struct sockaddr_in unit_loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) },
	};
}

int unit_listen(int backlog, struct sockaddr_in *ret_address)
{
	struct sockaddr_in address = unit_loopback(0);
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*ret_address = address;
	return fd;
}

int unit_connect(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
	return fd;
}

void unit_reset(int fd)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(fd);
}

void unit_write(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;
	while (size > 0) {
		ssize_t n = write(fd, at, size);
		assert_true(n > 0);
		at += n;
		size -= (size_t)n;
	}
}

static ssize_t read_some(int fd, void *buffer, size_t size)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&ready, 1, UNIT_TIMEOUT_S * 1000), 1);
	return read(fd, buffer, size);
}

void unit_read(int fd, void *buffer, size_t size)
{
	char *at = buffer;
	while (size > 0) {
		ssize_t n = read_some(fd, at, size);
		assert_true(n > 0);
		at += n;
		size -= (size_t)n;
	}
}

void unit_read_end(int fd)
{
	char byte;
	assert_int_equal(read_some(fd, &byte, 1), 0);
}

/*
 * A path for mkdtemp(3) and mkstemp(3): in TMPDIR, or in /tmp if TMPDIR is not set or is too long
 * for the path of a unix socket.
 */
static void unit_temporary(char *path, size_t size)
{
	static const char name[] = "tcpecho-unit-XXXXXX";
	const char *directory = getenv("TMPDIR");
	if (directory == NULL || directory[0] != '/' || strlen(directory) + 1 + sizeof(name) > size)
		directory = "/tmp";
	snprintf(path, size, "%s/%s", directory, name);
}

struct unit_directory unit_directory_make(void)
{
	struct unit_directory directory;
	unit_temporary(directory.path, sizeof(directory.path));
	assert_non_null(mkdtemp(directory.path));
	return directory;
}

int unit_temporary_file(void)
{
	char path[sizeof(struct unit_directory)];
	unit_temporary(path, sizeof(path));
	int fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status, (void)kind, (void)place;
	return remove(path);
}

void unit_directory_remove(const struct unit_directory *directory)
{
	assert_int_equal(nftw(directory->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}
