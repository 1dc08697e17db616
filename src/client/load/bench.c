/* SPDX-License-Identifier: MIT */
/*
 * The happy path: find the server and start the threads. Begin when all their connections are open
 * and the wanted start time has come. Print a line each second. At the end add up the threads'
 * counts.
 *
 * What else can happen: no address answers (then no thread is started); INT or TERM ends the run
 * early; a thread fails. The client itself may have been the limit: the report says so, because the
 * figures of such a run do not measure the server.
 */
#include "client/load/bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "client/dial.h"
#include "client/load/aggregate.h"
#include "client/load/live_line.h"
#include "client/load/load.h"
#include "client/load/load_loop.h"
#include "client/load/load_sum.h"
#include "net/io.h"
#include "net/signals.h"

/* Interval of the checks on the threads. */
#define CHECK_NS (20 * CLOCK_NS_PER_MS)

/* Time from the last thread's readiness to the start, so that all threads begin together. */
#define START_NS (20 * CLOCK_NS_PER_MS)

/*
 * The start is fixed when the wanted time is nearer than this: several checks, so none misses it.
 */
#define NEAR_NS (10 * CHECK_NS)

struct bench {
	const struct bench_config *config;
	struct bench_report *report;
	int signals_fd;
	struct load_plan plan;
	struct dialed first; /* connection by which the server was found */
	struct load loads[BENCH_THREADS_MAX];
	pthread_t threads[BENCH_THREADS_MAX];
	uint32_t n_threads; /* running threads */
	struct aggregate aggregate;
	struct mismatch_text wrong; /* meaning of the first wrong byte, if no echo came before */
	struct live_line live;
	uint64_t interrupted_ns;       /* 0: no signal came */
	uint64_t signals_read_ns;      /* signals sent before this time have been read */
	bool has_logged_endless_wait;  /* has printed that replies are awaited without limit */
	struct bottleneck_usage watch; /* of this thread, while messages are measured */
};

/* ---- signals ---- */

/* The first request ends the time in which messages begin; the second ends the wait for replies. */
static void request_end(struct bench *bench)
{
	if (bench->interrupted_ns != 0) {
		if (signals_is_new_request(bench->interrupted_ns, bench->signals_read_ns))
			atomic_store(&bench->plan.is_cut_short, true);
		return;
	}
	bench->interrupted_ns = clock_now_ns();
	atomic_store(&bench->plan.is_aborting, true);
	if (bench->interrupted_ns < load_end_ns(&bench->plan))
		return;
	live_line_clear(&bench->live);
	log_notice("a signal ends the wait for the last replies");
}

static void bench_read_signals(struct bench *bench)
{
	uint64_t now_ns = clock_now_ns();
	int signal;
	while ((signal = signals_next(bench->signals_fd)) != 0) {
		if (signal == SIGQUIT) {
			live_line_log_figures(&bench->live);
			continue;
		}
		request_end(bench);
		writer_note_signal(&bench->config->output->wait, signal);
	}
	bench->signals_read_ns = now_ns;
}

/* ---- the threads ---- */

static void *bench_thread_main(void *argument)
{
	struct load *load = argument;
	load_loop_run(load);
	atomic_store(&load->has_ended, true);
	return NULL;
}

/* Connections go to the threads in turn, as in client/load/schedule.h. */
static uint32_t load_conns_of(const struct bench *bench, uint64_t i)
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
			.n_conns = load_conns_of(bench, i),
			.first_fd = -1,
		};
		rc = load_open(load);
		if (rc < 0)
			break;
		if (i == 0)
			give_first_connection(bench, load);
		rc = -pthread_create(&bench->threads[i], NULL, bench_thread_main, load);
		if (rc == 0)
			bench->live.n_loads = ++bench->n_threads;
		else
			load_close(load);
	}
	return rc;
}

/*
 * Returns when the load begins, once all threads are ready; 0: not decided yet, call again.
 *
 * Different machines agree on the time of day, but it can be set and slewed. A run uses the
 * monotonic clock, which cannot be set. The wanted time is converted once, shortly before the
 * start. Corrections of the time of day until then must count. Otherwise two machines that waited
 * for an hour would start as far apart as their clocks were an hour ago. Corrections during the run
 * must not count, because they would distort the schedule.
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

/* Starts the load in all threads together. No byte is sent before. */
static void start_if_ready(struct bench *bench)
{
	if (atomic_load(&bench->plan.start_ns) != 0 ||
	    atomic_load(&bench->plan.n_ready) < bench->n_threads)
		return;
	uint64_t start_ns = choose_start_ns(bench);
	if (start_ns == 0)
		return;
	bench->report->start.is_clock_known = clock_query_sync(&bench->report->start.clock) == 0;
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

/* A thread or the recorder failed: no report is possible, so stop. */
static bool has_failed(const struct bench *bench)
{
	for (uint32_t i = 0; i < bench->n_threads; i++) {
		const struct load *load = &bench->loads[i];
		if (atomic_load(&load->has_ended) && load->code < 0)
			return true;
	}
	return bench->aggregate.code != 0;
}

/*
 * Records gaps of the process. A thread that is stopped while it waits for an echo cannot tell this
 * from a late echo.
 */
static void note_process_gap(struct bench *bench, uint64_t expected_ns)
{
	uint64_t now_ns = clock_now_ns();
	if (bench->watch.begin_ns == 0 && now_ns > load_begin_ns(&bench->plan))
		bottleneck_begin(&bench->watch);
	else
		bottleneck_note_process_gap(&bench->watch, expected_ns, now_ns);
}

/* Ends the run if the first reply shows that the server is not an echo server. */
static void check_first_reply(struct bench *bench)
{
	if (bench->wrong.text[0] != '\0' ||
	    !load_explain(bench->loads, bench->n_threads, &bench->wrong) ||
	    !bench->wrong.is_no_echo)
		return;
	live_line_clear(&bench->live);
	log_error("ended early: %s", bench->wrong.text);
	atomic_store(&bench->plan.is_aborting, true);
}

/* Prints once that replies are awaited without limit, which only a signal can end. */
static void log_endless_wait(struct bench *bench)
{
	uint64_t end_ns = load_end_ns(&bench->plan);
	if (bench->plan.wait_ns != 0 || bench->has_logged_endless_wait ||
	    bench->interrupted_ns != 0 || clock_now_ns() < clock_after_ns(end_ns, CLOCK_NS_PER_S))
		return;
	bench->has_logged_endless_wait = true;
	live_line_clear(&bench->live);
	log_notice("waiting for the last replies without limit (--wait off), until INT or TERM");
}

static void watch_run(struct bench *bench)
{
	struct output *output = bench->config->output;
	while (!have_all_ended(bench)) {
		struct pollfd fds[] = {
			{ .fd = bench->signals_fd, .events = POLLIN },
			output_pollfd(output),
		};
		uint64_t until_ns = clock_deadline_ns(CHECK_NS);
		ignore_result(io_wait(fds, ARRAY_LEN(fds), until_ns));
		note_process_gap(bench, until_ns);
		bench_read_signals(bench);
		if (fds[1].revents != 0 && !output_check(output))
			atomic_store(&bench->plan.is_aborting, true);
		start_if_ready(bench);
		aggregate_collect(&bench->aggregate, bench->n_threads);
		if (has_failed(bench))
			atomic_store(&bench->plan.is_aborting, true);
		check_first_reply(bench);
		load_server_update(&bench->plan.server);
		log_endless_wait(bench);
		live_line_show(&bench->live);
	}
	live_line_clear(&bench->live);
}

/* ---- results ---- */

/*
 * Explains the first wrong byte. A diagnosis takes up to a second and may connect, so it waits
 * until measuring has ended.
 */
static void explain_mismatch(struct bench *bench, struct mismatch_evidence *wrong)
{
	struct result *result = &bench->report->result;
	if (wrong == NULL)
		return;
	if (bench->wrong.text[0] == '\0')
		bench->wrong = mismatch_explain(wrong, load_server_addr(&bench->plan.server),
						load_source(&bench->plan, 0));
	snprintf(result->first_mismatch, sizeof(result->first_mismatch), "%s", bench->wrong.text);
}

/* Fills in the times of the run and its CPU shares, and checks whether the client was the limit. */
static void fill_times(struct bench *bench, const struct load_sum *sum)
{
	struct bench_report *report = bench->report;
	uint64_t begin_ns = load_begin_ns(&bench->plan);
	report->is_interrupted =
		bench->interrupted_ns != 0 &&
		load_sum_since(begin_ns, bench->interrupted_ns) < bench->plan.duration_ns;
	if (load_sum_since(begin_ns, sum->ended_ns) == 0)
		report->start_ns = 0;
	if (begin_ns == CLOCK_NEVER)
		return;
	report->result.elapsed_ns = load_sum_elapsed_ns(sum, &bench->plan, report->is_interrupted);
	const struct bottleneck_usage *use = &sum->use;
	double run_ns = use->elapsed_ns > 0 ? (double)use->elapsed_ns : 1;
	report->cpu_share = (double)use->cpu_ns / run_ns;
	report->spin_share = (double)use->spun_ns / run_ns;
	load_sum_check_client(sum, bench->plan.is_open, &report->result, report->client_bound);
}

/* Adds up causes by name. A message that was never sent is a consequence, not a cause. */
static void add_bench_causes(struct result *causes, const struct result_failure *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].name, RESULT_NEVER_SENT) != 0)
			result_fail(causes, list[i].name, list[i].n);
	}
}

/* Reports that no connection was left: with --no-reconnect the run may end early. */
static void log_no_connection_left(const struct bench *bench, uint64_t ended_ns)
{
	const struct bench_report *report = bench->report;
	const struct result *result = &report->result;
	struct result causes = { 0 };
	char names[256] = "";
	size_t used = 0;
	if (bench->config->reconnects || report->is_interrupted || bench->wrong.is_no_echo ||
	    ended_ns >= load_end_ns(&bench->plan))
		return;
	add_bench_causes(&causes, result->connection_errors, result->n_connection_errors);
	add_bench_causes(&causes, result->failures, result->n_failures);
	for (size_t i = 0; i < causes.n_failures && used < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s %" PRIu64,
					 i == 0 ? ": " : ", ", causes.failures[i].name,
					 causes.failures[i].n);
	log_error("ended early: no connection is left (--no-reconnect)%s", names);
}

MUST_USE static int sum_threads(struct bench *bench)
{
	struct load_sum sum = { 0 };
	int rc = 0;
	for (uint32_t i = 0; i < bench->n_threads; i++) {
		struct load *load = &bench->loads[i];
		pthread_join(bench->threads[i], NULL);
		load_sum_add(&sum, load);
		if (rc == 0)
			rc = load->code;
	}
	load_sum_add_watch(&sum, &bench->watch);
	uint64_t begin_ns = load_begin_ns(&bench->plan);
	aggregate_collect(&bench->aggregate, bench->n_threads);
	int gathered =
		aggregate_finish(&bench->aggregate, load_sum_since(begin_ns, sum.last_back_ns),
				 load_sum_since(begin_ns, sum.ended_ns));
	fill_times(bench, &sum);
	bench->report->has_kernel = kernel_view_mean(&sum.kernel, &bench->report->kernel);
	bench->report->sending = sum.kernel.sending;
	explain_mismatch(bench, sum.wrong);
	for (uint32_t i = 0; i < bench->plan.server.n; i++)
		served_by_note(&bench->report->served_by, &bench->plan.server.list[i]);
	bench->report->result.n_connections +=
		bench->plan.server.n_opened + bench->wrong.n_connections;
	for (uint32_t i = 0; i < bench->n_threads; i++) {
		/* The run ended before it was used. */
		bench->report->result.n_connections += bench->loads[i].first_fd >= 0;
		load_close(&bench->loads[i]);
	}
	log_no_connection_left(bench, sum.ended_ns);
	return rc < 0 ? rc : gathered;
}

/* ---- the run ---- */

/* Descriptors besides the connections: standard streams, signals, one poller per thread, a file. */
#define DESCRIPTORS_BESIDE (16 + BENCH_THREADS_MAX)

MUST_USE static int run_threads(struct bench *bench)
{
	int rc = aggregate_open(&bench->aggregate, bench->loads, bench->config->recorder,
				&bench->report->result);
	if (rc < 0)
		return rc;
	int started = start_threads(bench);
	if (started < 0)
		atomic_store(&bench->plan.is_aborting, true);
	watch_run(bench);
	int found = sum_threads(bench);
	aggregate_close(&bench->aggregate);
	return started < 0 ? started : found;
}

/* Finds an address of the server that answers, by a first connection. */
MUST_USE static enum exit_status bench_find_server(struct bench *bench)
{
	const struct bench_config *config = bench->config;
	const struct dial_request request = {
		.server = &config->server,
		.family = config->family,
		.source = load_source(&bench->plan, 0),
		.timeout_ns = config->wait_ns != 0 ? config->wait_ns : CLOCK_NEVER,
	};
	live_line_dial(&bench->live, &config->server);
	enum exit_status status = dial_await(&request, bench->signals_fd, &bench->first);
	live_line_clear(&bench->live);
	if (status != STATUS_OK)
		return status;
	load_server_open(&bench->plan.server, &request, &bench->first.addr);
	if (config->churns) { /* each message opens its own */
		io_close(&bench->first.fd);
		bench->report->result.n_connections++;
	}
	return STATUS_OK;
}

static void fill_plan(struct bench *bench)
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

MUST_USE static enum exit_status bench_verdict(const struct result *result)
{
	if (result->n_failures == 0 && result->n_connection_errors == 0 && result->n_echoes > 0)
		return STATUS_OK;
	int limit = dial_limit(result);
	if (limit == 0)
		return STATUS_ECHO_FAILED;
	dial_log_limit(limit);
	return STATUS_MACHINE;
}

static void open_live(struct bench *bench)
{
	const struct bench_config *config = bench->config;
	enum live_line_kind kind = config->shows_progress ? LIVE_LINES : LIVE_OFF;
	if (config->output->log.is_terminal)
		kind = LIVE_TERMINAL;
	bench->live = (struct live_line){
		.kind = config->is_quiet ? LIVE_OFF : kind,
		.plan = &bench->plan,
		.loads = bench->loads,
		.aggregate = &bench->aggregate,
		.start_at_ns = config->start_at_ns,
	};
}

/* Finds the server, runs the load, and fills in bench->report. */
MUST_USE static enum exit_status run_bench(struct bench *bench)
{
	fill_plan(bench);
	open_live(bench);
	enum exit_status status = bench_find_server(bench);
	if (status != STATUS_OK)
		return status;
	int rc = run_threads(bench);
	io_close(&bench->first.fd);
	if (rc < 0) {
		log_error("cannot continue: %s%s", err_text(rc).text, dial_remedy(rc));
		return STATUS_MACHINE;
	}
	bench->report->verdict = bench_verdict(&bench->report->result);
	return STATUS_OK;
}

enum exit_status bench_run(const struct bench_config *config, struct bench_report *ret_report)
{
	static struct bench bench; /* too large for a stack */
	struct bench_report report = { .start.wanted_ns = config->start_at_ns };
	bench = (struct bench){ .config = config, .report = &report, .signals_fd = -1 };
	if (!dial_has_descriptors(config->n_connections, DESCRIPTORS_BESIDE))
		return STATUS_MACHINE;
	int rc = result_open(&report.result);
	if (rc == 0)
		rc = bench.signals_fd = signals_setup_meter();
	enum exit_status status = STATUS_MACHINE;
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
