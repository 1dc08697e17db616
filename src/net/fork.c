/* SPDX-License-Identifier: MIT */
#include "net/fork.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h> /* glibc 2.35 and later */
#endif
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/oom.h"
#include "net/proctitle.h"
#include "net/sysinfo.h"

/* The highest descriptor that was open in fork_prepare(). */
static unsigned int highest_descriptor;

/*
 * Descriptors that the parent opens later get the lowest free numbers. So they exceed
 * highest_descriptor at most by their count: the parent's own ones and waiting connections.
 */
#define LATER_DESCRIPTORS 1024

/* ---- memory that children do not get ---- */

/*
 * Disables restartable sequences, rseq(2). libc registers memory in each thread where the kernel
 * stores the number of the processor. Parent and child would both write there first after a fork.
 * That copies a page, for a feature that we do not use.
 */
static void disable_rseq(void)
{
#ifdef RSEQ_SIG
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	/* The size must be that of the registration: the original 32, or __rseq_size. */
	if (__rseq_size != 0 && syscall(SYS_rseq, area, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) < 0)
		syscall(SYS_rseq, area, __rseq_size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
#endif
}

/* Returns the start of this stack according to /proc/self/maps (proc(5)), or 0. */
static uintptr_t find_stack_start(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	if (maps == NULL)
		return 0;
	char line[PATH_MAX + 128];
	uintptr_t here = (uintptr_t)line, found = 0;
	while (found == 0 && fgets(line, sizeof(line), maps) != NULL) {
		char *rest;
		uintptr_t start = strtoul(line, &rest, 16);
		if (*rest == '-' && start <= here && here < strtoul(rest + 1, NULL, 16))
			found = start;
	}
	fclose(maps);
	return found;
}

/*
 * Excludes this stack, up to the page of `top`, from children that are started later: they must
 * begin on another stack. If top is NULL, children get the stack.
 *
 * fork(2) copies the parent's mappings and page tables, and exit(2) frees the copy. In between, the
 * first write to a shared page copies that page. For a child that lives for a few milliseconds,
 * this is most of the cost. Also, a child that is taken over cannot read memory that it does not
 * have. If any of this fails, children only cost more.
 */
static void hide_stack(const void *top)
{
	disable_rseq();
	uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = find_stack_start();
	uintptr_t end = (uintptr_t)top / page_size * page_size;
	if (start != 0 && start < end)
		madvise((void *)start, end - start, MADV_DONTFORK);
}

void fork_prepare(void)
{
	/* never -1: descriptors 0 to 2 are open */
	highest_descriptor = (unsigned int)sysinfo_open_descriptors().highest;
	if (!TCPECHO_INSTRUMENTED) /* with a sanitizer, a child continues on its parent's stack */
		hide_stack(proctitle_memory());
}

/* ---- starting and reaping ---- */

pid_t fork_child(struct fork_stack *stack, fork_main_fn *body, void *argument)
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

pid_t fork_process(void)
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

int fork_reap_child(struct child_end *ret_end)
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
	*ret_end = (struct child_end){
		.pid = pid,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
	};
	return 1;
}

int fork_wait_child(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0) {
		if (errno != EINTR)
			return errno == ECHILD ? 0 : -errno;
	}
	return 0;
}

/* ---- descriptors ---- */

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

void fork_keep_only(int fd, int other_fd)
{
	unsigned int low = (unsigned int)(fd < other_fd ? fd : other_fd);
	unsigned int high = (unsigned int)(fd < other_fd ? other_fd : fd);
	unsigned int first = STDERR_FILENO + 1;
	close_all(first, low - 1);
	close_all(low + 1, high - 1);
	close_all(high + 1, UINT_MAX);
}
