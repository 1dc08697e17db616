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
#include "client/load/load.h"

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
#define LOOKS_MAX 64

/* A slot for which there is no room now is checked again after this time. */
#define AGAIN_NS (5 * CLOCK_NS_PER_MS)

/* If a message is due sooner than this, the thread polls without sleeping: a wake-up takes time. */
#define AWAKE_NS (2 * CLOCK_NS_PER_MS)

/* Before the start: interval of the checks whether the start time is known. */
#define ASK_NS CLOCK_NS_PER_MS

/* Maximum messages released before received data is handled. */
#define RELEASES_MAX 64

/* Time for messages in flight to come back after the run is ended early. */
#define GRACE_NS CLOCK_NS_PER_S

struct run {
	struct load_io io;
	struct poller_events events;
	uint64_t next_tick_ns;
	uint64_t next_retry_ns;    /* for slots waiting for room in the queue of a unix socket */
	uint64_t next_handover_ns; /* end of the current second; CLOCK_NEVER: not measuring yet */
	uint64_t grace_ends_ns;    /* the run was ended early: end of GRACE_NS; 0: it was not */
	uint64_t looked_ns;        /* time before the last wait: what had arrived by then is read */
	uint64_t n_released;       /* open loop: messages that have fallen due */
	uint32_t next_to_open, next_to_begin;
	bool is_ready, is_measuring;
};

/* ---- messages of an open loop ---- */

/* Returns when the next message is due, over all slots in turn; CLOCK_NEVER: none. */
static uint64_t load_next_due_ns(const struct run *run)
{
	const struct load_io *io = &run->io;
	if (!io->plan->is_open || io->end_ns == 0 || load_io_past_grace(io))
		return CLOCK_NEVER;
	uint32_t n = io->conns.n;
	const struct load_conn *conn = &io->conns.list[run->n_released % n];
	uint64_t due_ns = load_io_due_ns(io, conn, run->n_released / n);
	return due_ns < io->end_ns ? due_ns : CLOCK_NEVER;
}

/*
 * Passes due messages to their slots. The time from due to here is the schedule lag, caused by this
 * client: it is recorded whether the slot is free or not. After a stop of this thread, messages
 * that fell due meanwhile wait behind messages that were sent late.
 */
static void release_due(struct run *run)
{
	struct load_io *io = &run->io;
	uint64_t due_ns;
	for (int i = 0; i < RELEASES_MAX && (due_ns = load_next_due_ns(run)) <= io->now_ns; i++) {
		struct load_conn *conn = &io->conns.list[run->n_released++ % io->conns.n];
		conn->n_backlog++;
		io->n_backlog++;
		if (load_io_counts(io, due_ns))
			histogram_record(&io->load->result.lateness, io->now_ns - due_ns);
		load_io_begin(io, conn);
		io->now_ns = clock_now_ns();
	}
}

/*
 * Returns the number of messages that fell due and were never released: there were too many, or no
 * connection was left.
 */
static uint64_t n_unreleased(const struct run *run)
{
	const struct load_io *io = &run->io;
	uint64_t n = 0, until_ns = clock_earlier_ns(io->end_ns, io->now_ns);
	for (uint32_t i = 0; i < io->conns.n && io->end_ns != 0; i++)
		n += load_io_due_before(io, &io->conns.list[i], until_ns);
	return n > run->n_released ? n - run->n_released : 0;
}

/* ---- counts for the main thread ---- */

/*
 * Passes on the counts at the end of each second. If the buffer is still full, the next second's
 * end tries again.
 */
static void hand_over(struct run *run)
{
	struct load_io *io = &run->io;
	if (io->now_ns < run->next_handover_ns)
		return;
	uint64_t n = (io->now_ns - io->begin_ns) / CLOCK_NS_PER_S;
	ignore_result(interval_buffer_give(&io->load->buffer, &io->load->result, n));
	run->next_handover_ns = io->begin_ns + (n + 1) * CLOCK_NS_PER_S;
}

/* ---- time ---- */

static void open_more(struct run *run)
{
	struct load_io *io = &run->io;
	if (io->plan->churns)
		run->next_to_open = io->conns.n; /* each message opens its own */
	while (run->next_to_open < io->conns.n && io->n_connecting < CONNECTING_MAX)
		load_io_connect(io, &io->conns.list[run->next_to_open++]);
}

/* Returns true if the slot still has messages to send. */
static bool is_needed(const struct load_io *io, const struct load_conn *conn)
{
	bool is_late = io->end_ns != 0 && io->now_ns >= io->end_ns;
	return !is_late || (conn->n_backlog > 0 && !load_io_past_grace(io));
}

/* Returns the failure name of a slot that has waited too long. */
static const char *name_of_wait(const struct load_conn *conn)
{
	if (conn->state == LOAD_CONN_FINISHING)
		return "no_fin";
	if (conn->state != LOAD_CONN_CONNECTING)
		return "no_reply";
	return err_name(load_conn_is_queueing(conn) ? ERR_QUEUE_FULL : -ETIMEDOUT);
}

/* Opens a closed slot again. With churn, a message opens the connection. */
static void reopen_conn(struct load_io *io, struct load_conn *conn)
{
	if (!is_needed(io, conn))
		return;
	if (io->plan->churns)
		load_io_begin(io, conn);
	else if (io->n_connecting < CONNECTING_MAX)
		load_io_connect(io, conn);
	else
		accounting_wake_by(io, conn, io->now_ns + AGAIN_NS);
}

/*
 * Lets the slot wait until its deadline. If a connection attempt is not answered soon, another
 * address is tried in parallel.
 */
static void put_off(struct load_io *io, struct load_conn *conn, uint64_t deadline_ns)
{
	uint64_t next_ns = deadline_ns;
	if (conn->state == LOAD_CONN_CONNECTING && !load_conn_is_queueing(conn)) {
		uint64_t slow_ns = conn->since_ns + DIAL_ATTEMPT_DELAY_NS;
		if (io->now_ns >= slow_ns) {
			slow_ns = io->now_ns + DIAL_ATTEMPT_DELAY_NS;
			if (!io_is_ready(conn->fd, POLLOUT))
				load_io_try_other(io, conn);
		}
		next_ns = clock_earlier_ns(next_ns, slow_ns);
	}
	accounting_wake_by(io, conn, next_ns);
}

/*
 * Handles a slot whose timer has expired. The deadline may have moved since the timer was set.
 * Received data is handled first.
 */
static void look_after(struct load_io *io, uint32_t i)
{
	struct load_conn *conn = &io->conns.list[i];
	uint64_t deadline_ns = accounting_deadline_ns(io, conn);
	timer_heap_set(&io->timers, i, CLOCK_NEVER);
	if (io->now_ns < deadline_ns)
		put_off(io, conn, deadline_ns);
	else if (conn->state == LOAD_CONN_CLOSED)
		reopen_conn(io, conn);
	else if (io_is_ready(conn->fd, conn->state == LOAD_CONN_CONNECTING ? POLLOUT : POLLIN))
		accounting_wake_by(io, conn, io->now_ns + AGAIN_NS);
	else
		load_io_fail(io, conn, name_of_wait(conn));
}

static void look_after_due(struct run *run)
{
	struct load_io *io = &run->io;
	uint32_t i;
	for (int n = 0; n < LOOKS_MAX && timer_heap_due(&io->timers, io->now_ns, &i); n++)
		look_after(io, i);
}

/*
 * Ends the run early: its end is now. Due messages are still sent, and those in flight have
 * GRACE_NS to come back. A second request ends this wait as well.
 */
static void end_early(struct run *run)
{
	struct load_io *io = &run->io;
	const struct load_plan *plan = io->plan;
	if (run->grace_ends_ns != 0 &&
	    atomic_load_explicit(&plan->is_cut_short, memory_order_relaxed))
		run->grace_ends_ns = clock_earlier_ns(run->grace_ends_ns, io->now_ns);
	if (run->grace_ends_ns != 0 ||
	    !atomic_load_explicit(&plan->is_aborting, memory_order_relaxed))
		return;
	run->grace_ends_ns = io->now_ns + GRACE_NS;
	if (io->end_ns == 0)
		return;
	io->end_ns = clock_earlier_ns(io->end_ns, io->now_ns + 1);
	io->give_up_ns = clock_earlier_ns(io->give_up_ns, run->grace_ends_ns);
}

static void tick(struct run *run)
{
	struct load_io *io = &run->io;
	struct mismatch_evidence *wrong = &io->load->wrong;
	end_early(run);
	look_after_due(run);
	if (io->now_ns < run->next_tick_ns)
		return;
	run->next_tick_ns = io->now_ns + TICK_NS;
	if (wrong->is_there && io->now_ns >= wrong->until_ns &&
	    !atomic_load(&io->load->has_evidence)) {
		mismatch_collect(wrong);
		atomic_store(&io->load->has_evidence, true);
	}
}

/* Reads the clock and records a gap if it is much later than expected_ns. */
static void load_update_now(struct run *run, uint64_t expected_ns)
{
	struct load_io *io = &run->io;
	io->now_ns = clock_now_ns();
	if (expected_ns != 0 && own_use_look(&io->load->use, expected_ns, io->now_ns))
		accounting_add_gap(io, io->now_ns - expected_ns);
}

static void retry_connects(struct run *run)
{
	struct load_io *io = &run->io;
	if (io->n_queueing == 0 || io->now_ns < run->next_retry_ns)
		return;
	load_io_retry(io);
	run->next_retry_ns = io->now_ns + CONNECT_RETRY_NS;
}

/* Reports the thread as ready once each slot has connected or failed to. */
static void note_ready(struct run *run)
{
	struct load_io *io = &run->io;
	if (run->is_ready || run->next_to_open < io->conns.n || io->n_connecting > 0)
		return;
	run->is_ready = true;
	atomic_fetch_add(&io->load->plan->n_ready, 1);
}

static void begin_load(struct run *run, uint64_t start_ns)
{
	struct load_io *io = &run->io;
	io->begin_ns = start_ns + io->plan->warmup_ns;
	io->end_ns = io->begin_ns + io->plan->duration_ns;
	io->give_up_ns = clock_after_ns(io->end_ns, io->wait_ns);
	run->next_handover_ns = io->begin_ns + CLOCK_NS_PER_S;
}

/*
 * Closed loop: a few slots begin at a time. Otherwise the first echoes would wait until the last
 * slot has begun.
 */
static void begin_more(struct run *run)
{
	struct load_io *io = &run->io;
	if (io->end_ns == 0 || io->plan->is_open)
		return;
	for (int i = 0; i < RELEASES_MAX && run->next_to_begin < io->conns.n; i++) {
		io->now_ns = clock_now_ns(); /* each counts from its own send time */
		load_io_begin(io, &io->conns.list[run->next_to_begin++]);
	}
}

/* Begins to count CPU time and gaps of this thread when the warm-up is over. */
static void begin_measuring(struct run *run)
{
	struct load_io *io = &run->io;
	if (run->is_measuring || io->end_ns == 0 || io->now_ns < io->begin_ns)
		return;
	run->is_measuring = true;
	own_use_begin(&io->load->use);
	ignore_result(own_use_look(&io->load->use, io->begin_ns, io->now_ns));
}

/* Returns the time of the next scheduled action other than the tick and the slots' deadlines. */
static uint64_t next_deed_ns(const struct run *run)
{
	const struct load_io *io = &run->io;
	uint64_t start_ns = atomic_load(&io->plan->start_ns);
	if (io->end_ns != 0 && !io->plan->is_open)
		return run->next_to_begin < io->conns.n ? io->now_ns : CLOCK_NEVER;
	if (io->end_ns != 0)
		return load_next_due_ns(run);
	return start_ns != 0 ? start_ns : io->now_ns + AWAKE_NS + ASK_NS;
}

static uint64_t load_wait_until_ns(const struct run *run)
{
	uint64_t due_ns = next_deed_ns(run);
	uint64_t until_ns =
		clock_earlier_ns(run->next_tick_ns, timer_heap_next_ns(&run->io.timers));
	if (!run->is_measuring && run->io.end_ns != 0)
		until_ns = clock_earlier_ns(until_ns, run->io.begin_ns);
	if (run->io.n_queueing > 0)
		until_ns = clock_earlier_ns(until_ns, run->next_retry_ns);
	if (due_ns == CLOCK_NEVER)
		return until_ns;
	if (due_ns < run->io.now_ns + AWAKE_NS)
		return 0;
	return clock_earlier_ns(until_ns, due_ns - AWAKE_NS);
}

static bool load_is_over(const struct run *run)
{
	const struct load_io *io = &run->io;
	if (io->n_gone == io->conns.n)
		return true;
	if (io->end_ns == 0)
		return run->grace_ends_ns != 0;
	/* What had arrived when the grace time ended has been read, even after a gap. */
	if (run->grace_ends_ns != 0 && run->looked_ns > run->grace_ends_ns)
		return true;
	/* Even if this client is late, messages due before the end are still sent. */
	if (io->now_ns < io->end_ns || load_next_due_ns(run) != CLOCK_NEVER)
		return false;
	return io->n_in_flight == 0 && io->n_finishing == 0 &&
	       (io->n_backlog == 0 || load_io_past_grace(io));
}

MUST_USE static int load_take_turn(struct run *run)
{
	struct load_io *io = &run->io;
	uint64_t start_ns = atomic_load(&io->plan->start_ns);
	load_update_now(run, io->now_ns);
	open_more(run);
	note_ready(run);
	if (start_ns != 0 && io->end_ns == 0 && io->now_ns >= start_ns)
		begin_load(run, start_ns);
	begin_more(run);
	begin_measuring(run);
	hand_over(run);
	release_due(run);
	retry_connects(run); /* before tick() fails slots that have waited too long */
	tick(run);
	run->looked_ns = io->now_ns;
	uint64_t until_ns = load_wait_until_ns(run);
	int rc = poller_wait(&io->poller, &run->events, until_ns);
	if (rc < 0)
		return rc;
	load_update_now(run, clock_later_ns(until_ns, run->looked_ns));
	if (run->events.n == 0 && until_ns <= run->looked_ns)
		io->load->use.spun_ns += io->now_ns - run->looked_ns;
	for (int i = 0; i < run->events.n; i++) {
		const struct epoll_event *event = &run->events.list[i];
		hand_over(run);
		load_io_event(io, &io->conns.list[event->data.u64], event->events);
		release_due(run); /* not only after all events are handled */
	}
	return 0;
}

MUST_USE static int run_conns(struct run *run)
{
	struct load_io *io = &run->io;
	int rc = 0;
	while (rc == 0 && !load_is_over(run))
		rc = load_take_turn(run);
	own_use_end(&io->load->use);
	io->now_ns = clock_now_ns();
	io->load->ended_ns = io->now_ns;
	io->load->end_ns = io->end_ns;
	uint64_t n_never = io->plan->is_open ? io->n_backlog + n_unreleased(run) : 0;
	if (n_never > 0)
		result_fail(&io->load->result, RESULT_NEVER_SENT, n_never);
	for (uint32_t i = 0; i < io->conns.n; i++)
		load_io_end(io, &io->conns.list[i]);
	return rc;
}

int load_open(struct load *load)
{
	int rc = result_open(&load->result);
	if (rc < 0)
		return rc;
	rc = interval_buffer_open(&load->buffer);
	if (rc < 0)
		result_close(&load->result);
	return rc;
}

void load_close(struct load *load)
{
	io_close(&load->first_fd);
	if (load->wrong.is_there)
		io_close(&load->wrong.fd);
	result_close(&load->result);
	interval_buffer_close(&load->buffer);
}

void load_run(struct load *load)
{
	struct run *run = aligned_alloc(IO_ALIGNMENT, sizeof(*run));
	if (run == NULL) {
		load->code = -ENOMEM;
		atomic_fetch_add(&load->plan->n_ready, 1);
		return;
	}
	memset(run, 0, sizeof(*run));
	run->next_handover_ns = CLOCK_NEVER;
	struct load_io *io = &run->io;
	io->load = load;
	io->plan = load->plan;
	io->wait_ns = load->plan->wait_ns != 0 ? load->plan->wait_ns : CLOCK_NEVER;
	int rc = load_conns_open(&io->conns, load->n_conns, load->plan->depth, load->plan->size);
	if (rc < 0)
		goto free_run;
	rc = timer_heap_open(&io->timers, load->n_conns);
	if (rc < 0)
		goto close_conns;
	rc = poller_open(&io->poller);
	if (rc < 0)
		goto close_timers;
	rc = run_conns(run);
	poller_close(&io->poller);
close_timers:
	timer_heap_close(&io->timers);
close_conns:
	load_conns_close(&io->conns);
free_run:
	load->code = rc;
	if (!run->is_ready)
		atomic_fetch_add(&load->plan->n_ready, 1); /* no thread needs to wait for it */
	free(run);
}

bool load_explain(struct load *loads, uint32_t n, struct mismatch_text *ret_text)
{
	struct load *found = NULL;
	for (uint32_t i = 0; i < n; i++) {
		if (atomic_load(&loads[i].has_echoed))
			return false;
		if (atomic_load(&loads[i].has_evidence))
			found = &loads[i];
	}
	if (found == NULL)
		return false;
	*ret_text = mismatch_explain(&found->wrong, load_server_addr(&found->plan->server),
				     load_source(found->plan, 0));
	return true;
}
