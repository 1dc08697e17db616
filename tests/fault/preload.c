/* SPDX-License-Identifier: MIT */
/*
 * Faults between a whole program and the kernel, loaded before the C library (LD_PRELOAD,
 * ld.so(8)). shim.h does the same to one thread of a test; this does it to every process of a
 * server.
 *
 * TCPECHO_FAULTS="IN OUT EINTR EAGAIN": a receive returns at most IN bytes and a send takes at most
 * OUT (0: no limit). With a limit, epoll_wait(2) returns one event at a time. Each call is
 * interrupted EINTR times before it is made. A call that does not block then fails EAGAIN times.
 * TCPECHO_FAULTS_COUNTS=FILE: where the faults are counted, four numbers of 64 bits: short
 * receives, short sends, EINTR, EAGAIN.
 *
 * It does only what a kernel may do: a call that moves less than it could must be followed by
 * another event. So if a socket is watched edge-triggered (epoll(7)), it gets another edge after
 * such a call. A blocking receive never fails with EAGAIN, because that would mean that its timeout
 * is over. Requests of a ring (io_uring(7)) do not pass through here.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The C library's declarations make assumptions about callers: that poll(2) only writes, and an
 * argument of accept4(2) that can have several types.
 */
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wpedantic"

/* Higher descriptors get no faults. */
#define DESCRIPTORS 4096

enum fault { SHORT_IN, SHORT_OUT, INTERRUPTED, REFUSED, FAULTS };

static size_t most_in, most_out;
static unsigned char n_eintr, n_eagain;
static _Atomic uint64_t uncounted[FAULTS], *counts = uncounted;

/* How often the next call of each kind has failed already; a descriptor has one user at a time. */
enum kind { RECV, SEND, READ, WRITE, ACCEPT, WAIT, KINDS };
static struct {
	unsigned char interrupted, refused;
} failed[KINDS][DESCRIPTORS];

/* The poller that watches the descriptor edge-triggered: epoll + 1, 0: none. */
static struct {
	int epoll;
	struct epoll_event event;
} waits[DESCRIPTORS];

static ssize_t (*real_recv)(int, void *, size_t, int);
static ssize_t (*real_send)(int, const void *, size_t, int);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_accept4)(int, struct sockaddr *, socklen_t *, int);
static int (*real_poll)(struct pollfd *, nfds_t, int);
static int (*real_epoll_wait)(int, struct epoll_event *, int, int);
static int (*real_epoll_ctl)(int, int, int, struct epoll_event *);

__attribute__((constructor)) static void set_up(void)
{
	*(void **)&real_recv = dlsym(RTLD_NEXT, "recv");
	*(void **)&real_send = dlsym(RTLD_NEXT, "send");
	*(void **)&real_read = dlsym(RTLD_NEXT, "read");
	*(void **)&real_write = dlsym(RTLD_NEXT, "write");
	*(void **)&real_accept4 = dlsym(RTLD_NEXT, "accept4");
	*(void **)&real_poll = dlsym(RTLD_NEXT, "poll");
	*(void **)&real_epoll_wait = dlsym(RTLD_NEXT, "epoll_wait");
	*(void **)&real_epoll_ctl = dlsym(RTLD_NEXT, "epoll_ctl");

	const char *plan = getenv("TCPECHO_FAULTS"), *path = getenv("TCPECHO_FAULTS_COUNTS");
	if (plan != NULL &&
	    sscanf(plan, "%zu %zu %hhu %hhu", &most_in, &most_out, &n_eintr, &n_eagain) != 4)
		abort();
	if (path == NULL)
		return;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *memory = mmap(NULL, sizeof(uncounted), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || memory == MAP_FAILED)
		abort();
	close(fd);
	counts = memory;
}

/* Triggers another edge after a call that returned less than it could. */
static void tell_of_more(int fd)
{
	int error = errno;
	if (fd < DESCRIPTORS && waits[fd].epoll != 0) {
		struct epoll_event event = waits[fd].event;
		real_epoll_ctl(waits[fd].epoll - 1, EPOLL_CTL_MOD, fd, &event);
	}
	errno = error;
}

/* Returns whether the call fails this time, with errno set. */
static bool fails(enum kind kind, int fd, bool may_be_refused)
{
	if (fd < 0 || fd >= DESCRIPTORS)
		return false;
	if (failed[kind][fd].interrupted < n_eintr) {
		failed[kind][fd].interrupted++;
		counts[INTERRUPTED]++;
		errno = EINTR;
		return true;
	}
	if (may_be_refused && failed[kind][fd].refused < n_eagain) {
		failed[kind][fd].refused++;
		failed[kind][fd].interrupted = 0;
		counts[REFUSED]++;
		errno = EAGAIN;
		tell_of_more(fd);
		return true;
	}
	failed[kind][fd].interrupted = failed[kind][fd].refused = 0;
	return false;
}

static size_t bounded(size_t size, size_t most)
{
	return most != 0 && size > most ? most : size;
}

/*
 * Counts a short result: the call was limited to `asked` of `size` bytes. Returns the moved bytes.
 */
static ssize_t moved(int fd, ssize_t n, size_t asked, size_t size, enum fault fault)
{
	if (asked < size && n == (ssize_t)asked) {
		counts[fault]++;
		tell_of_more(fd);
	}
	return n;
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
	if (fails(RECV, fd, (flags & MSG_DONTWAIT) != 0))
		return -1;
	size_t asked = bounded(size, most_in);
	return moved(fd, real_recv(fd, buffer, asked, flags), asked, size, SHORT_IN);
}

ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
	if (fails(SEND, fd, (flags & MSG_DONTWAIT) != 0))
		return -1;
	size_t asked = bounded(size, most_out);
	return moved(fd, real_send(fd, bytes, asked, flags), asked, size, SHORT_OUT);
}

ssize_t read(int fd, void *buffer, size_t size)
{
	return fails(READ, fd, false) ? -1 : real_read(fd, buffer, size);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	return fails(WRITE, fd, false) ? -1 : real_write(fd, bytes, size);
}

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict size, int flags)
{
	return fails(ACCEPT, fd, true) ? -1 : real_accept4(fd, address, size, flags);
}

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	return n > 0 && fails(WAIT, fds[0].fd, false) ? -1 : real_poll(fds, n, timeout_ms);
}

int epoll_wait(int epoll, struct epoll_event *events, int n, int timeout_ms)
{
	if (fails(WAIT, epoll, false))
		return -1;
	return real_epoll_wait(epoll, events, most_in + most_out != 0 ? 1 : n, timeout_ms);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	int rc = real_epoll_ctl(epoll, operation, fd, event);
	if (rc < 0 || fd >= DESCRIPTORS)
		return rc;
	bool by_edges = operation != EPOLL_CTL_DEL && event->events & EPOLLET;
	waits[fd].epoll = by_edges ? epoll + 1 : 0;
	if (by_edges)
		waits[fd].event = *event;
	return rc;
}
