/* SPDX-License-Identifier: MIT */
#include "net/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/oom.h"
#include "net/sysinfo.h"
#include "net/withhold.h"

/* Where the kernel reads our command line: the strings of argv, followed by those of environ. */
static struct {
	char *start;
	size_t size; /* size of both */
	/* size of argv alone: what the kernel shows, unless the title is longer */
	size_t argv_size;
} title;

/* The highest descriptor that was open in process_prepare_children(). */
static unsigned int highest_descriptor;

/*
 * Descriptors that the parent opens later get the lowest free numbers. So they exceed
 * highest_descriptor at most by their count: the parent's own ones and waiting connections.
 */
#define LATER_DESCRIPTORS 1024

int process_fill_standard_fds(void)
{
	static const int failing_mode[] = { O_WRONLY, O_RDONLY, O_RDONLY };
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number is fd: all lower ones are open by now. */
		if (open("/dev/null", failing_mode[fd]) < 0)
			return -errno;
	}
	return 0;
}

/* The strings of argv and environ are contiguous (execve(2)). Returns the end of these strings. */
static char *end_of_strings(char **strings, char *end)
{
	for (; *strings != NULL; strings++) {
		if (*strings == end)
			end += strlen(end) + 1;
	}
	return end;
}

void process_prepare_title(int argc, char **argv)
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

void process_set_title(const char *text)
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

void process_prepare_children(void)
{
	/* never -1: descriptors 0 to 2 are open */
	highest_descriptor = (unsigned int)sysinfo_open_descriptors().highest;
#if !TCPECHO_INSTRUMENTED /* with a sanitizer, a child continues on its parent's stack */
	withhold_from_children(title.start);
#endif
}

pid_t process_start(struct process_stack *stack, process_body_fn *body, void *argument)
{
	int code = oom_before_fork();
	if (code < 0)
		return code;
#if TCPECHO_INSTRUMENTED
	/* a sanitizer supports fork(2), but not a stack of our own */
	ignore_result(stack->bytes[0]);
	pid_t pid = fork();
	if (pid == 0)
		_exit(body(argument));
#else
	unsigned char *top = stack->bytes + sizeof(stack->bytes);
	pid_t pid = clone(body, top, SIGCHLD, argument);
#endif
	code = pid < 0 ? -errno : 0;
	oom_after_fork();
	return code < 0 ? code : pid;
}

pid_t process_fork(void)
{
	int code = oom_before_fork();
	if (code < 0)
		return code;
	pid_t pid = fork();
	code = pid < 0 ? -errno : 0;
	if (pid == 0)
		oom_in_worker();
	else
		oom_after_fork();
	return code < 0 ? code : pid;
}

int process_reap(struct process_end *ret_end)
{
	int status;
	pid_t pid;
	do {
		pid = waitpid(-1, &status, WNOHANG);
	} while (pid < 0 && errno == EINTR);
	if (pid == 0 || (pid < 0 && errno == ECHILD))
		return 0;
	if (pid < 0)
		return -errno;
	*ret_end = (struct process_end){
		.pid = pid,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
	};
	return 1;
}

int process_wait(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0) {
		if (errno != EINTR)
			return errno == ECHILD ? 0 : -errno;
	}
	return 0;
}

MUST_USE static int map_memory(size_t size, int whose, void **ret_memory)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    whose | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	*ret_memory = memory;
	return 0;
}

int process_share(size_t size, void **ret_memory)
{
	return map_memory(size, MAP_SHARED, ret_memory);
}

int process_reserve(size_t size, void **ret_memory)
{
	return map_memory(size, MAP_PRIVATE, ret_memory);
}

void process_release(void *memory, size_t size)
{
	madvise(memory, size, MADV_DONTNEED);
}

void process_withhold(void *memory, size_t size)
{
	madvise(memory, size, MADV_DONTFORK);
}

void process_unshare(void *memory, size_t size)
{
	munmap(memory, size);
}

/* Closes the descriptors from first to last; the range may be empty. */
static void close_all(unsigned int first, unsigned int last)
{
	if (first > last || close_range(first, last, 0) == 0)
		return;
	/*
	 * An old kernel, or a sandbox without the call: close one by one. The limit may be a
	 * billion, so it is no useful bound.
	 */
	if (last > highest_descriptor + LATER_DESCRIPTORS)
		last = highest_descriptor + LATER_DESCRIPTORS;
	for (unsigned int fd = first; fd <= last; fd++)
		close((int)fd);
}

void process_keep_only(int fd, int other_fd)
{
	unsigned int low = (unsigned int)(fd < other_fd ? fd : other_fd);
	unsigned int high = (unsigned int)(fd < other_fd ? other_fd : fd);
	unsigned int first = STDERR_FILENO + 1;
	close_all(first, low - 1);
	close_all(low + 1, high - 1);
	close_all(high + 1, UINT_MAX);
}
