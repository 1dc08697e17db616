/* SPDX-License-Identifier: MIT */
/*
 * Replacement for uring.c in a build without liburing: uring_check() fails, so nothing else is
 * used.
 */
#include "net/uring.h"

#include <errno.h>
#include <stdio.h>

int uring_check(struct reason *reterr_reason)
{
	snprintf(reterr_reason->text, sizeof(reterr_reason->text), "it was built without liburing");
	return -ENOSYS;
}

int uring_open(struct uring **ret_ring, unsigned int n_buffers, size_t buffer_size)
{
	(void)ret_ring, (void)n_buffers, (void)buffer_size;
	return -ENOSYS;
}

void uring_close(struct uring *ring)
{
	(void)ring;
}

void uring_receive(struct uring *ring, int fd, uint64_t tag)
{
	(void)ring, (void)fd, (void)tag;
}

void uring_send(struct uring *ring, int fd, const void *bytes, size_t n, uint64_t tag)
{
	(void)ring, (void)fd, (void)bytes, (void)n, (void)tag;
}

void uring_poll(struct uring *ring, int fd, uint32_t events, uint64_t tag)
{
	(void)ring, (void)fd, (void)events, (void)tag;
}

void uring_cancel(struct uring *ring, uint64_t tag)
{
	(void)ring, (void)tag;
}

unsigned char *uring_buffer(const struct uring *ring, int buffer)
{
	(void)ring, (void)buffer;
	return NULL;
}

void uring_give_back(struct uring *ring, int buffer)
{
	(void)ring, (void)buffer;
}

bool uring_is_shortage(int rc)
{
	(void)rc;
	return false;
}

int uring_wait(struct uring *ring, uint64_t deadline_ns)
{
	(void)ring, (void)deadline_ns;
	return -ENOSYS;
}

bool uring_has_done(const struct uring *ring)
{
	(void)ring;
	return false;
}

bool uring_next(struct uring *ring, struct uring_completion *ret_done)
{
	(void)ring, (void)ret_done;
	return false;
}
