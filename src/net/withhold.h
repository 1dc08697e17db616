/* SPDX-License-Identifier: MIT */
/*
 * What children are not given.
 *
 * fork(2) copies the parent's table of mappings and its page tables, exit(2) takes the copy apart
 * again, and in between whoever writes first to a page that both have gets a copy of it. For a
 * child that lives for a few milliseconds, that is most of its cost. What it cannot read, on the
 * other hand, nobody can read who takes it over.
 */
#ifndef NET_WITHHOLD_H
#define NET_WITHHOLD_H

/*
 * Keeps this stack, up to the page of `stack_from`, from the children that are started from now on
 * (madvise(2), MADV_DONTFORK): they must begin on another. Gives up restartable sequences, rseq(2),
 * with which the kernel writes to a page of both at once. NULL: they get the stack.
 *
 * Where something of this cannot be done, children only cost more.
 */
void withhold_from_children(const void *stack_from);

#endif
