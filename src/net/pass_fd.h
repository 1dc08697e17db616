/* SPDX-License-Identifier: MIT */
/*
 * Passes open descriptors between processes (unix(7), SCM_RIGHTS), each with a message. Any process
 * with the receiving end can take the next message; each message is taken once.
 */
#ifndef NET_PASS_FD_H
#define NET_PASS_FD_H

#include <stddef.h>

#include "base/compiler.h"

/*
 * Opens a channel: non-blocking, close-on-exec; the caller closes both ends. It stores messages
 * until they are received, at most a few hundred. Returns 0 or -errno.
 */
MUST_USE int pass_fd_open(int *ret_sender, int *ret_receiver);

/*
 * Sends a message and a copy of a descriptor; the caller keeps the descriptor. Returns 0, -EAGAIN
 * if the channel is full, or -errno: -ETOOMANYREFS, -ENOBUFS, -ENOMEM.
 */
MUST_USE int pass_fd_send(int sender, const void *message, size_t size, int fd);

/*
 * Receives a message of this size and a descriptor (close-on-exec, the caller closes it). The
 * kernel writes both before the call returns. So after a kill, the message is in memory if and only
 * if it was received. If no descriptor is free, nothing is received. Returns 0, -EAGAIN if there is
 * no message, or -errno: -EMFILE.
 */
MUST_USE int pass_fd_receive(int receiver, void *message, size_t size, int *ret_fd);

#endif
