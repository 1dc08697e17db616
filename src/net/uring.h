/* SPDX-License-Identifier: MIT */
/*
 * A ring: what is wanted of the kernel goes in, what it has done comes out (io_uring(7)), by
 * liburing. For one thread alone; the kernel does its part of the work when that thread waits.
 *
 * Every request has a tag, by which its completions are known, and a request is over with the first
 * completion that does not say "more" (IORING_CQE_F_MORE). A socket of which the ring still has a
 * request is not closed by close(2), and sends no FIN: cancel, wait for the last completion, close.
 *
 * The ring may make these requests and no other, whoever takes the process over: a list of system
 * calls (net/seccomp.h) does not see what goes through a ring.
 */
#ifndef NET_URING_H
#define NET_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/reason.h"

/* One thing that the kernel has done. */
struct uring_completion {
	uint64_t tag;
	int result; /* as of the system call: a count, or -errno */
	bool more;  /* the request goes on: there will be another completion */
	int buffer; /* received into this buffer; -1: into none */
};

struct uring; /* its own affair: net/uring.c */

/* Can rings be had here, for what we need? Returns 0, or a negative code and why not. */
MUST_USE int uring_check(struct reason *reterr_reason);

/*
 * Opens a ring with buffers for receiving: n_buffers, a power of two, of buffer_size bytes. As
 * large as the memory allows that may be locked (RLIMIT_MEMLOCK), by all rings of a user together;
 * where there is none it waits a moment for those that were closed. *ret_ring is the caller's.
 * Returns 0 or -errno, -ENOMEM: they have it all.
 */
MUST_USE int uring_open(struct uring **ret_ring, unsigned int n_buffers, size_t buffer_size);
void uring_close(struct uring *ring);

/* Does a code of uring_wait() mean that the kernel is short of memory? Then it is called again. */
bool uring_is_shortage(int rc);

/* ---- requests: they go to the kernel with the next uring_wait() ---- */

/* Receive from a socket, again and again, each time into the buffer that is next. */
void uring_receive(struct uring *ring, int fd, uint64_t tag);

/* Send what can be sent at once: the completion comes with the wait that takes the request in. */
void uring_send(struct uring *ring, int fd, const void *bytes, size_t n, uint64_t tag);

/*
 * Say once when one of these events is there (poll(2)): POLLIN and so on. With URING_EXCLUSIVE an
 * event wakes one of those who wait so for the descriptor, the one that has waited longest.
 */
#define URING_EXCLUSIVE (UINT32_C(1) << 28) /* EPOLLEXCLUSIVE */
void uring_poll(struct uring *ring, int fd, uint32_t events, uint64_t tag);

/* End the request of this tag: its last completion says -ECANCELED, unless it was faster. */
void uring_cancel(struct uring *ring, uint64_t tag);

/* ---- buffers ---- */

unsigned char *uring_buffer(const struct uring *ring, int buffer);

/* The bytes of a buffer are not needed any more: it is received into again. */
void uring_give_back(struct uring *ring, int buffer);

/* ---- completions ---- */

/*
 * Submits requests, and waits until something is done or the deadline has come; 0 does not wait.
 * Signals do not end it (SIGSTOP and SIGCONT): if nothing is done, nothing was at the deadline.
 * Returns 0 or -errno; one of a shortage after a pause.
 */
MUST_USE int uring_wait(struct uring *ring, uint64_t deadline_ns);

/* Is anything done that uring_next() has not told yet? */
bool uring_has_done(const struct uring *ring);

/* The next thing that is done; false: there is none. */
MUST_USE bool uring_next(struct uring *ring, struct uring_completion *ret_done);

#endif
