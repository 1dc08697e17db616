/* SPDX-License-Identifier: MIT */
#include "client/bottleneck.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "net/cgroup.h"
#include "net/io.h"
#include "net/sysinfo.h"

/* Shorter gaps occur on every machine and are ignored. */
#define LONG_GAP_NS (20 * CLOCK_NS_PER_MS)

/* Above this share of the usable CPU time, the client was the limit. */
#define BUSY_SHARE 0.95

/*
 * Time from ready to running on an idle machine. A longer time means waiting for other processes.
 */
#define TURN_NS UINT64_C(5000)

/* Above this share of time spent waiting for a core, the figures are not the server's. */
#define WAITED_SHARE 0.1

/* bottleneck_describe_times(): the wait must also exceed this average for each measured time. */
#define WAITED_EACH_NS UINT64_C(50000)

/* Above this share of the threads' time spent searching for a free port, ports were the limit. */
#define SEARCHED_SHARE 0.1

void bottleneck_begin(struct bottleneck_usage *ret_use)
{
	*ret_use = (struct bottleneck_usage){
		.n_threads = 1,
		.begin_ns = clock_now_ns(),
		.begin_suspended_ns = clock_suspended_ns(),
		.begin = thread_times(),
	};
}

void bottleneck_end(struct bottleneck_usage *use)
{
	if (use->begin_ns == 0) {
		*use = (struct bottleneck_usage){ 0 };
		return;
	}
	struct thread_times end = thread_times();
	uint64_t waited_ns = end.waited_ns - use->begin.waited_ns;
	uint64_t usual_ns = (end.n_turns - use->begin.n_turns) * TURN_NS;
	use->elapsed_ns = clock_now_ns() - use->begin_ns;
	uint64_t suspended_ns = clock_suspended_ns();
	if (suspended_ns > use->begin_suspended_ns)
		use->suspended_ns = suspended_ns - use->begin_suspended_ns;
	use->cpu_ns = end.ran_ns - use->begin.ran_ns;
	use->spun_ns = use->spun_ns < use->cpu_ns ? use->spun_ns : use->cpu_ns;
	if (use->elapsed_ns == 0)
		return;
	use->busiest = (double)(use->cpu_ns - use->spun_ns) / (double)use->elapsed_ns;
	if (waited_ns > usual_ns)
		use->waited = (double)(waited_ns - usual_ns) / (double)use->elapsed_ns;
}

void bottleneck_note_port_search(struct bottleneck_usage *use, uint64_t took_ns)
{
	uint64_t waited_ns = thread_times().waited_ns;
	uint64_t late_ns = waited_ns - use->search_waited_ns;
	use->search_waited_ns = waited_ns;
	if (use->begin_ns == 0 || took_ns < late_ns + BOTTLENECK_CONNECT_NS)
		return;
	use->n_searches++;
	use->searched_ns += took_ns - late_ns;
}

void bottleneck_note_process_gap(struct bottleneck_usage *use, uint64_t expected_ns,
				 uint64_t now_ns)
{
	if (use->begin_ns == 0 || now_ns < expected_ns + BOTTLENECK_GAP_NS)
		return;
	uint64_t waited_ns = thread_times().waited_ns;
	uint64_t late_ns = waited_ns - use->begin.waited_ns; /* since the last gap */
	use->begin.waited_ns = waited_ns;
	ignore_result(bottleneck_note_gap(use, expected_ns + late_ns, now_ns));
}

static uint64_t larger_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void bottleneck_add(struct bottleneck_usage *all, const struct bottleneck_usage *thread)
{
	all->n_threads += thread->n_threads;
	all->elapsed_ns = larger_of(all->elapsed_ns, thread->elapsed_ns);
	all->cpu_ns += thread->cpu_ns;
	all->spun_ns += thread->spun_ns;
	all->longest_ns = larger_of(all->longest_ns, thread->longest_ns);
	all->gaps_ns = larger_of(all->gaps_ns, thread->gaps_ns);
	all->suspended_ns = larger_of(all->suspended_ns, thread->suspended_ns);
	all->n_searches += thread->n_searches;
	all->searched_ns += thread->searched_ns;
	all->busiest = thread->busiest > all->busiest ? thread->busiest : all->busiest;
	all->waited = thread->waited > all->waited ? thread->waited : all->waited;
}

/* Returns the usable cores: by affinity, and by the quota of the cgroup. */
static double allowed_cores(void)
{
	double cores = sysinfo_cores(), quota = cgroup_cpu_quota("");
	return quota > 0 && quota < cores ? quota : cores;
}

static bool is_out_of_ports(const struct bottleneck_usage *all)
{
	return (double)all->searched_ns >
	       SEARCHED_SHARE * (double)all->elapsed_ns * (double)all->n_threads;
}

/* Appends a reason to the text. */
PRINTF_LIKE(2, 3)
static void add_limit_reason(char text[BOTTLENECK_SIZE], const char *format, ...)
{
	size_t n = strlen(text);
	va_list values;
	if (n > 0)
		n += (size_t)snprintf(text + n, BOTTLENECK_SIZE - n, "; ");
	if (n >= BOTTLENECK_SIZE)
		return;
	va_start(values, format);
	vsnprintf(text + n, BOTTLENECK_SIZE - n, format, values);
	va_end(values);
}

/* Adds a reason if the threads used most of the CPU time that they could use. */
static void add_work(const struct bottleneck_usage *all, bool is_busy_bound,
		     char text[BOTTLENECK_SIZE])
{
	double cores = allowed_cores(), n_threads = (double)all->n_threads;
	double usable = cores < n_threads ? cores : n_threads;
	double worked =
		(double)(all->cpu_ns - all->spun_ns) / (double)larger_of(all->elapsed_ns, 1);
	if (worked > BUSY_SHARE * usable && all->n_threads > 1)
		add_limit_reason(text,
				 "its threads used %.0f %% of the %.1f cores that they can use",
				 worked / usable * 100, usable);
	else if (worked > BUSY_SHARE * usable || (is_busy_bound && all->busiest > BUSY_SHARE))
		add_limit_reason(text, "a thread of the client used %.0f %% of a core",
				 all->busiest / (usable < 1 ? usable : 1) * 100);
}

bool bottleneck_describe(const struct bottleneck_usage *all, bool is_busy_bound,
			 char text[BOTTLENECK_SIZE])
{
	if (all->elapsed_ns == 0) /* nothing was measured */
		return false;
	if (all->suspended_ns > LONG_GAP_NS)
		add_limit_reason(text, "this machine was suspended for %.1f s",
				 clock_s(all->suspended_ns));
	if (is_out_of_ports(all))
		add_limit_reason(text,
				 "this machine has no free ports: %" PRIu64 " calls of connect(2) "
				 "took %.1f ms each (use several --source, or --reset)",
				 all->n_searches,
				 clock_us(all->searched_ns / larger_of(all->n_searches, 1)) / 1e3);
	if (all->longest_ns > LONG_GAP_NS)
		add_limit_reason(
			text,
			"the client was not running (stopped, preempted or suspended) for %.1f ms "
			"in total, %.1f ms at a time at most",
			clock_us(all->gaps_ns) / 1e3, clock_us(all->longest_ns) / 1e3);
	if (all->waited > WAITED_SHARE)
		add_limit_reason(text,
				 "a thread of the client waited for a core for %.0f %% of the time",
				 all->waited * 100);
	add_work(all, is_busy_bound, text);
	return *text != '\0';
}

void bottleneck_idle_open(struct bottleneck_idle *ret_idle)
{
	*ret_idle = (struct bottleneck_idle){ .fd = thread_times_open() };
}

void bottleneck_idle_close(struct bottleneck_idle *idle)
{
	io_close(&idle->fd);
}

void bottleneck_idle_begin(struct bottleneck_idle *idle)
{
	idle->begin = thread_times_read(idle->fd);
}

void bottleneck_idle_end(struct bottleneck_idle *idle)
{
	struct thread_times end = thread_times_read(idle->fd);
	idle->waited_ns += end.waited_ns - idle->begin.waited_ns;
	idle->n_turns += end.n_turns - idle->begin.n_turns;
}

bool bottleneck_describe_times(const struct bottleneck_usage *use,
			       const struct bottleneck_idle *idle, const struct histogram *times,
			       char text[BOTTLENECK_SIZE])
{
	double elapsed_ns = (double)larger_of(use->elapsed_ns, 1), n = (double)times->n;
	double waited_ns = use->waited * elapsed_ns;
	uint64_t usual_ns = idle->n_turns * TURN_NS;
	if (idle->waited_ns > usual_ns)
		waited_ns -= (double)(idle->waited_ns - usual_ns);
	struct bottleneck_usage sleeper = *use;
	sleeper.cpu_ns = sleeper.spun_ns = 0;
	sleeper.busiest = 0;
	sleeper.waited = waited_ns / elapsed_ns;
	if (bottleneck_describe(&sleeper, false, text))
		return true;
	if (waited_ns <= WAITED_SHARE * (double)times->sum_ns || waited_ns <= WAITED_EACH_NS * n)
		return false;
	/* More than all times together: messages that are not counted waited, too. */
	if (waited_ns > (double)times->sum_ns)
		return false;
	snprintf(text, BOTTLENECK_SIZE,
		 "on average, the client waited %.1f us for a core in each round trip of %.1f us",
		 waited_ns / n / 1e3, clock_us(histogram_mean_ns(times)));
	return true;
}
