/* SPDX-License-Identifier: MIT */
/*
 * Memory that children do not get.
 *
 * fork(2) copies the parent's mappings and page tables, and exit(2) frees the copy. In between, the
 * first write to a shared page copies that page. For a child that lives for a few milliseconds,
 * this is most of the cost. Also, a child that is taken over cannot read memory that it does not
 * have.
 */
#ifndef NET_WITHHOLD_H
#define NET_WITHHOLD_H

/*
 * Excludes this stack, up to the page of `stack_from`, from children that are started later
 * (madvise(2), MADV_DONTFORK): they must begin on another stack. Disables restartable sequences,
 * rseq(2), because the kernel writes to a page of both for them. NULL: children get the stack.
 *
 * If any of this fails, children only cost more.
 */
void withhold_from_children(const void *stack_from);

#endif
