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

int news_open(struct news *ret_news, struct news_sleep *sleep)
{
	int fd = news_open_edge();
	if (fd < 0)
		return fd;
	*ret_news = (struct news){ .sleep = sleep, .fd = fd };
	return 0;
}

void news_close(struct news *news)
{
	io_close(&news->fd);
}

void news_tell(const struct news *news)
{
	/* What was written before this must be visible before we look, and the sleeper likewise. */
	atomic_thread_fence(memory_order_seq_cst);
	uint32_t sleep = atomic_load_explicit(&news->sleep->number, memory_order_relaxed);
	if (sleep % 2 == 0)
		return;
	static const uint64_t one = 1;
	ssize_t n = io_write(news->fd, &one, sizeof(one));
	if (n < 0 && n != -EAGAIN) /* full is awake enough; else the next one tries again */
		return;
	/* Fails if this sleep is over already: a later one is not marked by us. */
	atomic_compare_exchange_strong(&news->sleep->number, &sleep, sleep + 1);
}

void news_begin_sleep(const struct news *news)
{
	atomic_fetch_add(&news->sleep->number, 1); /* even until now, and then only we change it */
	atomic_thread_fence(memory_order_seq_cst);
}

void news_end_sleep(const struct news *news)
{
	uint32_t sleep = atomic_load(&news->sleep->number);
	if (sleep % 2 != 0)
		atomic_compare_exchange_strong(&news->sleep->number, &sleep, sleep + 1);
	/*
	 * Always: a wake may come late, when this sleep is over, and would end every later one too.
	 */
	uint64_t count;
	ignore_result(io_read(news->fd, &count, sizeof(count)));
}
