/* SPDX-License-Identifier: MIT */
/*
 * What ps(1) shows for a process, instead of the command line.
 */
#ifndef NET_PROCTITLE_H
#define NET_PROCTITLE_H

/*
 * Prepares proctitle_set(): makes space where the kernel keeps the command line, by moving the
 * environment. Must be called once, before anything stores a pointer into argv or environ. If
 * memory is short, titles stay unchanged.
 */
void proctitle_prepare(int argc, char **argv);

/*
 * Sets the title of this process, cut to the space available. Makes no system call and writes to
 * few pages, because in a child each new page is a page fault.
 */
void proctitle_set(const char *text);

/*
 * Returns the start of that space, which is above the stack of main(); NULL if titles stay
 * unchanged.
 */
const void *proctitle_memory(void);

#endif
