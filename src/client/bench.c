/* SPDX-License-Identifier: MIT */
/*
 * The happy path: find the server, start the threads, begin when all their connections are open
 * and the moment that was asked for has come, say every second how it goes, add up what they found.
 *
 * What else can happen: nobody answers (then no thread is started); INT or TERM ends it early; a
 * thread gives up. And the client itself may have been what was too slow: that is said, because
 * figures of such a run are no measurement of the server.
 */
#include "client/bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "client/dial.h"
#include "client/gather.h"
#include "client/live.h"
#include "client/load.h"
#include "net/io.h"
#include "net/signals.h"

/* How often the threads are looked at. */
#define LOOK_NS (20 * CLOCK_NS_PER_MS)

/* The measuring begins so long after the last thread was ready, so that all begin together. */
#define START_NS (20 * CLOCK_NS_PER_MS)

/*
 * With less to go until a wanted start, the moment is fixed: a few looks, so that none is missed.
 */
#define NEAR_NS (10 * LOOK_NS)

/*
 * Messages that leave later than this by our own doing, one in a hundred of them, and later than a
 * tenth of what a round trip takes: the rate was not the one that was asked for.
 */
#define LATENESS_NS (100 * (CLOCK_NS_PER_MS / 1000))

struct bench {
	const struct bench_config *config;
	struct bench_report *report;
	int signals_fd;
	struct load_plan plan;
	struct dialed first; /* the connection by which the server was found */
	struct load loads[BENCH_THREADS_MOST];
	pthread_t threads[BENCH_THREADS_MOST];
	uint32_t n_threads; /* that are running */
	struct gather gather;
	struct wrong_text wrong;     /* what the first wrong byte means, if no echo came before */
	struct series_keeper keeper; /* notes what the live line shows, for config->keeper */
	struct live live;
	uint64_t interrupted_ns; /* 0: no signal came */
	struct own_use watch;    /* of this thread, while there is something to measure */
};

/* ---- signals ---- */

static void hear_signals(struct bench *bench)
{
	int signal;
	while ((signal = signals_next(bench->signals_fd)) != 0) {
		if (signal == SIGQUIT) {
			live_answer(&bench->live);
			continue;
		}
		atomic_store(&bench->plan.is_called_off, true);
		if (bench->interrupted_ns == 0)
			bench->interrupted_ns = clock_now_ns();
		bench->config->teller->wait.ended_by = signal;
	}
}

/* ---- the threads ---- */

static void *be_thread(void *argument)
{
	struct load *load = argument;
	load_run(load);
	atomic_store(&load->has_ended, true);
	return NULL;
}

/* Connections go to the threads in turn: as client/schedule.h has it. */
static uint32_t lanes_of(const struct bench *bench, uint64_t i)
{
	uint64_t n = bench->config->n_connections, n_threads = bench->plan.n_threads;
	return (uint32_t)((n + n_threads - 1 - i) / n_threads);
}

static void give_first_connection(struct bench *bench, struct load *load)
{
	load->first_fd = bench->first.fd;
	load->first_took_ns = bench->first.took_ns;
	bench->first.fd = -1;
}

MUST_USE static int start_threads(struct bench *bench)
{
	int rc = 0;
	for (uint32_t i = 0; rc == 0 && i < bench->plan.n_threads; i++) {
		struct load *load = &bench->loads[i];
		*load = (struct load){
			.plan = &bench->plan,
			.number = i,
			.n_lanes = lanes_of(bench, i),
			.first_fd = -1,
		};
		rc = load_open(load);
		if (rc < 0)
			break;
		if (i == 0)
			give_first_connection(bench, load);
		rc = -pthread_create(&bench->threads[i], NULL, be_thread, load);
		if (rc == 0)
			bench->live.n_loads = ++bench->n_threads;
		else
			load_close(load);
	}
	return rc;
}

/*
 * When the load begins, now that all are ready; 0: later, ask again.
 *
 * Machines agree on the time of day, but it is set and steered while we look at it; a run goes by
 * the monotonic clock, which nobody sets. The one becomes the other once, and shortly before the
 * start: what the time of day is corrected by until then must count, or two machines that waited
 * for an hour would begin as far apart as they were at first; what it is corrected by during the
 * run must not, or the schedule would bend.
 */
static uint64_t choose_start_ns(struct bench *bench)
{
	uint64_t wanted_ns = bench->config->start_at_ns;
	uint64_t soonest_ns = clock_deadline_ns(START_NS);
	uint64_t soonest_of_day_ns = clock_since_epoch_ns(soonest_ns);
	if (wanted_ns == 0)
		return soonest_ns;
	if (wanted_ns < soonest_of_day_ns) {
		bench->report->start.late_ns = soonest_of_day_ns - wanted_ns;
		return soonest_ns;
	}
	uint64_t left_ns = wanted_ns - soonest_of_day_ns;
	return left_ns < NEAR_NS ? soonest_ns + left_ns : 0;
}

/* Begins together; until then nobody has sent a byte. */
static void begin_if_ready(struct bench *bench)
{
	if (atomic_load(&bench->plan.start_ns) != 0 ||
	    atomic_load(&bench->plan.n_ready) < bench->n_threads)
		return;
	uint64_t start_ns = choose_start_ns(bench);
	if (start_ns == 0)
		return;
	bench->report->start.is_clock_known = clock_ask_trust(&bench->report->start.clock) == 0;
	bench->report->start_ns = clock_since_epoch_ns(start_ns + bench->plan.warmup_ns);
	bench->plan.schedule.start_ns = start_ns;
	atomic_store(&bench->plan.start_ns, start_ns);
}

static bool have_all_ended(const struct bench *bench)
{
	for (uint32_t i = 0; i < bench->n_threads; i++) {
		if (!atomic_load(&bench->loads[i].has_ended))
			return false;
	}
	return true;
}

/* What cannot be told in the end need not be measured until then. */
static bool can_go_on(const struct bench *bench)
{
	for (uint32_t i = 0; i < bench->n_threads; i++) {
		const struct load *load = &bench->loads[i];
		if (atomic_load(&load->has_ended) && load->code < 0)
			return false;
	}
	return bench->gather.code == 0;
}

/* Stopped while it waits for an echo, a thread that measures cannot tell that from a late echo. */
static void watch_standstill(struct bench *bench, uint64_t expected_ns)
{
	uint64_t now_ns = clock_now_ns();
	if (bench->watch.begin_ns == 0 && now_ns > load_begin_ns(&bench->plan))
		own_use_begin(&bench->watch);
	else
		own_use_watch(&bench->watch, expected_ns, now_ns);
}

/* If the first reply shows that it is no echo server, ends the run: there is nothing to measure. */
static void check_endpoint(struct bench *bench)
{
	if (bench->wrong.text[0] != '\0' ||
	    !load_explain(bench->loads, bench->n_threads, &bench->wrong) ||
	    !bench->wrong.is_no_echo)
		return;
	live_clear(&bench->live);
	log_error("ended early: %s", bench->wrong.text);
	atomic_store(&bench->plan.is_called_off, true);
}

static void look_on(struct bench *bench)
{
	struct teller *teller = bench->config->teller;
	while (!have_all_ended(bench)) {
		struct pollfd fds[] = {
			{ .fd = bench->signals_fd, .events = POLLIN },
			teller_pollfd(teller),
		};
		uint64_t until_ns = clock_deadline_ns(LOOK_NS);
		ignore_result(io_wait(fds, ARRAY_LEN(fds), until_ns));
		watch_standstill(bench, until_ns);
		hear_signals(bench);
		if (fds[1].revents != 0 && !teller_check(teller))
			atomic_store(&bench->plan.is_called_off, true);
		begin_if_ready(bench);
		gather_look(&bench->gather, bench->n_threads);
		if (!can_go_on(bench))
			atomic_store(&bench->plan.is_called_off, true);
		check_endpoint(bench);
		load_server_look(&bench->plan.server);
		live_show(&bench->live);
	}
	live_clear(&bench->live);
}

/* ---- what they found ---- */

/* The code of a failure that is this machine's own limit, if there was any; else 0. */
static int local_failure(const struct result *result)
{
	int code = 0;
	for (size_t i = 0; code == 0 && i < result->n_failures; i++)
		code = err_local_code(result->failures[i].name);
	for (size_t i = 0; code == 0 && i < result->n_connection_errors; i++)
		code = err_local_code(result->connection_errors[i].name);
	return code;
}

static void judge_client(struct bench *bench, const struct own_use *use)
{
	struct bench_report *report = bench->report;
	const struct result *result = &report->result;
	uint64_t late_ns = histogram_percentile_ns(&result->lateness, 99);
	uint64_t usual_ns = histogram_percentile_ns(&result->service, 50);
	char *text = report->client_bound;
	size_t size = sizeof(report->client_bound);
	int limit = local_failure(result);
	if (limit != 0) {
		snprintf(text, size, "%s%s", err_text(limit).text, dial_remedy(limit));
		return;
	}
	if (late_ns > LATENESS_NS && late_ns > usual_ns / 10)
		snprintf(text, size,
			 "one message in a hundred left %.1f us late or more, by the client's own "
			 "doing",
			 clock_us(late_ns));
	own_limit(use, !bench->plan.is_open, text);
}

static uint64_t later(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns > b_ns ? a_ns : b_ns;
}

static uint64_t since(uint64_t begin_ns, uint64_t moment_ns)
{
	return moment_ns > begin_ns ? moment_ns - begin_ns : 0;
}

/* What the threads saw, added up. */
struct found {
	uint64_t last_back_ns, end_ns, ended_ns;
	struct own_use use;
	struct kernel_view kernel;
	struct wrong_evidence *wrong; /* the first of all; NULL: none */
};

/*
 * What the echoes are divided by. In a closed loop that is the time in which messages began: what
 * is under way at its end was not begun at a lower rate because one of them is slow. In an open
 * loop, in which they begin as the schedule says, it is the time until the last was back.
 */
static uint64_t elapsed_ns(const struct load_plan *plan, const struct found *found)
{
	uint64_t begin_ns = load_begin_ns(plan);
	uint64_t ran_ns = since(begin_ns, clock_earlier_ns(found->end_ns, found->ended_ns));
	return plan->is_open ? later(since(begin_ns, found->last_back_ns), ran_ns) : ran_ns;
}

/* A diagnosis takes up to a second, and may connect: now that nothing is measured any more. */
static void explain_wrong(struct bench *bench, struct wrong_evidence *wrong)
{
	struct result *result = &bench->report->result;
	if (wrong == NULL)
		return;
	if (bench->wrong.text[0] == '\0')
		bench->wrong = wrong_explain(wrong, load_server_addr(&bench->plan.server),
					     load_source(&bench->plan, 0));
	snprintf(result->first_mismatch, sizeof(result->first_mismatch), "%s", bench->wrong.text);
}

/* What is told of all threads' counts. */
static void note_times(struct bench *bench, const struct found *found)
{
	struct bench_report *report = bench->report;
	uint64_t begin_ns = load_begin_ns(&bench->plan);
	report->is_interrupted = bench->interrupted_ns != 0 &&
				 since(begin_ns, bench->interrupted_ns) < bench->plan.duration_ns;
	if (since(begin_ns, found->ended_ns) == 0)
		report->start_ns = 0;
	if (begin_ns == CLOCK_NEVER)
		return;
	report->result.elapsed_ns = elapsed_ns(&bench->plan, found);
	const struct own_use *use = &found->use;
	double run_ns = use->elapsed_ns > 0 ? (double)use->elapsed_ns : 1;
	report->cpu_share = (double)use->cpu_ns / run_ns;
	report->spin_share = (double)use->spun_ns / run_ns;
	judge_client(bench, use);
}

static void add_load(struct found *found, struct load *load)
{
	found->last_back_ns = later(found->last_back_ns, load->last_back_ns);
	found->end_ns = later(found->end_ns, load->end_ns);
	found->ended_ns = later(found->ended_ns, load->ended_ns);
	own_use_add(&found->use, &load->use);
	kernel_view_add(&found->kernel, &load->kernel);
	if (load->wrong.is_there &&
	    (found->wrong == NULL || load->wrong.until_ns < found->wrong->until_ns))
		found->wrong = &load->wrong;
}

MUST_USE static int add_up(struct bench *bench)
{
	struct found found = { 0 };
	int rc = 0;
	for (uint32_t i = 0; i < bench->n_threads; i++) {
		struct load *load = &bench->loads[i];
		pthread_join(bench->threads[i], NULL);
		add_load(&found, load);
		if (rc == 0)
			rc = load->code;
	}
	found.use.longest_ns = later(found.use.longest_ns, bench->watch.longest_ns);
	found.use.gaps_ns = later(found.use.gaps_ns, bench->watch.gaps_ns);
	uint64_t begin_ns = load_begin_ns(&bench->plan);
	gather_look(&bench->gather, bench->n_threads);
	int gathered = gather_finish(&bench->gather, since(begin_ns, found.last_back_ns),
				     since(begin_ns, found.ended_ns));
	note_times(bench, &found);
	bench->report->has_kernel = kernel_view_mean(&found.kernel, &bench->report->kernel);
	bench->report->sending = found.kernel.sending;
	explain_wrong(bench, found.wrong);
	for (uint32_t i = 0; i < bench->n_threads; i++)
		load_close(&bench->loads[i]);
	return rc < 0 ? rc : gathered;
}

/* ---- the run ---- */

/* Besides the connections: standard streams, signals, a poller for each thread, a file. */
#define DESCRIPTORS_BESIDE (16 + BENCH_THREADS_MOST)

MUST_USE static int run_threads(struct bench *bench)
{
	int rc = gather_open(&bench->gather, bench->loads, &bench->keeper, &bench->report->result);
	if (rc < 0)
		return rc;
	int started = start_threads(bench);
	if (started < 0)
		atomic_store(&bench->plan.is_called_off, true);
	look_on(bench);
	int found = add_up(bench);
	gather_close(&bench->gather);
	return started < 0 ? started : found;
}

/* Finds which of the server's addresses answers, by a first connection. */
MUST_USE static enum status find_server(struct bench *bench)
{
	const struct bench_config *config = bench->config;
	const struct dial_request request = {
		.server = &config->server,
		.family = config->family,
		.source = load_source(&bench->plan, 0),
		.timeout_ns = config->wait_ns != 0 ? config->wait_ns : CLOCK_NEVER,
	};
	live_dial(&bench->live, &config->server);
	enum status status = dial_await(&request, bench->signals_fd, &bench->first);
	live_clear(&bench->live);
	if (status != STATUS_OK)
		return status;
	load_server_open(&bench->plan.server, &request, &bench->first.addr);
	bench->report->address = addr_format(&bench->first.addr);
	if (config->churns) /* each message has its own */
		io_close(&bench->first.fd);
	return STATUS_OK;
}

static void make_plan(struct bench *bench)
{
	const struct bench_config *config = bench->config;
	bench->plan = (struct load_plan){
		.sources = config->sources,
		.n_sources = config->n_sources,
		.size = config->size,
		.depth = (uint32_t)config->depth,
		.n_threads = (uint32_t)config->n_threads,
		.seed = config->seed,
		.wait_ns = config->wait_ns,
		.is_open = config->rate != 0,
		.churns = config->churns,
		.resets = config->resets,
		.reconnects = config->reconnects,
		.schedule = {
			.per_second = config->rate,
			.n_connections = config->n_connections,
		},
		.warmup_ns = config->warmup_ns,
		.duration_ns = config->duration_ns,
	};
}

MUST_USE static enum status judge_run(const struct result *result)
{
	if (result->n_failures == 0 && result->n_connection_errors == 0 && result->n_echoes > 0)
		return STATUS_OK;
	int limit = dial_limit(result);
	if (limit == 0)
		return STATUS_ECHO_FAILED;
	dial_say_limit(limit);
	return STATUS_MACHINE;
}

static void open_live(struct bench *bench)
{
	const struct bench_config *config = bench->config;
	enum live_kind kind = config->shows_progress ? LIVE_LINES : LIVE_OFF;
	if (config->teller->log.is_terminal)
		kind = LIVE_TERMINAL;
	bench->live = (struct live){
		.kind = config->is_quiet ? LIVE_OFF : kind,
		.plan = &bench->plan,
		.loads = bench->loads,
		.start_at_ns = config->start_at_ns,
		.keeper = &config->keeper,
	};
	bench->keeper = live_keeper(&bench->live);
}

/* Finds the server, runs, and fills in bench->report. */
MUST_USE static enum status run_bench(struct bench *bench)
{
	make_plan(bench);
	open_live(bench);
	enum status status = find_server(bench);
	if (status != STATUS_OK)
		return status;
	int rc = run_threads(bench);
	io_close(&bench->first.fd);
	if (rc < 0) {
		log_error("cannot go on: %s%s", err_text(rc).text, dial_remedy(rc));
		return STATUS_MACHINE;
	}
	bench->report->verdict = judge_run(&bench->report->result);
	return STATUS_OK;
}

enum status bench_run(const struct bench_config *config, struct bench_report *ret_report)
{
	static struct bench bench; /* too large for a stack */
	struct bench_report report = { .start.wanted_ns = config->start_at_ns };
	bench = (struct bench){ .config = config, .report = &report, .signals_fd = -1 };
	if (!dial_has_room(config->n_connections, DESCRIPTORS_BESIDE))
		return STATUS_MACHINE;
	int rc = result_open(&report.result);
	if (rc == 0)
		rc = bench.signals_fd = signals_setup_meter();
	enum status status = STATUS_MACHINE;
	if (rc >= 0)
		status = run_bench(&bench);
	else
		log_error("cannot start: %s", err_text(rc).text);
	io_close(&bench.signals_fd);
	if (status == STATUS_OK)
		*ret_report = report;
	else
		result_close(&report.result);
	return status;
}
