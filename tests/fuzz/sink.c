/* SPDX-License-Identifier: MIT */
#include "sink.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static struct sink *current;

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);

void sink_open(struct sink *sink)
{
	current = sink;
	if (sink == NULL)
		return;
	sink->room = SIZE_MAX;
	sink->at_once = sink->n_calls = sink->size = 0;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
	if (current == NULL || fd != STDERR_FILENO)
		return __real_write(fd, bytes, n);
	bool is_interrupted = current->at_once > 0 && current->n_calls++ % 2 == 0;
	if (is_interrupted || current->room == 0) {
		errno = is_interrupted ? EINTR : EAGAIN;
		return -1;
	}
	if (current->at_once > 0 && n > current->at_once)
		n = current->at_once;
	n = n < current->room ? n : current->room;
	current->room -= current->room != SIZE_MAX ? n : 0;
	assert(n <= sizeof(current->bytes) - current->size);
	memcpy(current->bytes + current->size, bytes, n);
	current->size += n;
	return (ssize_t)n;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	if (current == NULL || n != 1 || fds[0].fd != STDERR_FILENO)
		return __real_poll(fds, n, timeout_ms);
	if (timeout_ms != 0)
		current->room = SIZE_MAX;
	bool ready = current->room > 0;
	fds[0].revents = ready ? POLLOUT : 0;
	return ready ? 1 : 0;
}

size_t sink_lines(const struct sink *sink)
{
	size_t n = 0, length = 0;
	for (size_t i = 0; i < sink->size; i++) {
		unsigned char byte = (unsigned char)sink->bytes[i];
		assert(++length <= LOG_LINE_SIZE);
		assert((byte >= 0x20 && byte != 0x7f) || byte == '\n');
		if (byte == '\n') {
			n++;
			length = 0;
		}
	}
	return n;
}
