/* SPDX-License-Identifier: MIT */
/*
 * The happy path: all lanes connect, a few at a time; when those of all threads have, the warm-up
 * begins, then what counts; each message that is back is compared and noted, and the next goes out;
 * at the end none begins any more, and those under way come back.
 *
 * What else can happen: a lane's connection fails in any of the ways there are, and is opened again
 * a little later, unless that is not wanted; a message does not come back in time; the run is ended
 * early, which is an end of its time like any other; the machine has no memory (load->code).
 *
 * Which messages count is decided by when they were due: after the warm-up and before the end. So
 * one that is slow counts however late it comes, and none is left out because the server was busy.
 */
#include "client/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "client/account.h"
#include "client/dial.h"
#include "client/traffic.h"
#include "net/connect.h"

/* So many of a thread's lanes connect at a time, or short queues overflow and SYNs are lost. */
#define CONNECTING_MOST 64

/* Maximum sleep: whether the run is ended early is looked at this often. */
#define TICK_NS (100 * CLOCK_NS_PER_MS)

/* Lanes whose deadline has come that are looked after before it is the turn of what came back. */
#define LOOKS_MAX 64

/* A lane for which there is no room now is looked after again this much later. */
#define AGAIN_NS (5 * CLOCK_NS_PER_MS)

/* With less to go until a message is due, it does not sleep: waking up takes its time. */
#define AWAKE_NS (2 * CLOCK_NS_PER_MS)

/* Before the start, it is asked so often whether and when that is. */
#define ASK_NS CLOCK_NS_PER_MS

/* So many messages are released before it is the turn of what has come back. */
#define RELEASES_MOST 64

/* When the run is ended early, what is under way has this long to come back. */
#define GRACE_NS CLOCK_NS_PER_S

struct run {
	struct traffic traffic;
	struct poller_events events;
	uint64_t next_tick_ns;
	uint64_t next_retry_ns;    /* for lanes that wait for room in the queue of a unix socket */
	uint64_t next_handover_ns; /* the end of a second; CLOCK_NEVER: it has not begun */
	uint64_t grace_ends_ns;    /* the run was ended early: its grace; 0: it was not */
	uint64_t looked_ns;        /* time before the last wait: what had come then is read */
	uint64_t n_released;       /* open loop: messages that have been due */
	uint32_t next_to_open, next_to_begin;
	bool is_ready, is_measuring;
};

/* ---- an open loop's messages ---- */

/* When the next is due, of all lanes in turn; or CLOCK_NEVER. */
static uint64_t next_due_ns(const struct run *run)
{
	const struct traffic *traffic = &run->traffic;
	if (!traffic->plan->is_open || traffic->end_ns == 0 || traffic_is_hopeless(traffic))
		return CLOCK_NEVER;
	uint32_t n = traffic->lanes.n;
	const struct lane *lane = &traffic->lanes.list[run->n_released % n];
	uint64_t due_ns = traffic_due_ns(traffic, lane, run->n_released / n);
	return due_ns < traffic->end_ns ? due_ns : CLOCK_NEVER;
}

/*
 * One that is looked at later than it is due is late by our own doing, whether its lane is free or
 * not: if we stood still, what fell due meanwhile waits on the lanes for what we sent late.
 */
static void release_due(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	uint64_t due_ns;
	for (int i = 0; i < RELEASES_MOST && (due_ns = next_due_ns(run)) <= traffic->now_ns; i++) {
		struct lane *lane = &traffic->lanes.list[run->n_released++ % traffic->lanes.n];
		lane->n_owed++;
		traffic->n_owed++;
		if (traffic_counts(traffic, due_ns))
			histogram_record(&traffic->load->result.lateness, traffic->now_ns - due_ns);
		traffic_begin(traffic, lane);
		traffic->now_ns = clock_now_ns();
	}
}

/* Messages that fell due and were not looked at: there were too many, or no connection was left. */
static uint64_t n_unreleased(const struct run *run)
{
	const struct traffic *traffic = &run->traffic;
	uint64_t n = 0, until_ns = clock_earlier_ns(traffic->end_ns, traffic->now_ns);
	for (uint32_t i = 0; i < traffic->lanes.n && traffic->end_ns != 0; i++)
		n += traffic_due_before(traffic, &traffic->lanes.list[i], until_ns);
	return n > run->n_released ? n - run->n_released : 0;
}

/* ---- what others see of it ---- */

/* At the end of a second; if what went before has not been taken yet, at the end of the next. */
static void hand_over(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	if (traffic->now_ns < run->next_handover_ns)
		return;
	uint64_t n = (traffic->now_ns - traffic->begin_ns) / CLOCK_NS_PER_S;
	ignore_result(handover_give(&traffic->load->handover, &traffic->load->result, n));
	run->next_handover_ns = traffic->begin_ns + (n + 1) * CLOCK_NS_PER_S;
}

/* ---- time ---- */

static void open_more(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	if (traffic->plan->churns)
		run->next_to_open = traffic->lanes.n; /* each message opens its own */
	while (run->next_to_open < traffic->lanes.n && traffic->n_connecting < CONNECTING_MOST)
		traffic_connect(traffic, &traffic->lanes.list[run->next_to_open++]);
}

/* Is anything to come that a lane has to be open for? */
static bool is_needed(const struct traffic *traffic, const struct lane *lane)
{
	bool is_late = traffic->end_ns != 0 && traffic->now_ns >= traffic->end_ns;
	return !is_late || (lane->n_owed > 0 && !traffic_is_hopeless(traffic));
}

/* The name of the failure of a lane that has waited too long. */
static const char *name_of_wait(const struct lane *lane)
{
	if (lane->state == LANE_FINISHING)
		return "no_fin";
	if (lane->state != LANE_CONNECTING)
		return "no_reply";
	return err_name(lane_is_queueing(lane) ? ERR_QUEUE_FULL : -ETIMEDOUT);
}

/* A closed lane is opened again; one that churns opens a connection for each message. */
static void reopen(struct traffic *traffic, struct lane *lane)
{
	if (!is_needed(traffic, lane))
		return;
	if (traffic->plan->churns)
		traffic_begin(traffic, lane);
	else if (traffic->n_connecting < CONNECTING_MOST)
		traffic_connect(traffic, lane);
	else
		account_wake_by(traffic, lane, traffic->now_ns + AGAIN_NS);
}

/* It may go on, but a connection attempt that has no answer soon is joined by another address. */
static void let_wait(struct traffic *traffic, struct lane *lane, uint64_t deadline_ns)
{
	uint64_t next_ns = deadline_ns;
	if (lane->state == LANE_CONNECTING && !lane_is_queueing(lane)) {
		uint64_t slow_ns = lane->since_ns + DIAL_ATTEMPT_DELAY_NS;
		if (traffic->now_ns >= slow_ns) {
			slow_ns = traffic->now_ns + DIAL_ATTEMPT_DELAY_NS;
			if (!io_is_ready(lane->fd, POLLOUT))
				traffic_try_other(traffic, lane);
		}
		next_ns = clock_earlier_ns(next_ns, slow_ns);
	}
	account_wake_by(traffic, lane, next_ns);
}

/* Its deadline has come, or had come before it was put off. What has arrived is read first. */
static void look_after(struct traffic *traffic, uint32_t i)
{
	struct lane *lane = &traffic->lanes.list[i];
	uint64_t deadline_ns = account_deadline_ns(traffic, lane);
	wakes_set(&traffic->wakes, i, CLOCK_NEVER);
	if (traffic->now_ns < deadline_ns)
		let_wait(traffic, lane, deadline_ns);
	else if (lane->state == LANE_CLOSED)
		reopen(traffic, lane);
	else if (io_is_ready(lane->fd, lane->state == LANE_CONNECTING ? POLLOUT : POLLIN))
		account_wake_by(traffic, lane, traffic->now_ns + AGAIN_NS);
	else
		traffic_fail(traffic, lane, name_of_wait(lane));
}

static void look_after_due(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	uint32_t i;
	for (int n = 0; n < LOOKS_MAX && wakes_due(&traffic->wakes, traffic->now_ns, &i); n++)
		look_after(traffic, i);
}

/*
 * The run is ended early: its time is over now. What is due is still sent, and what is under way
 * has its grace to come back, as at any other end; a second request ends that, too.
 */
static void end_early(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	const struct load_plan *plan = traffic->plan;
	if (run->grace_ends_ns != 0 &&
	    atomic_load_explicit(&plan->is_cut_short, memory_order_relaxed))
		run->grace_ends_ns = clock_earlier_ns(run->grace_ends_ns, traffic->now_ns);
	if (run->grace_ends_ns != 0 ||
	    !atomic_load_explicit(&plan->is_aborting, memory_order_relaxed))
		return;
	run->grace_ends_ns = traffic->now_ns + GRACE_NS;
	if (traffic->end_ns == 0)
		return;
	traffic->end_ns = clock_earlier_ns(traffic->end_ns, traffic->now_ns + 1);
	traffic->give_up_ns = clock_earlier_ns(traffic->give_up_ns, run->grace_ends_ns);
}

static void tick(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	struct wrong_evidence *wrong = &traffic->load->wrong;
	end_early(run);
	look_after_due(run);
	if (traffic->now_ns < run->next_tick_ns)
		return;
	run->next_tick_ns = traffic->now_ns + TICK_NS;
	if (wrong->is_there && traffic->now_ns >= wrong->until_ns &&
	    !atomic_load(&traffic->load->has_evidence)) {
		wrong_collect(wrong);
		atomic_store(&traffic->load->has_evidence, true);
	}
}

/* Reads the clock, when this thread wanted to run at expected_ns at the latest. */
static void look_at_clock(struct run *run, uint64_t expected_ns)
{
	struct traffic *traffic = &run->traffic;
	traffic->now_ns = clock_now_ns();
	if (expected_ns != 0 && own_use_look(&traffic->load->use, expected_ns, traffic->now_ns))
		account_standstill(traffic, traffic->now_ns - expected_ns);
}

static void retry(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	if (traffic->n_queueing == 0 || traffic->now_ns < run->next_retry_ns)
		return;
	traffic_retry(traffic);
	run->next_retry_ns = traffic->now_ns + CONNECT_RETRY_NS;
}

/* Each lane has connected, or failed to. */
static void note_ready(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	if (run->is_ready || run->next_to_open < traffic->lanes.n || traffic->n_connecting > 0)
		return;
	run->is_ready = true;
	atomic_fetch_add(&traffic->load->plan->n_ready, 1);
}

static void begin(struct run *run, uint64_t start_ns)
{
	struct traffic *traffic = &run->traffic;
	traffic->begin_ns = start_ns + traffic->plan->warmup_ns;
	traffic->end_ns = traffic->begin_ns + traffic->plan->duration_ns;
	traffic->give_up_ns = clock_after_ns(traffic->end_ns, traffic->wait_ns);
	run->next_handover_ns = traffic->begin_ns + CLOCK_NS_PER_S;
}

/* Closed loop: lanes begin a few at a time, or the first echoes would wait for the last lane. */
static void begin_more(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	if (traffic->end_ns == 0 || traffic->plan->is_open)
		return;
	for (int i = 0; i < RELEASES_MOST && run->next_to_begin < traffic->lanes.n; i++) {
		traffic->now_ns = clock_now_ns(); /* each counts from when it is sent itself */
		traffic_begin(traffic, &traffic->lanes.list[run->next_to_begin++]);
	}
}

/*
 * The warm-up is over: from now on it counts what this thread uses, and how long it stands still.
 */
static void begin_measuring(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	if (run->is_measuring || traffic->end_ns == 0 || traffic->now_ns < traffic->begin_ns)
		return;
	run->is_measuring = true;
	own_use_begin(&traffic->load->use);
	ignore_result(own_use_look(&traffic->load->use, traffic->begin_ns, traffic->now_ns));
}

/* Time of the next scheduled action other than the tick and the lanes' deadlines. */
static uint64_t next_deed_ns(const struct run *run)
{
	const struct traffic *traffic = &run->traffic;
	uint64_t start_ns = atomic_load(&traffic->plan->start_ns);
	if (traffic->end_ns != 0 && !traffic->plan->is_open)
		return run->next_to_begin < traffic->lanes.n ? traffic->now_ns : CLOCK_NEVER;
	if (traffic->end_ns != 0)
		return next_due_ns(run);
	return start_ns != 0 ? start_ns : traffic->now_ns + AWAKE_NS + ASK_NS;
}

static uint64_t wait_until_ns(const struct run *run)
{
	uint64_t due_ns = next_deed_ns(run);
	uint64_t until_ns = clock_earlier_ns(run->next_tick_ns, wakes_next_ns(&run->traffic.wakes));
	if (!run->is_measuring && run->traffic.end_ns != 0)
		until_ns = clock_earlier_ns(until_ns, run->traffic.begin_ns);
	if (run->traffic.n_queueing > 0)
		until_ns = clock_earlier_ns(until_ns, run->next_retry_ns);
	if (due_ns == CLOCK_NEVER)
		return until_ns;
	if (due_ns < run->traffic.now_ns + AWAKE_NS)
		return 0;
	return clock_earlier_ns(until_ns, due_ns - AWAKE_NS);
}

static bool is_over(const struct run *run)
{
	const struct traffic *traffic = &run->traffic;
	if (traffic->n_gone == traffic->lanes.n)
		return true;
	if (traffic->end_ns == 0)
		return run->grace_ends_ns != 0;
	/* What had come when the grace ended has been read, even after a standstill. */
	if (run->grace_ends_ns != 0 && run->looked_ns > run->grace_ends_ns)
		return true;
	/* Late as we may be ourselves, what was due before the end is still to be sent. */
	if (traffic->now_ns < traffic->end_ns || next_due_ns(run) != CLOCK_NEVER)
		return false;
	return traffic->n_in_flight == 0 && traffic->n_finishing == 0 &&
	       (traffic->n_owed == 0 || traffic_is_hopeless(traffic));
}

MUST_USE static int take_turn(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	uint64_t start_ns = atomic_load(&traffic->plan->start_ns);
	look_at_clock(run, traffic->now_ns);
	open_more(run);
	note_ready(run);
	if (start_ns != 0 && traffic->end_ns == 0 && traffic->now_ns >= start_ns)
		begin(run, start_ns);
	begin_more(run);
	begin_measuring(run);
	hand_over(run);
	release_due(run);
	retry(run); /* before tick() judges those that have waited too long */
	tick(run);
	run->looked_ns = traffic->now_ns;
	uint64_t until_ns = wait_until_ns(run);
	int rc = poller_wait(&traffic->poller, &run->events, until_ns);
	if (rc < 0)
		return rc;
	look_at_clock(run, until_ns > run->looked_ns ? until_ns : run->looked_ns);
	if (run->events.n == 0 && until_ns <= run->looked_ns)
		traffic->load->use.spun_ns += traffic->now_ns - run->looked_ns;
	for (int i = 0; i < run->events.n; i++) {
		const struct epoll_event *event = &run->events.list[i];
		hand_over(run);
		traffic_event(traffic, &traffic->lanes.list[event->data.u64], event->events);
		release_due(run); /* not only when all events have had their turn */
	}
	return 0;
}

MUST_USE static int run_lanes(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	int rc = 0;
	while (rc == 0 && !is_over(run))
		rc = take_turn(run);
	own_use_end(&traffic->load->use);
	traffic->now_ns = clock_now_ns();
	traffic->load->ended_ns = traffic->now_ns;
	traffic->load->end_ns = traffic->end_ns;
	uint64_t n_never = traffic->plan->is_open ? traffic->n_owed + n_unreleased(run) : 0;
	if (n_never > 0)
		result_fail(&traffic->load->result, RESULT_NEVER_SENT, n_never);
	for (uint32_t i = 0; i < traffic->lanes.n; i++)
		traffic_end(traffic, &traffic->lanes.list[i]);
	return rc;
}

int load_open(struct load *load)
{
	int rc = result_open(&load->result);
	if (rc < 0)
		return rc;
	rc = handover_open(&load->handover);
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
	handover_close(&load->handover);
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
	struct traffic *traffic = &run->traffic;
	traffic->load = load;
	traffic->plan = load->plan;
	traffic->wait_ns = load->plan->wait_ns != 0 ? load->plan->wait_ns : CLOCK_NEVER;
	int rc = lanes_open(&traffic->lanes, load->n_lanes, load->plan->depth, load->plan->size);
	if (rc < 0)
		goto free_run;
	rc = wakes_open(&traffic->wakes, load->n_lanes);
	if (rc < 0)
		goto close_lanes;
	rc = poller_open(&traffic->poller);
	if (rc < 0)
		goto close_wakes;
	rc = run_lanes(run);
	poller_close(&traffic->poller);
close_wakes:
	wakes_close(&traffic->wakes);
close_lanes:
	lanes_close(&traffic->lanes);
free_run:
	load->code = rc;
	if (!run->is_ready)
		atomic_fetch_add(&load->plan->n_ready, 1); /* the others need not wait for it */
	free(run);
}

bool load_explain(struct load *loads, uint32_t n, struct wrong_text *ret_text)
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
	*ret_text = wrong_explain(&found->wrong, load_server_addr(&found->plan->server),
				  load_source(found->plan, 0));
	return true;
}
