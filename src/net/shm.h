/* SPDX-License-Identifier: MIT */
/*
 * Memory in whole pages (mmap(2)), shared with children or private. It is zeroed and page aligned,
 * and a page exists only after the first write.
 */
#ifndef NET_SHM_H
#define NET_SHM_H

#include <stddef.h>

#include "base/compiler.h"

/*
 * shm_map_shared() allocates memory that this process shares with its children. shm_map_private()
 * reserves private address space. Return 0 or -ENOMEM. Both are freed by shm_unmap(), which also
 * frees a part.
 */
MUST_USE int shm_map_shared(size_t size, void **ret_memory);
MUST_USE int shm_map_private(size_t size, void **ret_memory);
void shm_unmap(void *memory, size_t size);

/* Gives the memory of a private part back to the kernel. It is zero afterwards. */
void shm_discard(void *memory, size_t size);

/* Children that are started later do not get this memory, unless the kernel refuses that. */
void shm_hide_from_children(void *memory, size_t size);

#endif
