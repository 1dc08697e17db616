/* SPDX-License-Identifier: MIT */
/*
 * The happy path: all lanes connect, a few at a time; when those of all threads have, the warm-up
 * begins, then what counts; each message that is back is compared and noted, and the next goes out;
 * at the end none begins any more, and those under way come back.
 *
 * What else can happen: a lane's connection fails in any of the ways there are, and is opened again
 * a little later, unless that is not wanted; a message does not come back in time; we are called
 * off; the machine has no memory for us (load->code).
 *
 * Which messages count is decided by when they were due: after the warm-up and before the end. So
 * one that is slow counts however late it comes, and none is left out because the server was busy.
 */
#include "client/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "client/traffic.h"
#include "net/connect.h"

/* So many of a thread's lanes connect at a time, or short queues overflow and SYNs are lost. */
#define CONNECTING_MOST 64

/* Patience and reconnecting are looked after so often. */
#define TICK_NS (100 * CLOCK_NS_PER_MS)

/* With less to go until a message is due, it does not sleep: waking up takes its time. */
#define AWAKE_NS (2 * CLOCK_NS_PER_MS)

/* Before the start, it is asked so often whether and when that is. */
#define ASK_NS CLOCK_NS_PER_MS

/* So many messages are released before it is the turn of what has come back. */
#define RELEASES_MOST 64

/* When we are called off, what is under way has so long to come back. */
#define CALLED_OFF_NS CLOCK_NS_PER_S

struct run {
	struct traffic traffic;
	struct poller_events events;
	uint64_t begin_cpu_ns;
	uint64_t next_tick_ns;
	uint64_t next_retry_ns;    /* for lanes that wait for room in the queue of a unix socket */
	uint64_t next_handover_ns; /* the end of a second; CLOCK_NEVER: it has not begun */
	uint64_t called_off_ns;    /* 0: we are not */
	uint64_t looked_ns;        /* time before the last wait: what had come then is read */
	uint64_t n_released;       /* open loop: messages that have been due */
	uint32_t next_to_open;
	bool is_ready;
};

static uint64_t cpu_now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * CLOCK_NS_PER_S + (uint64_t)time.tv_nsec;
}

/* ---- an open loop's messages ---- */

/* When the next is due, of all lanes in turn; or CLOCK_NEVER. */
static uint64_t next_due_ns(const struct run *run)
{
	const struct traffic *traffic = &run->traffic;
	if (!traffic->plan->is_open || traffic->end_ns == 0 || traffic_is_called_off(traffic) ||
	    traffic_is_hopeless(traffic))
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

/* Those that fell due when there was no hope any more, or were too many to be looked at. */
static uint64_t n_unreleased(const struct run *run)
{
	const struct traffic *traffic = &run->traffic;
	uint64_t n = 0;
	for (uint32_t i = 0; i < traffic->lanes.n && traffic_is_hopeless(traffic); i++)
		n += traffic_due_before_end(traffic, &traffic->lanes.list[i]);
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

/* What the kernel knows of a connection; if there is none just now, what it knew before remains. */
static void look_at_kernel(struct traffic *traffic)
{
	struct load *load = traffic->load;
	for (uint32_t i = 0; i < traffic->lanes.n; i++) {
		const struct lane *lane = &traffic->lanes.list[i];
		if (lane->state != LANE_OPEN && lane->state != LANE_FINISHING)
			continue;
		load->has_kernel = tcpinfo_of(lane->fd, &load->kernel) &&
				   tcpinfo_sending_of(lane->fd, &load->sending);
		return;
	}
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
	return !traffic_is_called_off(traffic) && (!is_late || lane->n_owed > 0);
}

/* Whatever has arrived is read first: we may have been stopped until the time was over. */
static bool has_waited_too_long(const struct traffic *traffic, const struct lane *lane)
{
	uint64_t wait_ns = traffic->plan->wait_ns;
	if (wait_ns == 0)
		return false;
	if (lane->state == LANE_CONNECTING)
		return traffic->now_ns > lane->since_ns + wait_ns &&
		       !io_is_ready(lane->fd, POLLOUT);
	return lane_in_flight(lane) > 0 &&
	       traffic->now_ns > lane_oldest(&traffic->lanes, lane)->begun_ns + wait_ns &&
	       !io_is_ready(lane->fd, POLLIN);
}

/* The name of the failure of a lane that has waited too long. */
static const char *name_of_wait(const struct lane *lane)
{
	if (lane->state != LANE_CONNECTING)
		return "no_reply";
	return err_name(lane_is_queueing(lane) ? ERR_QUEUE_FULL : -ETIMEDOUT);
}

/* Those who failed are opened again; who churns does that for each message. */
static void look_after(struct traffic *traffic, struct lane *lane)
{
	if (has_waited_too_long(traffic, lane))
		traffic_fail(traffic, lane, name_of_wait(lane));
	if (lane->state != LANE_CLOSED || traffic->now_ns < lane->since_ns ||
	    !is_needed(traffic, lane))
		return;
	if (traffic->plan->churns)
		traffic_begin(traffic, lane);
	else if (traffic->n_connecting < CONNECTING_MOST)
		traffic_connect(traffic, lane);
}

static void tick(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	if (traffic->now_ns < run->next_tick_ns)
		return;
	run->next_tick_ns = traffic->now_ns + TICK_NS;
	if (run->called_off_ns == 0 && traffic_is_called_off(traffic))
		run->called_off_ns = traffic->now_ns;
	look_at_kernel(traffic);
	for (uint32_t i = 0; i < run->next_to_open; i++)
		look_after(traffic, &traffic->lanes.list[i]);
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
	run->next_handover_ns = traffic->begin_ns + CLOCK_NS_PER_S;
	run->begin_cpu_ns = cpu_now_ns();
	for (uint32_t i = 0; i < traffic->lanes.n && !traffic->plan->is_open; i++) {
		traffic->now_ns = clock_now_ns(); /* each counts from when it is sent itself */
		traffic_begin(traffic, &traffic->lanes.list[i]);
	}
}

/* When the next thing is to be done that nobody wakes us for, but the tick; or CLOCK_NEVER. */
static uint64_t next_deed_ns(const struct run *run)
{
	const struct traffic *traffic = &run->traffic;
	uint64_t start_ns = atomic_load(&traffic->plan->start_ns);
	if (traffic->end_ns != 0)
		return next_due_ns(run);
	return start_ns != 0 ? start_ns : traffic->now_ns + AWAKE_NS + ASK_NS;
}

static uint64_t wait_until_ns(const struct run *run)
{
	uint64_t due_ns = next_deed_ns(run), until_ns = run->next_tick_ns;
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
	if (traffic_is_called_off(traffic))
		return traffic->n_in_flight == 0 ||
		       (run->called_off_ns != 0 &&
			run->looked_ns > run->called_off_ns + CALLED_OFF_NS);
	/* Late as we may be ourselves, what was due before the end is still to be sent. */
	if (traffic->end_ns == 0 || traffic->now_ns < traffic->end_ns ||
	    next_due_ns(run) != CLOCK_NEVER)
		return false;
	return traffic->n_in_flight == 0 && (traffic->n_owed == 0 || traffic_is_hopeless(traffic));
}

MUST_USE static int take_turn(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	uint64_t start_ns = atomic_load(&traffic->plan->start_ns);
	traffic->now_ns = clock_now_ns();
	open_more(run);
	note_ready(run);
	if (start_ns != 0 && traffic->end_ns == 0 && traffic->now_ns >= start_ns)
		begin(run, start_ns);
	hand_over(run);
	release_due(run);
	retry(run); /* before tick() judges those that have waited too long */
	tick(run);
	run->looked_ns = traffic->now_ns;
	int rc = poller_wait(&traffic->poller, &run->events, wait_until_ns(run));
	if (rc < 0)
		return rc;
	traffic->now_ns = clock_now_ns();
	for (int i = 0; i < run->events.n; i++) {
		const struct epoll_event *event = &run->events.list[i];
		hand_over(run);
		traffic_event(traffic, &traffic->lanes.list[event->data.u64], event->events);
		release_due(run); /* not only when all events have had their turn */
	}
	return 0;
}

/*
 * What is still under way when we were called off is as if it had never been sent. It may have been
 * counted before the latest handover: then the counts go below zero, and the sum is right again.
 */
static void close_lane(struct traffic *traffic, struct lane *lane)
{
	struct result *result = &traffic->load->result;
	for (; lane_in_flight(lane) > 0; lane->n_back++) {
		if (!traffic_counts(traffic, lane_oldest(&traffic->lanes, lane)->due_ns))
			continue;
		result->n_sent--;
		result->bytes_sent -= traffic->lanes.size;
	}
	io_close(&lane->fd);
}

MUST_USE static int run_lanes(struct run *run)
{
	struct traffic *traffic = &run->traffic;
	int rc = 0;
	while (rc == 0 && !is_over(run))
		rc = take_turn(run);
	if (run->begin_cpu_ns != 0)
		traffic->load->cpu_ns = cpu_now_ns() - run->begin_cpu_ns;
	traffic->load->ended_ns = clock_now_ns();
	look_at_kernel(traffic);
	uint64_t n_never = traffic->plan->is_open ? traffic->n_owed + n_unreleased(run) : 0;
	if (n_never > 0 && !traffic_is_called_off(traffic))
		result_fail(&traffic->load->result, "never_sent", n_never);
	for (uint32_t i = 0; i < traffic->lanes.n; i++)
		close_lane(traffic, &traffic->lanes.list[i]);
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
	int rc = lanes_open(&traffic->lanes, load->n_lanes, load->plan->depth, load->plan->size);
	if (rc < 0)
		goto free_run;
	rc = poller_open(&traffic->poller);
	if (rc < 0)
		goto close_lanes;
	rc = run_lanes(run);
	poller_close(&traffic->poller);
close_lanes:
	lanes_close(&traffic->lanes);
free_run:
	load->code = rc;
	if (!run->is_ready)
		atomic_fetch_add(&load->plan->n_ready, 1); /* the others need not wait for it */
	free(run);
}
