/* SPDX-License-Identifier: MIT */
#include "net/wakeup.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "net/io.h"

int wakeup_open_edge(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int wakeup_open(struct wakeup *ret_wakeup, struct wakeup_sleep *sleep)
{
	int fd = wakeup_open_edge();
	if (fd < 0)
		return fd;
	*ret_wakeup = (struct wakeup){ .sleep = sleep, .fd = fd };
	return 0;
}

void wakeup_close(struct wakeup *wakeup)
{
	io_close(&wakeup->fd);
}

void wakeup_post(const struct wakeup *wakeup)
{
	/* Earlier writes must be visible before the load; the sleeper does the same. */
	atomic_thread_fence(memory_order_seq_cst);
	uint32_t sleep = atomic_load_explicit(&wakeup->sleep->number, memory_order_relaxed);
	if (sleep % 2 == 0)
		return;
	static const uint64_t one = 1;
	ssize_t n = io_write(wakeup->fd, &one, sizeof(one));
	/* EAGAIN: the counter is full, which wakes too; otherwise the next post tries again */
	if (n < 0 && n != -EAGAIN)
		return;
	/* Fails if this sleep is already over, so that a later sleep is not marked as woken. */
	atomic_compare_exchange_strong(&wakeup->sleep->number, &sleep, sleep + 1);
}

void wakeup_begin_sleep(const struct wakeup *wakeup)
{
	/* Before this it is even, and then only this process changes it. */
	atomic_fetch_add(&wakeup->sleep->number, 1);
	atomic_thread_fence(memory_order_seq_cst);
}

void wakeup_end_sleep(const struct wakeup *wakeup)
{
	uint32_t sleep = atomic_load(&wakeup->sleep->number);
	if (sleep % 2 != 0)
		atomic_compare_exchange_strong(&wakeup->sleep->number, &sleep, sleep + 1);
	/*
	 * Always read: a post may come late, after the end of this sleep, and would end all later
	 * ones.
	 */
	uint64_t count;
	ignore_result(io_read(wakeup->fd, &count, sizeof(count)));
}
