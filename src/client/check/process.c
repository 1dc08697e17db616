/* SPDX-License-Identifier: MIT */
/* Checks of the server's processes: only with --exec. */
#include "client/check/checks.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "client/check/check_conn.h"
#include "net/server_process.h"

#define CONNECTIONS 100
#define PAUSE_NS    (50 * CLOCK_NS_PER_MS)

/* Makes n echoes on a connection each. Returns whether all succeeded; if not, the check failed. */
MUST_USE static bool make_echoes(struct check_job *job, int n, const char *what, const char *means)
{
	for (int i = 0; i < n && !check_is_over(job); i++) {
		struct check_conn conn;
		struct check_text expected = check_text("an echo %s", what);
		int rc = check_try_open(job, &(struct check_open){ 0 }, &conn);
		if (rc < 0 && rc != -ECANCELED)
			check_fail(job, expected, check_text("%s", err_text(rc).text), means);
		if (rc == 0) {
			check_exchange(&conn, 64, 0);
			if (check_expect(&conn, CHECK_DONE, expected, means) &&
			    check_send_fin(&conn) == CHECK_DONE)
				check_await_end(&conn);
		}
		check_close(&conn);
	}
	return !check_is_over(job);
}

/* Observes the server. Returns false if that fails: then the check is skipped. */
MUST_USE static bool observe(struct check_job *job, struct server_view *ret_view)
{
	int rc = server_process_view(job->settings->process, ret_view);
	if (rc < 0)
		check_skip(job, "its processes cannot be seen: %s", err_text(rc).text);
	return rc == 0;
}

void check_zombies(struct check_job *job)
{
	struct server_view before, after = { 0 };
	uint64_t until_ns;
	if (!observe(job, &before) ||
	    !make_echoes(job, CONNECTIONS, "on each of 100 connections", ""))
		return;
	until_ns = clock_deadline_ns(job->settings->wait_ns);
	do {
		if (!observe(job, &after) || check_pause(job, PAUSE_NS) != CHECK_DONE)
			return;
	} while (after.n_zombies > before.n_zombies && clock_now_ns() < until_ns);
	if (after.n_zombies > before.n_zombies)
		check_fail(job, check_text("no zombie after %d connections", CONNECTIONS),
			   check_text("%zu zombies", after.n_zombies),
			   "children that have ended are not reaped (wait(2)): in the end the "
			   "machine has no process left");
	else
		check_pass(job, "no zombie after %d connections", CONNECTIONS);
}

void check_descriptors(struct check_job *job)
{
	struct server_view before, after = { 0 };
	uint64_t until_ns;
	/* What is opened once, for the first client, is no loss. */
	if (!make_echoes(job, 1, "before", "") || check_pause(job, PAUSE_NS) != CHECK_DONE ||
	    !observe(job, &before) ||
	    !make_echoes(job, CONNECTIONS, "on each of 100 connections", ""))
		return;
	if (before.n_descriptors == 0) {
		check_skip(job, "its descriptors cannot be seen: not allowed");
		return;
	}
	until_ns = clock_deadline_ns(job->settings->wait_ns);
	do {
		if (!observe(job, &after) || check_pause(job, PAUSE_NS) != CHECK_DONE)
			return;
	} while (after.n_descriptors >= before.n_descriptors + CONNECTIONS / 2 &&
		 clock_now_ns() < until_ns);
	if (after.n_descriptors >= before.n_descriptors + CONNECTIONS / 2)
		check_fail(job,
			   check_text("%zu descriptors, as before %d connections",
				      before.n_descriptors, CONNECTIONS),
			   check_text("%zu descriptors", after.n_descriptors),
			   "connections are not closed: in the end none can be accepted");
	else
		check_pass(job, "%zu descriptors before, %zu after %d connections",
			   before.n_descriptors, after.n_descriptors, CONNECTIONS);
}

#define UNREAD (256 * 1024)
#define RESETS 20

void check_sigpipe(struct check_job *job)
{
	const char *means = "SIGPIPE, or an error of one connection, ends the server";
	int rc = 0;
	for (int i = 0; i < RESETS && !check_is_over(job) && rc == 0; i++) {
		struct check_conn conn;
		rc = check_try_open(job, &(struct check_open){ 0 }, &conn);
		if (rc == 0)
			check_send(&conn, UNREAD, CLOCK_NS_PER_MS);
		check_reset(&conn);
	}
	if (check_pause(job, PAUSE_NS) == CHECK_DONE &&
	    !server_process_is_running(job->settings->process))
		check_fail(job, check_text("a server that runs after %d resets", RESETS),
			   check_text("its first process has ended"), means);
	if (make_echoes(job, 5, "after resets", means))
		check_pass(job, "it runs after %d resets in the middle of a transfer", RESETS);
}

void check_second_client(struct check_job *job)
{
	struct check_conn idle;
	if (check_open(job, &idle) &&
	    make_echoes(job, 1, "while another client is idle",
			"an iterative server: a client waits until the one before it ends"))
		check_pass(job, "an echo while another client is idle");
	check_close(&idle);
}

void check_child_killed(struct check_job *job)
{
	struct check_conn conn;
	struct server_view view;
	if (!check_open(job, &conn))
		goto close;
	check_exchange(&conn, 1, 0);
	if (!check_expect(&conn, CHECK_DONE, check_text("1 byte"), "") || !observe(job, &view))
		goto close;
	if (view.child == 0) {
		check_skip(job, "the server has no child");
		goto close;
	}
	kill(view.child, SIGKILL);
	if (check_pause(job, 4 * PAUSE_NS) == CHECK_DONE &&
	    make_echoes(job, 5, "after a child was killed", "a child that is killed ends all"))
		check_pass(job, "clients are served after a child was killed");
close:
	check_close(&conn);
}

#define OPEN 5

void check_restart(struct check_job *job)
{
	struct server_process *process = job->settings->process;
	struct check_conn conns[OPEN];
	int n = 0, rc = 0;
	struct check_text expected = check_text("a new start on the same port, at once");
	while (n < OPEN && check_open(job, &conns[n]))
		check_exchange(&conns[n++], 1, 0);
	if (n < OPEN) {
		check_close(&conns[n]);
		goto close;
	}
	kill(process->pid, SIGTERM);
	/* The server closes first, so that its end of the connections is in TIME_WAIT. */
	uint64_t until_ns = clock_deadline_ns(CLOCK_NS_PER_S / 2);
	while (server_process_is_running(process) && clock_now_ns() < until_ns &&
	       check_pause(job, PAUSE_NS) == CHECK_DONE)
		;
	for (int i = 0; i < n; i++)
		check_close(&conns[i]);
	n = 0;
	until_ns = clock_deadline_ns(job->settings->wait_ns);
	while (server_process_is_running(process) && clock_now_ns() < until_ns &&
	       check_pause(job, PAUSE_NS) == CHECK_DONE)
		;
	if (server_process_is_running(process)) {
		check_warn(job, check_text("an end after TERM"), check_text("it runs on"),
			   "TERM is ignored, or the first process is not the server: begin the "
			   "command with exec");
		return;
	}
	rc = server_process_restart(process);
	if (rc == 0)
		rc = server_process_await(process, job->cancel_fd,
					  clock_deadline_ns(job->settings->wait_ns));
	if (rc == -EINTR)
		return;
	if (rc < 0)
		check_fail(job, expected,
			   check_text("%s", rc == -ECHILD ? "it ended at once" : err_text(rc).text),
			   "without SO_REUSEADDR, connections in TIME_WAIT keep the port in use");
	else
		check_pass(job, "it started again on the same port, at once");
close:
	for (int i = 0; i < n; i++)
		check_close(&conns[i]);
}

#define FULL_LIMIT   64
#define FULL_CLIENTS 200
#define FULL_NS      CLOCK_NS_PER_S

void check_full(struct check_job *job)
{
	struct check_conn *conns = calloc(FULL_CLIENTS, sizeof(*conns));
	struct server_view before, after;
	int n = 0, rc = -ENOMEM;
	if (conns != NULL)
		rc = server_process_limit_fds(job->settings->process, FULL_LIMIT);
	if (rc < 0) {
		free(conns);
		check_skip(job, "its limit of descriptors cannot be set: %s", err_text(rc).text);
		return;
	}
	while (n < FULL_CLIENTS && !check_is_over(job)) {
		rc = check_try_open(job, &(struct check_open){ 0 }, &conns[n]);
		if (rc < 0) {
			check_close(&conns[n]);
			break; /* the accept queue is full too */
		}
		n++;
	}
	if (check_pause(job, FULL_NS / 2) == CHECK_DONE && observe(job, &before) &&
	    check_pause(job, FULL_NS) == CHECK_DONE && observe(job, &after)) {
		uint64_t used_ns = after.cpu_ns > before.cpu_ns ? after.cpu_ns - before.cpu_ns : 0;
		if (used_ns > FULL_NS / 5)
			check_warn(job, check_text("no CPU time while clients wait"),
				   check_text("%" PRIu64 " ms of CPU time in 1 s, with %d clients "
					      "and %d descriptors",
					      used_ns / CLOCK_NS_PER_MS, n, FULL_LIMIT),
				   "accept fails for lack of descriptors (EMFILE) and is called "
				   "again at once");
		for (int i = 0; i < n; i++)
			check_close(&conns[i]);
		n = 0;
		if (make_echoes(job, 5, "after its descriptors were used up",
				"a server without a free descriptor does not recover"))
			check_pass(job, "%" PRIu64 " ms of CPU time in 1 s while clients wait",
				   used_ns / CLOCK_NS_PER_MS);
	}
	for (int i = 0; i < n; i++)
		check_close(&conns[i]);
	free(conns);
}
