/* SPDX-License-Identifier: MIT */
#include "net/news.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "net/io.h"

int news_open_edge(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int news_open(struct news *news)
{
	int fd = news_open_edge();
	if (fd < 0)
		return fd;
	news->fd = fd;
	return 0;
}

void news_close(struct news *news)
{
	io_close(&news->fd);
}

void news_tell(struct news *news)
{
	/* What was written before this must be visible before we look, and the sleeper likewise. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&news->is_asleep, memory_order_relaxed) == 0)
		return;
	if (atomic_exchange(&news->is_asleep, 0) == 0)
		return; /* somebody else has woken it */
	static const uint64_t one = 1;
	ignore_result(io_write(news->fd, &one, sizeof(one))); /* full is awake enough */
}

void news_begin_sleep(struct news *news)
{
	atomic_store(&news->is_asleep, 1);
	atomic_thread_fence(memory_order_seq_cst);
}

void news_end_sleep(struct news *news)
{
	atomic_store(&news->is_asleep, 0);
	/*
	 * Always: a wake may come late, when this sleep is over, and would end every later one too.
	 */
	uint64_t count;
	ignore_result(io_read(news->fd, &count, sizeof(count)));
}
