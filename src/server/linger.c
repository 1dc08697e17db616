/* SPDX-License-Identifier: MIT */
#include "server/linger.h"

#include <errno.h>

#include "base/err.h"
#include "net/io.h"

/*
 * Maximum receives from one socket in a row, and from all sockets in a pass. A client that sends
 * without end is received from at 3 MB/s, and a pass takes at most a few milliseconds.
 */
#define RECEIVES_IN_A_ROW  8
#define RECEIVES_IN_A_PASS 512

/*
 * Maximum receives of bytes that arrived before a close: more than a receive buffer holds at first.
 */
#define RECEIVES_BEFORE_CLOSE 128

/* Returns the number of receives, at most n; *ret_is_over: the client has ended or failed. */
static int discard(int fd, int n, bool *ret_is_over)
{
	char bytes[8 * 1024];
	for (int i = 0; i < n; i++) {
		ssize_t size = io_recv(fd, bytes, sizeof(bytes));
		if (size <= 0) {
			*ret_is_over = size != -EAGAIN && !err_is_shortage((int)size);
			return i;
		}
	}
	*ret_is_over = false;
	return n;
}

void linger_setup(struct linger_list *linger, uint64_t n_descriptors)
{
	uint64_t n = n_descriptors / LINGER_SHARE_OF_DESCRIPTORS;
	linger->n = linger->next = 0;
	linger->n_max = n < LINGER_MAX ? (size_t)n : LINGER_MAX;
}

bool linger_has_room(const struct linger_list *linger)
{
	return linger->n < linger->n_max;
}

static void close_at(struct linger_list *linger, size_t i)
{
	io_close(&linger->list[i].fd);
	linger->list[i] = linger->list[--linger->n];
}

bool linger_close_oldest(struct linger_list *linger)
{
	bool is_over;
	size_t oldest = 0;
	if (linger->n == 0)
		return false;
	for (size_t i = 1; i < linger->n; i++) {
		if (linger->list[i].start_ns < linger->list[oldest].start_ns)
			oldest = i;
	}
	ignore_result(discard(linger->list[oldest].fd, RECEIVES_BEFORE_CLOSE, &is_over));
	close_at(linger, oldest);
	return true;
}

void linger_add(struct linger_list *linger, int fd)
{
	bool is_over;
	ignore_result(io_send_end(fd)); /* on failure the client is gone already */
	ignore_result(discard(fd, RECEIVES_BEFORE_CLOSE, &is_over));
	if (!is_over && !linger_has_room(linger))
		is_over = !linger_close_oldest(linger);
	if (is_over) {
		io_close(&fd);
		return;
	}
	uint64_t now_ns = clock_now_ns();
	if (linger->n == 0)
		linger->next_read_ns = now_ns + LINGER_READ_NS;
	linger->list[linger->n++] = (struct linger_socket){ .fd = fd, .start_ns = now_ns };
}

void linger_check_time(struct linger_list *linger, uint64_t longest_ns)
{
	if (linger->n == 0)
		return;
	uint64_t now_ns = clock_now_ns();
	if (now_ns < linger->next_read_ns)
		return;
	linger->next_read_ns = now_ns + LINGER_READ_NS;
	int budget = RECEIVES_IN_A_PASS;
	for (size_t looks = linger->n; looks > 0 && budget > 0; looks--) {
		size_t i = linger->next < linger->n ? linger->next : 0;
		bool is_over;
		/* After SIGSTOP and SIGCONT, more bytes are queued than between two passes. */
		bool is_last = now_ns - linger->list[i].start_ns >= longest_ns;
		int n = is_last ? RECEIVES_BEFORE_CLOSE : RECEIVES_IN_A_ROW;
		budget -= discard(linger->list[i].fd, n, &is_over);
		if (is_over || is_last)
			close_at(linger, i); /* its place now holds another socket */
		else
			linger->next = i + 1;
	}
}

uint64_t linger_deadline_ns(const struct linger_list *linger)
{
	return linger->n > 0 ? linger->next_read_ns : CLOCK_NEVER;
}

void linger_close_all(struct linger_list *linger)
{
	while (linger_close_oldest(linger))
		;
}
