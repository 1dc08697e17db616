/* SPDX-License-Identifier: MIT */
/*
 * The happy path: all slots connect, a few at a time. When the slots of all threads are connected,
 * the warm-up begins, then measuring. Each message that comes back is compared and recorded, and
 * the next is sent. At the end no message begins any more, and those in flight come back.
 *
 * What else can happen: a connection fails, and is opened again a little later unless
 * --no-reconnect is given; a message does not come back in time; the run is ended early, which is
 * handled like its normal end; memory is exhausted (load->code).
 *
 * A message is measured if it was due after the warm-up and before the end. A slow message
 * therefore counts however late it comes back, and none is left out because the server was busy.
 */
#include "client/load/load_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "client/dial.h"
#include "client/load/accounting.h"
#include "client/load/load_io.h"
#include "net/connect.h"

/*
 * Maximum slots of a thread that connect at a time. More would overflow short accept queues, which
 * drop SYNs.
 */
#define CONNECTING_MAX 64

/* Maximum sleep: the interval of the checks for an early end. */
#define TICK_NS (100 * CLOCK_NS_PER_MS)

/* Maximum expired slots that are checked before received data is handled. */
#define TIMERS_MAX 64

/* A slot for which there is no room now is checked again after this time. */
#define AGAIN_NS (5 * CLOCK_NS_PER_MS)

/* If a message is due sooner than this, the thread polls without sleeping: a wake-up takes time. */
#define SPIN_NS (2 * CLOCK_NS_PER_MS)

/* Before the start: interval of the checks whether the start time is known. */
#define START_CHECK_NS CLOCK_NS_PER_MS

/* Maximum messages released before received data is handled. */
#define RELEASES_MAX 64

/* Time for messages in flight to come back after the run is ended early. */
#define GRACE_NS CLOCK_NS_PER_S

/* ---- messages of an open loop ---- */

/* Returns when the next message is due, over all slots in turn; CLOCK_NEVER: none. */
static uint64_t next_due_ns(const struct load_thread *thread)
{
	if (!thread->plan->is_open || thread->end_ns == 0 || load_is_past_grace(thread))
		return CLOCK_NEVER;
	uint32_t n = thread->conns.n;
	const struct load_conn *conn = &thread->conns.list[thread->n_released % n];
	uint64_t due_ns = load_due_ns(thread, conn, thread->n_released / n);
	return due_ns < thread->end_ns ? due_ns : CLOCK_NEVER;
}

/*
 * Passes due messages to their slots. The time from due to here is the schedule lag, caused by this
 * client: it is recorded whether the slot is free or not. After a stop of this thread, messages
 * that fell due meanwhile wait behind messages that were sent late.
 */
static void release_due(struct load_thread *thread)
{
	uint64_t due_ns;
	for (int i = 0; i < RELEASES_MAX && (due_ns = next_due_ns(thread)) <= thread->now_ns; i++) {
		struct load_conn *conn =
			&thread->conns.list[thread->n_released++ % thread->conns.n];
		conn->n_backlog++;
		thread->n_backlog++;
		if (load_is_measured(thread, due_ns))
			histogram_record(&thread->load->result.lateness, thread->now_ns - due_ns);
		load_io_begin_messages(thread, conn);
		thread->now_ns = clock_now_ns();
	}
}

/*
 * Returns the number of messages that fell due and were never released: there were too many, or no
 * connection was left.
 */
static uint64_t n_unreleased(const struct load_thread *thread)
{
	uint64_t n = 0, until_ns = clock_earlier_ns(thread->end_ns, thread->now_ns);
	for (uint32_t i = 0; i < thread->conns.n && thread->end_ns != 0; i++)
		n += schedule_due_before(&thread->plan->schedule,
					 load_conn_index_in_run(thread, &thread->conns.list[i]),
					 until_ns);
	return n > thread->n_released ? n - thread->n_released : 0;
}

/* ---- counts for the main thread ---- */

/*
 * Passes on the counts at the end of each second. If the buffer is still full, the next second's
 * end tries again.
 */
static void pass_on_counts(struct load_thread *thread)
{
	if (thread->now_ns < thread->next_interval_ns)
		return;
	uint64_t n = (thread->now_ns - thread->begin_ns) / CLOCK_NS_PER_S;
	ignore_result(interval_buffer_put(&thread->load->buffer, &thread->load->result, n));
	thread->next_interval_ns = thread->begin_ns + (n + 1) * CLOCK_NS_PER_S;
}

/* ---- time ---- */

static void connect_more(struct load_thread *thread)
{
	if (thread->plan->churns)
		thread->next_to_open = thread->conns.n; /* each message opens its own */
	while (thread->next_to_open < thread->conns.n && thread->n_connecting < CONNECTING_MAX)
		load_io_connect(thread, &thread->conns.list[thread->next_to_open++]);
}

/* Returns true if the slot still has messages to send. */
static bool is_needed(const struct load_thread *thread, const struct load_conn *conn)
{
	bool is_late = thread->end_ns != 0 && thread->now_ns >= thread->end_ns;
	return !is_late || (conn->n_backlog > 0 && !load_is_past_grace(thread));
}

/* Returns the failure name of a slot that has waited too long. */
static const char *timeout_name(const struct load_conn *conn)
{
	if (conn->state == LOAD_CONN_FINISHING)
		return "no_fin";
	if (conn->state != LOAD_CONN_CONNECTING)
		return "no_reply";
	return err_name(load_conn_is_queueing(conn) ? ERR_QUEUE_FULL : -ETIMEDOUT);
}

/* Opens a closed slot again. With churn, a message opens the connection. */
static void reopen_conn(struct load_thread *thread, struct load_conn *conn)
{
	if (!is_needed(thread, conn))
		return;
	if (thread->plan->churns)
		load_io_begin_messages(thread, conn);
	else if (thread->n_connecting < CONNECTING_MAX)
		load_io_connect(thread, conn);
	else
		accounting_wake_by(thread, conn, thread->now_ns + AGAIN_NS);
}

/*
 * Lets the slot wait until its deadline. If a connection attempt is not answered soon, another
 * address is tried in parallel.
 */
static void restart_timer(struct load_thread *thread, struct load_conn *conn, uint64_t deadline_ns)
{
	uint64_t next_ns = deadline_ns;
	if (conn->state == LOAD_CONN_CONNECTING && !load_conn_is_queueing(conn)) {
		uint64_t slow_ns = conn->since_ns + DIAL_ATTEMPT_DELAY_NS;
		if (thread->now_ns >= slow_ns) {
			slow_ns = thread->now_ns + DIAL_ATTEMPT_DELAY_NS;
			if (!io_is_ready(conn->fd, POLLOUT))
				load_io_try_other_addr(thread, conn);
		}
		next_ns = clock_earlier_ns(next_ns, slow_ns);
	}
	accounting_wake_by(thread, conn, next_ns);
}

/*
 * Handles a slot whose timer has expired. The deadline may have moved since the timer was set.
 * Received data is handled first.
 */
static void handle_timer(struct load_thread *thread, uint32_t i)
{
	struct load_conn *conn = &thread->conns.list[i];
	uint64_t deadline_ns = accounting_deadline_ns(thread, conn);
	timer_heap_set(&thread->timers, i, CLOCK_NEVER);
	if (thread->now_ns < deadline_ns)
		restart_timer(thread, conn, deadline_ns);
	else if (conn->state == LOAD_CONN_CLOSED)
		reopen_conn(thread, conn);
	else if (io_is_ready(conn->fd, conn->state == LOAD_CONN_CONNECTING ? POLLOUT : POLLIN))
		accounting_wake_by(thread, conn, thread->now_ns + AGAIN_NS);
	else
		load_io_fail(thread, conn, timeout_name(conn));
}

static void handle_timers(struct load_thread *thread)
{
	uint32_t i;
	for (int n = 0; n < TIMERS_MAX && timer_heap_due(&thread->timers, thread->now_ns, &i); n++)
		handle_timer(thread, i);
}

/*
 * Ends the run early: its end is now. Due messages are still sent, and those in flight have
 * GRACE_NS to come back. A second request ends this wait as well.
 */
static void end_early(struct load_thread *thread)
{
	const struct load_plan *plan = thread->plan;
	if (thread->grace_ends_ns != 0 &&
	    atomic_load_explicit(&plan->is_cut_short, memory_order_relaxed))
		thread->grace_ends_ns = clock_earlier_ns(thread->grace_ends_ns, thread->now_ns);
	if (thread->grace_ends_ns != 0 ||
	    !atomic_load_explicit(&plan->is_aborting, memory_order_relaxed))
		return;
	thread->grace_ends_ns = thread->now_ns + GRACE_NS;
	if (thread->end_ns == 0)
		return;
	thread->end_ns = clock_earlier_ns(thread->end_ns, thread->now_ns + 1);
	thread->give_up_ns = clock_earlier_ns(thread->give_up_ns, thread->grace_ends_ns);
}

/* Gives the evidence of the first wrong byte to the main thread once it is complete. */
static void tick(struct load_thread *thread)
{
	struct mismatch_evidence *wrong = &thread->load->wrong;
	if (thread->now_ns < thread->next_tick_ns)
		return;
	thread->next_tick_ns = thread->now_ns + TICK_NS;
	if (wrong->is_there && thread->now_ns >= wrong->until_ns &&
	    !atomic_load(&thread->load->has_evidence)) {
		mismatch_collect(wrong);
		atomic_store(&thread->load->has_evidence, true);
	}
}

/* Reads the clock and records a gap if it is much later than expected_ns. */
static void load_update_now(struct load_thread *thread, uint64_t expected_ns)
{
	thread->now_ns = clock_now_ns();
	if (expected_ns != 0 &&
	    bottleneck_note_gap(&thread->load->use, expected_ns, thread->now_ns))
		accounting_add_gap(thread, thread->now_ns - expected_ns);
}

static void retry_connects(struct load_thread *thread)
{
	if (thread->n_queueing == 0 || thread->now_ns < thread->next_retry_ns)
		return;
	load_io_retry_connects(thread);
	thread->next_retry_ns = thread->now_ns + CONNECT_RETRY_NS;
}

/* Reports the thread as ready once each slot has connected or failed to. */
static void report_ready(struct load_thread *thread)
{
	if (thread->is_ready || thread->next_to_open < thread->conns.n || thread->n_connecting > 0)
		return;
	thread->is_ready = true;
	atomic_fetch_add(&thread->load->plan->n_ready, 1);
}

static void begin_load(struct load_thread *thread, uint64_t start_ns)
{
	thread->begin_ns = start_ns + thread->plan->warmup_ns;
	thread->end_ns = thread->begin_ns + thread->plan->duration_ns;
	thread->give_up_ns = clock_after_ns(thread->end_ns, thread->wait_ns);
	thread->next_interval_ns = thread->begin_ns + CLOCK_NS_PER_S;
}

/*
 * Closed loop: a few slots begin at a time. Otherwise the first echoes would wait until the last
 * slot has begun.
 */
static void begin_first_messages(struct load_thread *thread)
{
	if (thread->end_ns == 0 || thread->plan->is_open)
		return;
	for (int i = 0; i < RELEASES_MAX && thread->next_to_begin < thread->conns.n; i++) {
		thread->now_ns = clock_now_ns(); /* each counts from its own send time */
		load_io_begin_messages(thread, &thread->conns.list[thread->next_to_begin++]);
	}
}

/* Begins to count CPU time and gaps of this thread when the warm-up is over. */
static void begin_measuring(struct load_thread *thread)
{
	if (thread->is_measuring || thread->end_ns == 0 || thread->now_ns < thread->begin_ns)
		return;
	thread->is_measuring = true;
	bottleneck_begin(&thread->load->use);
	ignore_result(bottleneck_note_gap(&thread->load->use, thread->begin_ns, thread->now_ns));
}

/* Returns the time of the next scheduled action other than the tick and the slots' deadlines. */
static uint64_t next_action_ns(const struct load_thread *thread)
{
	uint64_t start_ns = atomic_load(&thread->plan->start_ns);
	if (thread->end_ns != 0 && !thread->plan->is_open)
		return thread->next_to_begin < thread->conns.n ? thread->now_ns : CLOCK_NEVER;
	if (thread->end_ns != 0)
		return next_due_ns(thread);
	return start_ns != 0 ? start_ns : thread->now_ns + SPIN_NS + START_CHECK_NS;
}

static uint64_t wait_until_ns(const struct load_thread *thread)
{
	uint64_t due_ns = next_action_ns(thread);
	uint64_t until_ns =
		clock_earlier_ns(thread->next_tick_ns, timer_heap_next_ns(&thread->timers));
	if (!thread->is_measuring && thread->end_ns != 0)
		until_ns = clock_earlier_ns(until_ns, thread->begin_ns);
	if (thread->n_queueing > 0)
		until_ns = clock_earlier_ns(until_ns, thread->next_retry_ns);
	if (due_ns == CLOCK_NEVER)
		return until_ns;
	if (due_ns < thread->now_ns + SPIN_NS)
		return 0;
	return clock_earlier_ns(until_ns, due_ns - SPIN_NS);
}

static bool is_run_over(const struct load_thread *thread)
{
	if (thread->n_gone == thread->conns.n)
		return true;
	if (thread->end_ns == 0)
		return thread->grace_ends_ns != 0;
	/* What had arrived when the grace time ended has been read, even after a gap. */
	if (thread->grace_ends_ns != 0 && thread->before_wait_ns > thread->grace_ends_ns)
		return true;
	/* Even if this client is late, messages due before the end are still sent. */
	if (thread->now_ns < thread->end_ns || next_due_ns(thread) != CLOCK_NEVER)
		return false;
	return thread->n_in_flight == 0 && thread->n_finishing == 0 &&
	       (thread->n_backlog == 0 || load_is_past_grace(thread));
}

MUST_USE static int run_loop_once(struct load_thread *thread)
{
	uint64_t start_ns = atomic_load(&thread->plan->start_ns);
	load_update_now(thread, thread->now_ns);
	connect_more(thread);
	report_ready(thread);
	if (start_ns != 0 && thread->end_ns == 0 && thread->now_ns >= start_ns)
		begin_load(thread, start_ns);
	begin_first_messages(thread);
	begin_measuring(thread);
	pass_on_counts(thread);
	release_due(thread);
	retry_connects(thread); /* before handle_timers() fails slots that have waited too long */
	end_early(thread);
	handle_timers(thread);
	tick(thread);
	thread->before_wait_ns = thread->now_ns;
	uint64_t until_ns = wait_until_ns(thread);
	int rc = poller_wait(&thread->poller, &thread->events, until_ns);
	if (rc < 0)
		return rc;
	load_update_now(thread, clock_later_ns(until_ns, thread->before_wait_ns));
	if (thread->events.n == 0 && until_ns <= thread->before_wait_ns)
		thread->load->use.spun_ns += thread->now_ns - thread->before_wait_ns;
	for (int i = 0; i < thread->events.n; i++) {
		const struct epoll_event *event = &thread->events.list[i];
		pass_on_counts(thread);
		load_io_event(thread, &thread->conns.list[event->data.u64], event->events);
		release_due(thread); /* not only after all events are handled */
	}
	return 0;
}

MUST_USE static int run_loop(struct load_thread *thread)
{
	int rc = 0;
	while (rc == 0 && !is_run_over(thread))
		rc = run_loop_once(thread);
	bottleneck_end(&thread->load->use);
	thread->now_ns = clock_now_ns();
	thread->load->ended_ns = thread->now_ns;
	thread->load->end_ns = thread->end_ns;
	uint64_t n_never = thread->plan->is_open ? thread->n_backlog + n_unreleased(thread) : 0;
	if (n_never > 0)
		result_fail(&thread->load->result, RESULT_NEVER_SENT, n_never);
	for (uint32_t i = 0; i < thread->conns.n; i++)
		load_io_end(thread, &thread->conns.list[i]);
	return rc;
}

void load_loop_run(struct load *load)
{
	struct load_thread *thread = aligned_alloc(IO_ALIGNMENT, sizeof(*thread));
	if (thread == NULL) {
		load->code = -ENOMEM;
		atomic_fetch_add(&load->plan->n_ready, 1);
		return;
	}
	memset(thread, 0, sizeof(*thread));
	thread->next_interval_ns = CLOCK_NEVER;
	thread->load = load;
	thread->plan = load->plan;
	thread->wait_ns = load->plan->wait_ns != 0 ? load->plan->wait_ns : CLOCK_NEVER;
	int rc =
		load_conns_open(&thread->conns, load->n_conns, load->plan->depth, load->plan->size);
	if (rc < 0)
		goto free_thread;
	rc = timer_heap_open(&thread->timers, load->n_conns);
	if (rc < 0)
		goto close_conns;
	rc = poller_open(&thread->poller);
	if (rc < 0)
		goto close_timers;
	rc = run_loop(thread);
	poller_close(&thread->poller);
close_timers:
	timer_heap_close(&thread->timers);
close_conns:
	load_conns_close(&thread->conns);
free_thread:
	load->code = rc;
	if (!thread->is_ready)
		atomic_fetch_add(&load->plan->n_ready, 1); /* no thread needs to wait for it */
	free(thread);
}
