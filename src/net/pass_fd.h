/* SPDX-License-Identifier: MIT */
/*
 * Passing open descriptors from one process to others (unix(7), SCM_RIGHTS), each with a message.
 *
 * Any process with the receiving end takes the next message, and each message is taken once.
 */
#ifndef NET_PASS_FD_H
#define NET_PASS_FD_H

#include <stddef.h>

#include "base/compiler.h"

/*
 * Opens a channel: non-blocking, close-on-exec, both ends the caller's. It keeps what was sent
 * until it is received, a few hundred messages at most. Returns 0 or -errno.
 */
MUST_USE int pass_fd_open(int *ret_sender, int *ret_receiver);

/*
 * Sends a message and a copy of a descriptor, which stays the caller's. Returns 0, -EAGAIN when the
 * channel is full, or -errno: -ETOOMANYREFS, -ENOBUFS, -ENOMEM.
 */
MUST_USE int pass_fd_send(int sender, const void *message, size_t size, int fd);

/*
 * Receives a message of this size, and a descriptor, close-on-exec, the caller's. The kernel writes
 * both before the call returns: a process that is killed has received the message if it is there,
 * and only then. Without a free descriptor nothing is received. Returns 0, -EAGAIN when there is no
 * message, or -errno: -EMFILE.
 */
MUST_USE int pass_fd_receive(int receiver, void *message, size_t size, int *ret_fd);

#endif
