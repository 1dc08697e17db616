/* SPDX-License-Identifier: MIT */
#include "net/thread_times.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/io.h"

int thread_times_open(void)
{
	return open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

struct thread_times thread_times_read(int fd)
{
	struct thread_times times = { 0 };
	struct timespec ran = { 0 };
	char text[96];
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ran); /* cannot fail on any kernel */
	times.ran_ns = (uint64_t)ran.tv_sec * CLOCK_NS_PER_S + (uint64_t)ran.tv_nsec;
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, 0) : 0;
	text[n > 0 ? n : 0] = '\0';
	char *behind_ran, *behind_waited; /* "RAN WAITED TURNS"; RAN is coarser than the clock */
	strtoull(text, &behind_ran, 10);
	times.waited_ns = strtoull(behind_ran, &behind_waited, 10);
	times.n_turns = strtoull(behind_waited, NULL, 10);
	return times;
}

struct thread_times thread_times(void)
{
	int fd = thread_times_open();
	struct thread_times times = thread_times_read(fd);
	io_close(&fd);
	return times;
}
