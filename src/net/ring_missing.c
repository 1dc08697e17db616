/* SPDX-License-Identifier: MIT */
/*
 * The ring of a build without liburing: there is none, and it says so. Nobody gets any further.
 */
#include "net/ring.h"

#include <errno.h>
#include <stdio.h>

int ring_check(struct reason *reterr_reason)
{
	snprintf(reterr_reason->text, sizeof(reterr_reason->text), "it was built without liburing");
	return -ENOSYS;
}

int ring_open(struct ring **ret_ring, unsigned int n_buffers, size_t buffer_size)
{
	(void)ret_ring, (void)n_buffers, (void)buffer_size;
	return -ENOSYS;
}

void ring_close(struct ring *ring)
{
	(void)ring;
}

void ring_receive(struct ring *ring, int fd, uint64_t tag)
{
	(void)ring, (void)fd, (void)tag;
}

void ring_send(struct ring *ring, int fd, const void *bytes, size_t n, uint64_t tag)
{
	(void)ring, (void)fd, (void)bytes, (void)n, (void)tag;
}

void ring_poll(struct ring *ring, int fd, uint32_t events, uint64_t tag)
{
	(void)ring, (void)fd, (void)events, (void)tag;
}

void ring_cancel(struct ring *ring, uint64_t tag)
{
	(void)ring, (void)tag;
}

unsigned char *ring_buffer(const struct ring *ring, int buffer)
{
	(void)ring, (void)buffer;
	return NULL;
}

void ring_give_back(struct ring *ring, int buffer)
{
	(void)ring, (void)buffer;
}

bool ring_is_short(int rc)
{
	(void)rc;
	return false;
}

int ring_wait(struct ring *ring, uint64_t deadline_ns)
{
	(void)ring, (void)deadline_ns;
	return -ENOSYS;
}

bool ring_has_done(const struct ring *ring)
{
	(void)ring;
	return false;
}

bool ring_next(struct ring *ring, struct ring_done *ret_done)
{
	(void)ring, (void)ret_done;
	return false;
}
