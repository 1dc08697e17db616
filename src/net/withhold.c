/* SPDX-License-Identifier: MIT */
#include "net/withhold.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"

/*
 * Restartable sequences, rseq(2): libc asks the kernel to note in each thread's memory on which
 * processor it runs. That note would be the first thing that parent and child write after a fork:
 * two copies of a page, for nothing that we use.
 */
static void give_up_rseq(void)
{
#ifdef RSEQ_SIG
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	/* The size must be that of the registration: the first that there was, or its own. */
	if (__rseq_size != 0 && syscall(SYS_rseq, area, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) < 0)
		syscall(SYS_rseq, area, __rseq_size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
#endif
}

/* One line of /proc/self/maps, proc(5). */
struct mapping {
	uintptr_t start, end;
	unsigned long offset; /* in its file */
	char access[5];       /* "r-xp" */
	char name[32];        /* of a file or in brackets, as far as it goes */
};

static bool is_in(const struct mapping *mapping, const void *address)
{
	return mapping->start <= (uintptr_t)address && (uintptr_t)address < mapping->end;
}

/*
 * Is it of no use to a child? Its stack is elsewhere, and it allocates nothing (a program that is
 * linked statically has its thread's own data on the heap, though). What a file begins with, where
 * that can only be read, is for the dynamic linker, or a table of the locale.
 */
static bool is_of_no_use(const struct mapping *mapping)
{
	if (strcmp(mapping->name, "[stack]") == 0)
		return true;
	if (strcmp(mapping->name, "[heap]") == 0)
		return !is_in(mapping, __builtin_thread_pointer());
	return mapping->name[0] == '/' && mapping->offset == 0 &&
	       strncmp(mapping->access, "r--", 3) == 0;
}

static void withhold(struct mapping mapping, const void *stack_from)
{
	uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
	if (is_in(&mapping, stack_from))
		mapping.end = (uintptr_t)stack_from / page_size * page_size;
	madvise((void *)mapping.start, mapping.end - mapping.start, MADV_DONTFORK);
}

/* Parses "START-END ACCESS OFFSET DEVICE INODE NAME"; there may be no name. */
static bool parse_mapping(const char *line, struct mapping *ret_mapping)
{
	char *rest;
	ret_mapping->start = strtoul(line, &rest, 16);
	if (*rest != '-')
		return false;
	ret_mapping->end = strtoul(rest + 1, &rest, 16);
	if (sscanf(rest, " %4s", ret_mapping->access) != 1)
		return false;
	ret_mapping->offset = strtoul(rest + strlen(" rwxp "), &rest, 16);
	ignore_result(sscanf(rest, "%*s %*s %31s", ret_mapping->name)); /* most have none */
	return true;
}

static void withhold_mappings(const void *stack_from)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	if (maps == NULL)
		return;
	char line[PATH_MAX + 128];
	while (fgets(line, sizeof(line), maps) != NULL) {
		struct mapping mapping = { 0 };
		if (parse_mapping(line, &mapping) && is_of_no_use(&mapping))
			withhold(mapping, stack_from);
	}
	fclose(maps);
}

void withhold_from_children(const void *stack_from)
{
	give_up_rseq();
	withhold_mappings(stack_from);
}
