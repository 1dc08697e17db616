/* SPDX-License-Identifier: MIT */
#include "client/check/check_run.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "client/check/check_conn.h"
#include "client/check/times.h"
#include "net/io.h"

/* Checks that run side by side at most. */
#define THREADS 12

/* Echoes that measure the path. */
#define PATH_ECHOES 21

enum state { NOT_SELECTED, WAITING, RUNNING, ENDED, HANDED_OUT };

/* A thread with memory for one check at a time. */
struct check_thread {
	struct check_run *run;
	pthread_t thread;
	struct times times[CHECK_TIMES];
	unsigned char buffer[CHECK_BUFFER_SIZE];
};

struct check_run {
	const struct check_settings *settings;
	struct check_path path;
	_Atomic uint64_t n_connections;
	int cancel_reader, cancel_writer; /* a pipe: all jobs see that its writer is closed */
	int done_reader, done_writer;     /* a byte for each check that has ended */
	struct check_thread *threads;
	size_t n_threads;

	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t changed;
	bool is_measured; /* the path: the first thread does it before any check runs */
	size_t n, next;   /* checks; the first one that was not handed out */
	size_t n_running;
	bool is_cancelled;
	enum state *states;
	struct check_result *results;
};

static void use_memory(struct check_job *job, struct check_thread *thread)
{
	for (size_t i = 0; i < CHECK_TIMES; i++)
		thread->times[i].n = 0;
	job->times = thread->times;
	job->buffer = thread->buffer;
}

/* ---- the path ---- */

/* Measures the round-trip time of the endpoint. What fails here, the checks explain. */
static void measure_path(struct check_run *run, struct check_thread *thread)
{
	struct check_result result = { 0 };
	struct check_conn conn;
	struct check_job job = {
		.settings = run->settings,
		.path = &run->path,
		.n_connections = &run->n_connections,
		.deadline_ns = clock_deadline_ns(run->settings->wait_ns),
		.cancel_fd = run->cancel_reader,
		.result = &result,
	};
	use_memory(&job, thread);
	if (check_try_open(&job, &(struct check_open){ 0 }, &conn) == 0) {
		run->path.connect_ns = conn.connect_ns;
		for (int i = 0; i < PATH_ECHOES; i++) {
			uint64_t before_ns = clock_now_ns();
			if (check_exchange(&conn, 1, 0) != CHECK_DONE)
				break;
			times_add(job.times, clock_now_ns() - before_ns);
		}
	}
	check_close(&conn);
	run->path.rtt_ns = times_median(job.times);
}

/* ---- threads ---- */

static bool has_flag(size_t check, unsigned int flag)
{
	return (checks[check].flags & flag) != 0;
}

static void run_check(struct check_run *run, size_t i, struct check_thread *thread)
{
	const struct check *check = &checks[i];
	uint64_t start_ns = clock_now_ns();
	uint64_t time_ns = clock_after_ns(check->timeout_ns, run->settings->wait_ns);
	if (check->class == CHECK_SLOW)
		time_ns = clock_after_ns(time_ns, run->settings->idle_ns);
	struct check_job job = {
		.settings = run->settings,
		.path = &run->path,
		.check = check,
		.n_connections = &run->n_connections,
		.deadline_ns = clock_after_ns(start_ns, time_ns),
		.cancel_fd = run->cancel_reader,
		.result = &run->results[i],
	};
	use_memory(&job, thread);
	if (has_flag(i, CHECK_TCP_ONLY) && run->path.addr.any.sa_family == AF_UNIX)
		check_skip(&job, "not a TCP connection");
	else if (has_flag(i, CHECK_PROCESS) && run->settings->own_server == NULL)
		check_skip(&job, "needs a server that --exec has started");
	else if (has_flag(i, CHECK_DURING) && run->settings->during == NULL)
		check_skip(&job, "needs a command (--during)");
	else
		check->run(&job);
	/* Only without a verdict. */
	check_skip(&job, check_is_over(&job) ? "interrupted" : "too slow to judge");
	verdict_make_printable(&run->results[i]);
	run->results[i].took_ns = clock_now_ns() - start_ns;
}

/* Returns the next check to run, the number of checks if none may run now. */
static size_t find_waiting(const struct check_run *run, bool alone)
{
	size_t i = 0;
	while (i < run->n && (run->states[i] != WAITING || has_flag(i, CHECK_ALONE) != alone))
		i++;
	return i;
}

/* Waits for a check that may run now, and takes it. Returns false if none is left. */
static bool take_check(struct check_run *run, size_t *ret_i)
{
	size_t i;
	pthread_mutex_lock(&run->mutex);
	for (;;) {
		if (!run->is_measured) {
			pthread_cond_wait(&run->changed, &run->mutex);
			continue;
		}
		bool any_alone = find_waiting(run, true) < run->n;
		i = find_waiting(run, false);
		if (i == run->n && run->n_running == 0)
			i = find_waiting(run, true);
		if (i < run->n || !any_alone || run->is_cancelled)
			break;
		pthread_cond_wait(&run->changed, &run->mutex);
	}
	bool found = i < run->n && !run->is_cancelled;
	if (found) {
		run->states[i] = RUNNING;
		run->n_running++;
	}
	pthread_mutex_unlock(&run->mutex);
	*ret_i = i;
	return found;
}

static void note_ended(struct check_run *run, size_t i)
{
	pthread_mutex_lock(&run->mutex);
	run->states[i] = ENDED;
	run->n_running--;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->mutex);
	/* The pipe has room for more bytes than there are checks. */
	ignore_result(io_write(run->done_writer, "", 1));
}

static void note_measured(struct check_run *run)
{
	pthread_mutex_lock(&run->mutex);
	run->is_measured = true;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->mutex);
}

static void *run_thread(void *argument)
{
	struct check_thread *thread = argument;
	struct check_run *run = thread->run;
	size_t i;
	if (thread == run->threads) {
		measure_path(run, thread);
		note_measured(run);
	}
	while (take_check(run, &i)) {
		run_check(run, i, thread);
		note_ended(run, i);
	}
	return NULL;
}

/* ---- a run ---- */

static void select_checks(struct check_run *run, const bool *selected)
{
	for (size_t i = 0; i < run->n; i++) {
		snprintf(run->results[i].name, sizeof(run->results[i].name), "%s", checks[i].name);
		run->states[i] = selected[i] ? WAITING : NOT_SELECTED;
	}
}

/* Starts as many threads as can be started. Returns 0 if there is at least one. */
MUST_USE static int start_threads(struct check_run *run)
{
	int rc = 0;
	while (run->n_threads < THREADS && rc == 0) {
		struct check_thread *thread = &run->threads[run->n_threads];
		thread->run = run;
		rc = -pthread_create(&thread->thread, NULL, run_thread, thread);
		run->n_threads += rc == 0;
	}
	return run->n_threads > 0 ? 0 : rc;
}

int check_run_open(const struct check_settings *settings, const struct addr *addr,
		   const bool *selected, struct check_run **ret_run)
{
	struct check_run *run = calloc(1, sizeof(*run));
	if (run == NULL)
		return -ENOMEM;
	*run = (struct check_run){
		.settings = settings,
		.path = { .addr = *addr },
		.cancel_reader = -1,
		.cancel_writer = -1,
		.done_reader = -1,
		.done_writer = -1,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.n = check_count(),
	};
	run->states = calloc(run->n, sizeof(*run->states));
	run->results = calloc(run->n, sizeof(*run->results));
	run->threads = calloc(THREADS, sizeof(*run->threads));
	int rc = run->states == NULL || run->results == NULL || run->threads == NULL ? -ENOMEM : 0;
	if (rc == 0)
		rc = io_pipe(&run->cancel_reader, &run->cancel_writer);
	if (rc == 0)
		rc = io_pipe(&run->done_reader, &run->done_writer);
	if (rc == 0) {
		select_checks(run, selected);
		rc = start_threads(run);
	}
	if (rc < 0)
		check_run_close(run);
	else
		*ret_run = run;
	return rc;
}

void check_run_cancel(struct check_run *run)
{
	pthread_mutex_lock(&run->mutex);
	run->is_cancelled = true;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->mutex);
	io_close(&run->cancel_writer);
}

void check_run_close(struct check_run *run)
{
	check_run_cancel(run);
	for (size_t i = 0; i < run->n_threads; i++)
		pthread_join(run->threads[i].thread, NULL);
	io_close(&run->cancel_reader);
	io_close(&run->done_reader);
	io_close(&run->done_writer);
	free(run->threads);
	free(run->states);
	free(run->results);
	free(run);
}

const struct check_path *check_run_path(const struct check_run *run)
{
	return &run->path;
}

/* Hands out the next result if it is there. */
static const struct check_result *hand_out(struct check_run *run)
{
	const struct check_result *result = NULL;
	pthread_mutex_lock(&run->mutex);
	while (run->next < run->n && run->states[run->next] == NOT_SELECTED)
		run->next++;
	if (run->next < run->n && run->states[run->next] == ENDED) {
		run->states[run->next] = HANDED_OUT;
		result = &run->results[run->next++];
	}
	pthread_mutex_unlock(&run->mutex);
	return result;
}

bool check_run_is_over(const struct check_run *run)
{
	return run->next == run->n;
}

const struct check_result *check_run_next(struct check_run *run, int wake_fd, uint64_t until_ns)
{
	struct pollfd fds[] = {
		{ .fd = run->done_reader, .events = POLLIN },
		{ .fd = wake_fd, .events = POLLIN },
	};
	for (;;) {
		char byte;
		const struct check_result *result = hand_out(run);
		if (result != NULL || check_run_is_over(run))
			return result;
		int ready = io_wait(fds, ARRAY_LEN(fds), until_ns);
		if (ready <= 0 || fds[1].revents != 0)
			return NULL;
		ignore_result(io_read(run->done_reader, &byte, 1)); /* it is there */
	}
}

struct check_progress check_run_progress(struct check_run *run)
{
	struct check_progress progress = { 0 };
	pthread_mutex_lock(&run->mutex);
	for (size_t i = 0; i < run->n; i++) {
		progress.n_all += run->states[i] != NOT_SELECTED;
		progress.n_done += run->states[i] == ENDED || run->states[i] == HANDED_OUT;
		if (run->states[i] == RUNNING && progress.running == NULL)
			progress.running = checks[i].name;
	}
	pthread_mutex_unlock(&run->mutex);
	return progress;
}
