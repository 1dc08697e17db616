/* SPDX-License-Identifier: MIT */
#include "net/shm.h"

#include <errno.h>
#include <sys/mman.h>

MUST_USE static int map_memory(size_t size, int sharing, void **ret_memory)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	*ret_memory = memory;
	return 0;
}

int shm_map_shared(size_t size, void **ret_memory)
{
	return map_memory(size, MAP_SHARED, ret_memory);
}

int shm_map_private(size_t size, void **ret_memory)
{
	return map_memory(size, MAP_PRIVATE, ret_memory);
}

void shm_discard(void *memory, size_t size)
{
	madvise(memory, size, MADV_DONTNEED);
}

void shm_hide_from_children(void *memory, size_t size)
{
	madvise(memory, size, MADV_DONTFORK);
}

void shm_unmap(void *memory, size_t size)
{
	munmap(memory, size);
}
