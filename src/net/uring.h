/* SPDX-License-Identifier: MIT */
/*
 * A ring (io_uring(7), with liburing): requests go to the kernel, completions come back. Only for
 * one thread; the kernel does its part of the work while that thread waits.
 *
 * Every request has a tag, which identifies its completions. The request is finished at the first
 * completion without "more" (IORING_CQE_F_MORE). close(2) does not close a socket while the ring
 * has a request for it, and no FIN is sent: cancel the request, wait for its last completion, then
 * close.
 *
 * The ring is restricted to these requests, because a seccomp filter (net/seccomp.h) does not see
 * what goes through a ring. So a process that is taken over can make no others.
 */
#ifndef NET_URING_H
#define NET_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/reason.h"

/* The result of a request. */
struct uring_completion {
	uint64_t tag;
	int result; /* the result of the system call: a count, or -errno */
	bool more;  /* the request continues: another completion will follow */
	int buffer; /* number of the buffer with received data; -1: none */
};

struct uring; /* opaque: net/uring.c */

/*
 * Checks that rings with the features we need are available. Returns 0, or a negative code and the
 * reason.
 */
MUST_USE int uring_check(struct reason *reterr_reason);

/*
 * Opens a ring with receive buffers: n_buffers, a power of two, of buffer_size bytes. The ring is
 * as large as lockable memory allows (RLIMIT_MEMLOCK), which all rings of a user share. If none is
 * left, it waits briefly for closed rings to be freed. The caller closes *ret_ring. Returns 0 or
 * -errno; -ENOMEM: other rings use all of that memory.
 */
MUST_USE int uring_open(struct uring **ret_ring, unsigned int n_buffers, size_t buffer_size);
void uring_close(struct uring *ring);

/* Returns whether a code of uring_wait() means that the kernel lacks memory. Then call it again. */
bool uring_is_shortage(int rc);

/* ---- requests: the next uring_wait() submits them ---- */

/* Receives from a socket repeatedly, each time into the next free buffer. */
void uring_receive(struct uring *ring, int fd, uint64_t tag);

/* Sends what can be sent at once: the wait that submits the request also returns its completion. */
void uring_send(struct uring *ring, int fd, const void *bytes, size_t n, uint64_t tag);

/*
 * Reports once when one of these events occurs (poll(2)): POLLIN and so on. With URING_EXCLUSIVE an
 * event wakes only one waiter of the descriptor, the one that has waited longest.
 */
#define URING_EXCLUSIVE (UINT32_C(1) << 28) /* EPOLLEXCLUSIVE */
void uring_poll(struct uring *ring, int fd, uint32_t events, uint64_t tag);

/*
 * Cancels the request with this tag. Its last completion is -ECANCELED, unless it finished before.
 */
void uring_cancel(struct uring *ring, uint64_t tag);

/* ---- buffers ---- */

unsigned char *uring_buffer(const struct uring *ring, int buffer);

/* Returns a buffer to the ring, which receives into it again. */
void uring_give_back(struct uring *ring, int buffer);

/* ---- completions ---- */

/*
 * Submits requests and waits for a completion until the deadline; with 0 it does not wait. Signals
 * do not end the wait (SIGSTOP and SIGCONT). No completion after return means that the deadline has
 * passed. Returns 0 or -errno; after a shortage of memory it pauses before it returns.
 */
MUST_USE int uring_wait(struct uring *ring, uint64_t deadline_ns);

/* Returns whether a completion waits for uring_next(). */
bool uring_has_done(const struct uring *ring);

/* Takes the next completion. Returns false if there are no more. */
MUST_USE bool uring_next(struct uring *ring, struct uring_completion *ret_done);

#endif
