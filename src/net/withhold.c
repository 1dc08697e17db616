/* SPDX-License-Identifier: MIT */
#include "net/withhold.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h> /* glibc 2.35 and later */
#endif
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Disables restartable sequences, rseq(2). libc registers memory in each thread where the kernel
 * stores the number of the processor. Parent and child would both write there first after a fork.
 * That copies a page, for a feature that we do not use.
 */
static void give_up_rseq(void)
{
#ifdef RSEQ_SIG
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	/* The size must be that of the registration: the original 32, or __rseq_size. */
	if (__rseq_size != 0 && syscall(SYS_rseq, area, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) < 0)
		syscall(SYS_rseq, area, __rseq_size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
#endif
}

/* Returns the start of this stack according to /proc/self/maps (proc(5)), or 0. */
static uintptr_t start_of_stack(void)
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

void withhold_from_children(const void *stack_from)
{
	give_up_rseq();
	uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = start_of_stack();
	uintptr_t end = (uintptr_t)stack_from / page_size * page_size;
	if (start != 0 && start < end)
		madvise((void *)start, end - start, MADV_DONTFORK);
}
