/* SPDX-License-Identifier: MIT */
#include "client/load/live_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/log.h"

/*
 * Delay of the figures after each second. The threads pass on a second's counts up to 100 ms after
 * its end (client/load/load_loop.c), and the percentiles come from these counts.
 */
#define LAG_NS (150 * CLOCK_NS_PER_MS)

/* ---- lines ---- */

PRINTF_LIKE(2, 3)
static void put_live_line(struct live_line *live, const char *format, ...)
{
	char text[400], line[sizeof(text) + 8];
	va_list values;
	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	if (live->kind == LIVE_LINES)
		log_notice("%s", text);
	if (live->kind != LIVE_TERMINAL)
		return;
	int n = snprintf(line, sizeof(line), "\r\033[K%s", text);
	log_progress(line, (size_t)n);
	live->is_shown = true;
}

void live_line_clear(struct live_line *live)
{
	static const char clear[] = "\r\033[K";
	if (live->is_shown)
		log_progress(clear, sizeof(clear) - 1);
	live->is_shown = false;
}

/* ---- figures ---- */

/* Counts of all threads since measuring began. */
struct counts {
	uint64_t n_opened, n_echoes, n_failures;
};

static struct counts counts_so_far(const struct live_line *live)
{
	struct counts counts = { 0 };
	for (uint32_t i = 0; i < live->n_loads; i++) {
		const struct load *load = &live->loads[i];
		counts.n_opened += atomic_load_explicit(&load->n_opened, memory_order_relaxed);
		counts.n_echoes += atomic_load_explicit(&load->n_echoes, memory_order_relaxed);
		counts.n_failures += atomic_load_explicit(&load->n_failures, memory_order_relaxed);
	}
	return counts;
}

static void show_figures(struct live_line *live, uint64_t begin_ns, uint64_t now_ns)
{
	struct counts counts = counts_so_far(live);
	double seconds = clock_s(now_ns - live->last_ns);
	char times[64] = "";
	if (live->aggregate->p50_ns > 0)
		snprintf(times, sizeof(times), ", p50 %.1f us, p99 %.1f us",
			 clock_us(live->aggregate->p50_ns), clock_us(live->aggregate->p99_ns));
	put_live_line(live, "%.0f s: %.0f/s, %" PRIu64 " echo%s, %" PRIu64 " failed%s",
		      clock_s(now_ns - begin_ns - LAG_NS),
		      (double)(counts.n_echoes - live->last_echoes) / seconds, counts.n_echoes,
		      counts.n_echoes == 1 ? "" : "es", counts.n_failures, times);
	live->last_echoes = counts.n_echoes;
	live->last_ns = now_ns;
}

void live_line_log_figures(struct live_line *live)
{
	struct counts counts = counts_so_far(live);
	live_line_clear(live);
	log_notice("%" PRIu64 " echo%s, %" PRIu64 " failed", counts.n_echoes,
		   counts.n_echoes == 1 ? "" : "es", counts.n_failures);
}

/* ---- states ---- */

static enum live_line_state state_at(const struct live_line *live, uint64_t begin_ns,
				     uint64_t now_ns)
{
	const struct load_plan *plan = live->plan;
	if (atomic_load(&plan->is_aborting))
		return LIVE_ENDING;
	bool is_ready = atomic_load(&plan->n_ready) >= plan->n_threads;
	if (now_ns < atomic_load(&plan->start_ns) || begin_ns == CLOCK_NEVER)
		return is_ready && live->start_at_ns != 0 ? LIVE_WAITING : LIVE_CONNECTING;
	if (now_ns < begin_ns)
		return LIVE_WARMUP;
	return now_ns < begin_ns + plan->duration_ns ? LIVE_RUNNING : LIVE_ENDING;
}

/* Returns whole seconds, rounded up: never 0 while there is time left. */
static uint64_t seconds_until(uint64_t end_ns, uint64_t now_ns)
{
	return end_ns > now_ns ? (end_ns - now_ns + CLOCK_NS_PER_S - 1) / CLOCK_NS_PER_S : 0;
}

/* In a new state a line is due at once; in LIVE_RUNNING, after the first second. */
static void enter_state(struct live_line *live, enum live_line_state state, uint64_t begin_ns)
{
	if (live->state == state)
		return;
	live->state = state;
	live->next_ns = state == LIVE_RUNNING ? begin_ns + CLOCK_NS_PER_S + LAG_NS : 0;
	live->last_ns = begin_ns;
}

static bool is_due(struct live_line *live, uint64_t now_ns)
{
	if (now_ns < live->next_ns)
		return false;
	if (live->next_ns == 0)
		live->next_ns = now_ns;
	uint64_t n_seconds = (now_ns - live->next_ns) / CLOCK_NS_PER_S + 1;
	live->next_ns += n_seconds * CLOCK_NS_PER_S;
	return true;
}

void live_line_dial(struct live_line *live, const struct addr_spec *server)
{
	/* "\r": an error message, which is longer, overwrites the line. */
	const char *end = live->kind == LIVE_TERMINAL ? "\r" : "";
	put_live_line(live, "connecting to %s%s", addr_spec_text(server).text, end);
}

void live_line_show(struct live_line *live)
{
	if (live->kind == LIVE_OFF)
		return;
	uint64_t now_ns = clock_now_ns(), begin_ns = load_begin_ns(live->plan);
	enter_state(live, state_at(live, begin_ns, now_ns), begin_ns);
	if (!is_due(live, now_ns))
		return;
	switch (live->state) {
	case LIVE_CONNECTING:
		put_live_line(live, "connecting: %" PRIu64 " of %" PRIu64 " connections are open",
			      counts_so_far(live).n_opened, live->plan->schedule.n_connections);
		return;
	case LIVE_WAITING:
		put_live_line(live, "waiting for the start: %" PRIu64 " s left",
			      seconds_until(live->start_at_ns, clock_since_epoch_ns(now_ns)));
		return;
	case LIVE_WARMUP:
		put_live_line(live, "warm-up: %" PRIu64 " s left", seconds_until(begin_ns, now_ns));
		return;
	case LIVE_RUNNING:
		show_figures(live, begin_ns, now_ns);
		return;
	case LIVE_ENDING:
		put_live_line(live, "waiting for the last replies");
		return;
	}
}
