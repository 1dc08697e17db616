/* SPDX-License-Identifier: MIT */
#include "net/uring.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "net/io.h"
#include "net/sysinfo.h"

/*
 * Maximum number of requests per submission, and of completions in the ring. If there are more
 * completions, the kernel stores them elsewhere. It loses none, but that is slow, and it ends
 * multishot requests (IORING_FEAT_NODROP).
 */
#define REQUESTS     1024
#define COMPLETIONS  8192
#define REQUESTS_MIN 64

/*
 * A closed ring frees its locked memory up to a tenth of a second later. So opening a ring is tried
 * this often, with this pause.
 */
#define OPEN_TRIES    50
#define OPEN_PAUSE_NS (10 * CLOCK_NS_PER_MS)

/* The id of our buffer group. */
#define BUFFER_GROUP 0

/* Tag of cancel requests. Their completions are skipped. */
#define TAG_NONE UINT64_MAX

/*
 * One thread only, which does the kernel's part of the work when it waits and not when it is
 * interrupted (Linux 6.1). So an echo stays on one core and in one cache.
 */
#define FLAGS                                                                            \
	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE | \
	 IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED)

struct uring {
	struct io_uring uring;
	struct io_uring_buf_ring *buffers; /* the list of buffers that are free for receiving */
	unsigned char *memory;
	size_t buffer_size, memory_size, list_size;
	unsigned int n_buffers;
	struct io_uring_cqe *batch[256];
	unsigned int n_batch, at;
};

/* ---- opening ---- */

MUST_USE static int restrict_requests(struct io_uring *uring)
{
	static const uint8_t requests[] = { IORING_OP_RECV, IORING_OP_SEND, IORING_OP_POLL_ADD,
					    IORING_OP_ASYNC_CANCEL };
	struct io_uring_restriction restrictions[ARRAY_LEN(requests) + 1];
	memset(restrictions, 0, sizeof(restrictions));
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		restrictions[i].opcode = IORING_RESTRICTION_SQE_OP;
		restrictions[i].sqe_op = requests[i];
	}
	restrictions[ARRAY_LEN(requests)].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	restrictions[ARRAY_LEN(requests)].sqe_flags = IOSQE_BUFFER_SELECT;
	int rc = io_uring_register_restrictions(uring, restrictions, ARRAY_LEN(restrictions));
	return rc < 0 ? rc : io_uring_enable_rings(uring);
}

/* Opens the ring, with fewer entries as long as the lockable memory is too small. */
MUST_USE static int open_uring(struct io_uring *uring)
{
	int rc = -ENOMEM;
	for (unsigned int n = REQUESTS; rc == -ENOMEM && n >= REQUESTS_MIN; n /= 2) {
		struct io_uring_params params = {
			.flags = FLAGS,
			.cq_entries = n * (COMPLETIONS / REQUESTS),
		};
		rc = io_uring_queue_init_params(n, uring, &params);
		if (rc == 0 && (params.features & IORING_FEAT_NODROP) == 0) {
			io_uring_queue_exit(uring);
			rc = -EINVAL;
		}
	}
	return rc;
}

/*
 * Maps populated memory: its cost is known at the start, and the first byte does not wait for a
 * page.
 */
static void *map_pages(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

MUST_USE static int open_buffers(struct uring *ring)
{
	ring->memory_size = ring->n_buffers * ring->buffer_size;
	ring->list_size = ring->n_buffers * sizeof(struct io_uring_buf);
	ring->memory = map_pages(ring->memory_size);
	ring->buffers = map_pages(ring->list_size);
	if (ring->memory == NULL || ring->buffers == NULL)
		return -ENOMEM;
	struct io_uring_buf_reg where = {
		.ring_addr = (uint64_t)(uintptr_t)ring->buffers,
		.ring_entries = ring->n_buffers,
		.bgid = BUFFER_GROUP,
	};
	int rc = io_uring_register_buf_ring(&ring->uring, &where, 0);
	if (rc < 0)
		return rc;
	io_uring_buf_ring_init(ring->buffers);
	for (unsigned int i = 0; i < ring->n_buffers; i++)
		uring_give_back(ring, (int)i);
	return 0;
}

MUST_USE static int try_to_open(struct uring **ret_ring, unsigned int n_buffers, size_t buffer_size)
{
	struct uring *ring = calloc(1, sizeof(*ring));
	if (ring == NULL)
		return -ENOMEM;
	ring->n_buffers = n_buffers;
	ring->buffer_size = buffer_size;
	int rc = open_uring(&ring->uring);
	if (rc < 0)
		goto free_ring;
	rc = open_buffers(ring);
	if (rc == 0)
		rc = restrict_requests(&ring->uring);
	if (rc < 0) {
		uring_close(ring);
		return rc;
	}
	*ret_ring = ring;
	return 0;

free_ring:
	free(ring);
	return rc;
}

int uring_open(struct uring **ret_ring, unsigned int n_buffers, size_t buffer_size)
{
	int rc = try_to_open(ret_ring, n_buffers, buffer_size);
	for (int tries = 1; rc == -ENOMEM && tries < OPEN_TRIES; tries++) {
		ignore_result(io_wait(NULL, 0, clock_deadline_ns(OPEN_PAUSE_NS)));
		rc = try_to_open(ret_ring, n_buffers, buffer_size);
	}
	return rc;
}

void uring_close(struct uring *ring)
{
	io_uring_queue_exit(&ring->uring);
	if (ring->memory != NULL)
		munmap(ring->memory, ring->memory_size);
	if (ring->buffers != NULL)
		munmap(ring->buffers, ring->list_size);
	free(ring);
}

int uring_check(struct reason *reterr_reason)
{
	struct uring *ring;
	int rc = try_to_open(&ring, 1, 4096);
	if (rc == 0) {
		uring_close(ring);
		return 0;
	}
	char *text = reterr_reason->text;
	size_t size = sizeof(reterr_reason->text);
	int switched_off = sysinfo_uring_disabled();
	if (rc == -EPERM && switched_off > 0)
		snprintf(text, size, "io_uring is switched off (kernel.io_uring_disabled is %d)",
			 switched_off);
	else if (rc == -EPERM)
		snprintf(text, size, "io_uring is forbidden to this process (seccomp)");
	else if (rc == -ENOSYS)
		snprintf(text, size, "this kernel has no io_uring, or a sandbox hides it");
	else if (rc == -ENOMEM)
		snprintf(text, size, "io_uring may not lock enough memory (raise ulimit -l)");
	else if (rc == -EINVAL)
		snprintf(text, size,
			 "the io_uring of this kernel is too old (Linux 6.1 is needed)");
	else
		snprintf(text, size, "io_uring: %s", err_text(rc).text);
	return rc;
}

/* ---- requests ---- */

bool uring_is_shortage(int rc)
{
	return rc == -EAGAIN || rc == -EBUSY || rc == -ENOMEM;
}

static void uring_wait_out_shortage(void)
{
	ignore_result(io_wait(NULL, 0, clock_deadline_ns(IO_SHORTAGE_PAUSE_NS)));
}

/* Returns a free request entry. If all are used, submits them first. */
static struct io_uring_sqe *next_request(struct uring *ring, uint64_t tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
	while (sqe == NULL) {
		int rc = io_uring_submit(&ring->uring);
		assert(rc >= 0 || rc == -EINTR || uring_is_shortage(rc));
		if (uring_is_shortage(rc))
			uring_wait_out_shortage();
		sqe = io_uring_get_sqe(&ring->uring);
	}
	io_uring_sqe_set_data64(sqe, tag);
	return sqe;
}

void uring_receive(struct uring *ring, int fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = next_request(ring, tag);
	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	io_uring_sqe_set_data64(sqe, tag);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
}

void uring_send(struct uring *ring, int fd, const void *bytes, size_t n, uint64_t tag)
{
	struct io_uring_sqe *sqe = next_request(ring, tag);
	io_uring_prep_send(sqe, fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	io_uring_sqe_set_data64(sqe, tag);
}

void uring_poll(struct uring *ring, int fd, uint32_t events, uint64_t tag)
{
	struct io_uring_sqe *sqe = next_request(ring, tag);
	io_uring_prep_poll_add(sqe, fd, events);
	io_uring_sqe_set_data64(sqe, tag);
}

void uring_cancel(struct uring *ring, uint64_t tag)
{
	struct io_uring_sqe *sqe = next_request(ring, TAG_NONE);
	io_uring_prep_cancel64(sqe, tag, 0);
	io_uring_sqe_set_data64(sqe, TAG_NONE);
}

/* ---- buffers ---- */

unsigned char *uring_buffer(const struct uring *ring, int buffer)
{
	return ring->memory + (size_t)buffer * ring->buffer_size;
}

void uring_give_back(struct uring *ring, int buffer)
{
	io_uring_buf_ring_add(ring->buffers, uring_buffer(ring, buffer),
			      (unsigned int)ring->buffer_size, (unsigned short)buffer,
			      io_uring_buf_ring_mask(ring->n_buffers), 0);
	io_uring_buf_ring_advance(ring->buffers, 1);
}

/* ---- completions ---- */

/* Waits for wait_ns, CLOCK_NEVER: no limit. Returns a count or -errno. */
MUST_USE static int submit_and_wait(struct uring *ring, uint64_t wait_ns)
{
	struct __kernel_timespec wait = {
		.tv_sec = (int64_t)(wait_ns / CLOCK_NS_PER_S),
		.tv_nsec = (int64_t)(wait_ns % CLOCK_NS_PER_S),
	};
	struct io_uring_cqe *cqe;
	if (wait_ns == 0)
		return io_uring_submit_and_get_events(&ring->uring);
	if (wait_ns == CLOCK_NEVER)
		return io_uring_submit_and_wait(&ring->uring, 1);
	return io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &wait, NULL);
}

static uint64_t left_until_ns(uint64_t deadline_ns)
{
	if (deadline_ns == 0 || deadline_ns == CLOCK_NEVER)
		return deadline_ns;
	uint64_t now_ns = clock_now_ns();
	return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

int uring_wait(struct uring *ring, uint64_t deadline_ns)
{
	uint64_t wait_ns;
	do {
		wait_ns = left_until_ns(deadline_ns);
		int rc = submit_and_wait(ring, wait_ns);
		if (uring_is_shortage(rc) && !uring_has_done(ring))
			uring_wait_out_shortage();
		if (rc < 0 && rc != -EINTR && rc != -ETIME && !uring_has_done(ring))
			return rc;
	} while (wait_ns != 0 && !uring_has_done(ring));
	return 0;
}

bool uring_has_done(const struct uring *ring)
{
	return io_uring_cq_ready(&ring->uring) > 0;
}

/* Removes the handled completions from the ring and gets the next batch. */
static bool fetch(struct uring *ring)
{
	io_uring_cq_advance(&ring->uring, ring->n_batch);
	ring->at = 0;
	ring->n_batch = io_uring_peek_batch_cqe(&ring->uring, ring->batch, ARRAY_LEN(ring->batch));
	return ring->n_batch > 0;
}

bool uring_next(struct uring *ring, struct uring_completion *ret_done)
{
	const struct io_uring_cqe *cqe;
	do {
		if (ring->at == ring->n_batch && !fetch(ring))
			return false;
		cqe = ring->batch[ring->at++];
	} while (cqe->user_data == TAG_NONE);
	*ret_done = (struct uring_completion){
		.tag = cqe->user_data,
		.result = cqe->res,
		.more = (cqe->flags & IORING_CQE_F_MORE) != 0,
		.buffer = cqe->flags & IORING_CQE_F_BUFFER
				  ? (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT)
				  : -1,
	};
	return true;
}
