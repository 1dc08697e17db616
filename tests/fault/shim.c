/* SPDX-License-Identifier: MIT */
#include "shim.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* More calls than any test makes: an endless loop is detected. */
#define MOST_CALLS 2000000

/* More interruptions than any wait of a test needs. */
#define MOST_SLICES 1000

/* A count without a limit. */
#define ALL SIZE_MAX

/* Real and wrapped functions, with the names that ld(1) requires. */
int __real_connect(int fd, const struct sockaddr *addr, socklen_t size);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __real_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __real_write(int fd, const void *bytes, size_t size);

int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t size);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
ssize_t __wrap_read(int fd, void *buffer, size_t size);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

/* One kind of call: the bytes that it has moved, and how often the next one has failed already. */
struct kind {
	uint64_t offset;
	unsigned char interrupted, refused;
};

static _Thread_local struct {
	const struct shim_plan *plan; /* NULL: not armed */
	struct shim_report report;
	struct kind recv, send, read, write, other;
	int slices;
} shim;

void shim_arm(const struct shim_plan *plan)
{
	shim.report = (struct shim_report){ 0 };
	shim.recv = shim.send = shim.read = shim.write = shim.other = (struct kind){ 0 };
	shim.slices = 0;
	shim.plan = plan;
}

struct shim_report shim_disarm(void)
{
	shim.plan = NULL;
	return shim.report;
}

/* Returns whether a fault is planned for the current call, and which. */
static bool is_hit(enum shim_fault *ret_fault)
{
	for (size_t i = 0; i < sizeof(shim.plan->hits) / sizeof(shim.plan->hits[0]); i++) {
		const struct shim_hit *hit = &shim.plan->hits[i];
		if (shim.report.calls < hit->first || shim.report.calls >= hit->first + hit->times)
			continue;
		*ret_fault = hit->fault;
		return true;
	}
	return false;
}

/* Counts a call. Returns 0, or the errno with which it must fail. */
static int fail_before(struct kind *kind, bool moves_bytes, size_t *most)
{
	enum shim_fault fault;
	shim.report.calls++;
	assert(shim.report.calls < MOST_CALLS);
	if (is_hit(&fault) && (moves_bytes || fault == SHIM_EINTR)) {
		shim.report.hits++;
		if (fault != SHIM_SHORT)
			return fault == SHIM_EINTR ? EINTR : EAGAIN;
		*most = 1;
	}
	if (kind->interrupted < shim.plan->eintr_first) {
		kind->interrupted++;
		return EINTR;
	}
	if (moves_bytes && kind->refused < shim.plan->eagain_first) {
		kind->refused++;
		return EAGAIN;
	}
	kind->interrupted = kind->refused = 0;
	return 0;
}

/* Returns how many of `size` bytes the plan lets a kind of call move at once. */
static size_t piece_of(const struct shim_pieces *pool, uint64_t offset, size_t size)
{
	if (pool->most != 0 && size > pool->most)
		size = pool->most;
	for (size_t n = 1; n < size && offset + n <= 64; n++) {
		if (pool->cuts & UINT64_C(1) << (offset + n - 1))
			return n;
	}
	return size;
}

/*
 * Before a call that moves bytes: returns the size to request, or 0 if it must fail with an errno.
 */
static size_t ask_for(struct kind *kind, const struct shim_pieces *pool, size_t size)
{
	size_t most = ALL;
	int error = fail_before(kind, true, &most);
	if (error != 0) {
		errno = error;
		return 0;
	}
	size = piece_of(pool, kind->offset, size);
	return size < most ? size : most;
}

static ssize_t moved(struct kind *kind, ssize_t n)
{
	if (n > 0)
		kind->offset += (uint64_t)n;
	return n;
}

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	if (shim.plan == NULL)
		return __real_recv(fd, buffer, size, flags);
	size = ask_for(&shim.recv, &shim.plan->in, size);
	return size == 0 ? -1 : moved(&shim.recv, __real_recv(fd, buffer, size, flags));
}

ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
	if (shim.plan == NULL)
		return __real_send(fd, bytes, size, flags);
	size = ask_for(&shim.send, &shim.plan->out, size);
	return size == 0 ? -1 : moved(&shim.send, __real_send(fd, bytes, size, flags));
}

ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
	if (shim.plan == NULL)
		return __real_read(fd, buffer, size);
	size = ask_for(&shim.read, &shim.plan->in, size);
	return size == 0 ? -1 : moved(&shim.read, __real_read(fd, buffer, size));
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	if (shim.plan == NULL)
		return __real_write(fd, bytes, size);
	size = ask_for(&shim.write, &shim.plan->out, size);
	return size == 0 ? -1 : moved(&shim.write, __real_write(fd, bytes, size));
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	if (shim.plan == NULL)
		return __real_poll(fds, n, timeout_ms);
	size_t most = ALL;
	int error = fail_before(&shim.other, false, &most);
	if (error != 0) {
		errno = error;
		return -1;
	}
	int slice_ms = shim.plan->poll_slice_ms;
	bool is_long = slice_ms != 0 && (timeout_ms < 0 || timeout_ms > slice_ms);
	int ready = __real_poll(fds, n, is_long ? slice_ms : timeout_ms);
	if (ready == 0 && is_long) {
		shim.slices++;
		assert(shim.slices < MOST_SLICES);
		errno = EINTR;
		return -1;
	}
	return ready;
}

int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t size)
{
	if (shim.plan == NULL)
		return __real_connect(fd, addr, size);
	size_t most = ALL;
	int error = fail_before(&shim.other, false, &most);
	int rc = __real_connect(fd, addr, size);
	if (error == 0)
		return rc;
	errno = error;
	return -1;
}
