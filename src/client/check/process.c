/* SPDX-License-Identifier: MIT */
/* Checks of the server's process (--exec): what do clients leave behind in it, and what ends it? */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/units.h"
#include "client/check/check_conn.h"
#include "client/check/check_server.h"
#include "client/check/checks.h"

/* What a client did may show a little later. */
#define SETTLE_NS   (2 * CLOCK_NS_PER_S)
#define SETTLE_STEP (20 * CLOCK_NS_PER_MS)

/* The processes of the server at a moment. */
struct processes {
	size_t n;
	struct command_process list[COMMAND_PROCESSES_MAX];
};

/* Lists them. The caller frees the list. Without memory the check is skipped: NULL. */
static struct processes *list_processes(struct check_job *job)
{
	struct processes *all = malloc(sizeof(*all));
	if (all == NULL) {
		check_skip(job, "no memory");
		return NULL;
	}
	all->n = command_list(&job->settings->own_server->run, all->list);
	return all;
}

/* Returns how the server has ended, or "" if it runs. */
static struct check_text server_end(struct check_job *job)
{
	struct command_run *run = &job->settings->own_server->run;
	if (!command_has_ended(run))
		return check_text("%s", "");
	if (run->status > 128)
		return check_text("the server was ended by SIG%s",
				  sigabbrev_np(run->status - 128) != NULL
					  ? sigabbrev_np(run->status - 128)
					  : "?");
	return check_text("the server ended with status %d", run->status);
}

/* Fails the check if the server has ended, or serves no new client. Returns whether it serves. */
static bool expect_server(struct check_job *job, struct check_text expected, const char *means)
{
	struct check_text end = server_end(job);
	struct check_conn conn;
	if (end.text[0] != '\0') {
		check_fail(job, expected, end, means);
		return false;
	}
	int rc = check_try_open(job, &(struct check_open){ 0 }, &conn);
	if (rc == 0) {
		check_exchange(&conn, 64, 0);
		ignore_result(check_expect(&conn, CHECK_DONE, expected, means));
	} else if (rc != -ECANCELED) {
		end = server_end(job);
		check_fail(job, expected,
			   end.text[0] != '\0' ? end : check_text("%s", err_text(rc).text), means);
	}
	check_close(&conn);
	return !check_is_over(job);
}

/* Makes n connections one after the other, each with an echo, and ends each with a FIN. */
static bool make_clients(struct check_job *job, int n)
{
	for (int i = 0; i < n && !check_is_over(job); i++) {
		struct check_conn conn;
		if (check_open(job, &conn)) {
			check_exchange(&conn, 64, 0);
			if (conn.outcome == CHECK_DONE && check_send_fin(&conn) == CHECK_DONE)
				check_await_end(&conn);
			ignore_result(check_expect(&conn, CHECK_ENDED,
						   check_text("64 bytes, then FIN"), ""));
		}
		check_close(&conn);
	}
	return !check_is_over(job);
}

/* ---- what is left behind ---- */

/* Zombies of the server's own processes. An orphan is ours to reap. */
static size_t count_zombies(const struct processes *all)
{
	size_t n = 0;
	for (size_t i = 0; i < all->n; i++)
		n += all->list[i].is_zombie && all->list[i].parent != getpid();
	return n;
}

#define ZOMBIE_CLIENTS 20

void check_zombies(struct check_job *job)
{
	struct processes *all = NULL;
	size_t n = 0;
	if (!make_clients(job, ZOMBIE_CLIENTS))
		return;
	for (uint64_t end_ns = clock_deadline_ns(SETTLE_NS);;) {
		free(all);
		all = list_processes(job);
		if (all == NULL)
			return;
		n = count_zombies(all);
		if (n == 0 || clock_now_ns() >= end_ns ||
		    check_pause(job, SETTLE_STEP) != CHECK_DONE)
			break;
	}
	free(all);
	if (n > 0)
		check_fail(job, check_text("no zombie after %d connections", ZOMBIE_CLIENTS),
			   check_text("%zu zombies", n),
			   "children that ended are not waited for: SIGCHLD may stand for several "
			   "(waitpid in a loop)");
	else
		check_pass(job, "no zombie after %d connections", ZOMBIE_CLIENTS);
}

/* Returns the sum of the open descriptors of all processes; -1 if it is not readable. */
static int count_descriptors(const struct processes *all)
{
	int sum = 0;
	for (size_t i = 0; i < all->n; i++) {
		struct command_descriptors found = command_descriptors(all->list[i].pid);
		if (found.n < 0 && !all->list[i].is_zombie)
			return -1;
		sum += found.n > 0 ? found.n : 0;
	}
	return sum;
}

/* Waits until the server has at most `most` descriptors. Returns how many; -1: not readable. */
static int settle_descriptors(struct check_job *job, int most)
{
	int n = -1;
	for (uint64_t end_ns = clock_deadline_ns(SETTLE_NS);;) {
		struct processes *all = list_processes(job);
		if (all == NULL)
			return -1;
		n = count_descriptors(all);
		free(all);
		if ((n >= 0 && n <= most) || clock_now_ns() >= end_ns ||
		    check_pause(job, SETTLE_STEP) != CHECK_DONE)
			return n;
	}
}

#define DESCRIPTOR_CLIENTS 100

void check_descriptors(struct check_job *job)
{
	if (!make_clients(job, 2)) /* what is opened once is open now */
		return;
	int before = settle_descriptors(job, 0);
	if (!make_clients(job, DESCRIPTOR_CLIENTS))
		return;
	int after = settle_descriptors(job, before);
	struct check_text expected = check_text("as many descriptors as before, %d", before);
	struct check_text actual = check_text("%d after %d connections", after, DESCRIPTOR_CLIENTS);
	if (before < 0 || after < 0)
		check_skip(job, "the descriptors of the server cannot be read");
	else if (after - before >= DESCRIPTOR_CLIENTS / 2)
		check_fail(job, expected, actual,
			   "a descriptor of each connection stays open: the server will have none "
			   "left");
	else if (after > before + 8)
		check_warn(job, expected, actual, "descriptors may be left open");
	else
		check_pass(job, "%d descriptors, %d after %d connections", before, after,
			   DESCRIPTOR_CLIENTS);
}

static uint64_t memory_of_all(struct check_job *job)
{
	struct processes *all = list_processes(job);
	uint64_t sum = 0;
	for (size_t i = 0; all != NULL && i < all->n; i++)
		sum += command_memory(all->list[i].pid);
	free(all);
	return sum;
}

/* Connections between two measurements; a leak is at least this much for each of them. */
#define MEMORY_CLIENTS 300
#define LEAK_SIZE      256

void check_memory(struct check_job *job)
{
	uint64_t sizes[4];
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		if (!make_clients(job, MEMORY_CLIENTS) ||
		    check_pause(job, 200 * CLOCK_NS_PER_MS) != CHECK_DONE)
			return;
		sizes[i] = memory_of_all(job);
	}
	uint64_t leak = (uint64_t)MEMORY_CLIENTS * LEAK_SIZE;
	bool grows = true; /* a heap may grow once; a leak goes on */
	for (size_t i = 1; i < ARRAY_LEN(sizes); i++)
		grows = grows && sizes[i] >= sizes[i - 1] + leak;
	struct check_text seen =
		check_text("%s, then %s after %d more connections", units_bytes(sizes[0]).text,
			   units_bytes(sizes[3]).text, 3 * MEMORY_CLIENTS);
	if (grows)
		check_fail(job, check_text("the same memory after more connections"), seen,
			   "memory of each connection is never freed");
	else
		check_pass(job, "memory: %s", seen.text);
}

/* ---- full ---- */

#define FULL_ROOM    4
#define FULL_CLIENTS 16

/*
 * Sets the limit of descriptors of each process a little above what it has. Returns how many
 * processes have the limit.
 */
static size_t limit_descriptors(const struct processes *all, struct rlimit *old_limits)
{
	size_t n = 0;
	for (size_t i = 0; i < all->n; i++) {
		pid_t pid = all->list[i].pid;
		int highest = command_descriptors(pid).highest;
		old_limits[i].rlim_cur = 0;
		if (highest < 0 || prlimit(pid, RLIMIT_NOFILE, NULL, &old_limits[i]) < 0)
			continue;
		struct rlimit low = old_limits[i];
		low.rlim_cur = (rlim_t)highest + 1 + FULL_ROOM;
		n += prlimit(pid, RLIMIT_NOFILE, &low, NULL) == 0;
	}
	return n;
}

static void restore_limits(const struct processes *all, const struct rlimit *old_limits)
{
	for (size_t i = 0; i < all->n; i++) {
		if (old_limits[i].rlim_cur != 0)
			ignore_result(
				prlimit(all->list[i].pid, RLIMIT_NOFILE, &old_limits[i], NULL));
	}
}

/* Returns the CPU time of processes that were there before, from then until now. */
static uint64_t cpu_since(struct check_job *job, const struct processes *before)
{
	struct processes *now = list_processes(job);
	uint64_t sum = 0;
	for (size_t i = 0; now != NULL && i < now->n; i++) {
		for (size_t k = 0; k < before->n; k++) {
			if (before->list[k].pid == now->list[i].pid)
				sum += now->list[i].cpu_ns - before->list[k].cpu_ns;
		}
	}
	free(now);
	return sum;
}

/* Measures the CPU time of one second while clients wait, and says what it was. */
static void judge_cpu(struct check_job *job)
{
	struct processes *before = list_processes(job);
	if (before == NULL || check_pause(job, CLOCK_NS_PER_S) != CHECK_DONE) {
		free(before);
		return;
	}
	uint64_t cpu_ns = cpu_since(job, before);
	free(before);
	if (cpu_ns > CLOCK_NS_PER_S / 2)
		check_fail(job, check_text("an idle server while clients wait for a descriptor"),
			   check_text("%" PRIu64 " %% of a core", cpu_ns * 100 / CLOCK_NS_PER_S),
			   "accept fails with EMFILE, and is called again at once");
}

void check_cpu_when_full(struct check_job *job)
{
	struct check_conn conns[FULL_CLIENTS];
	struct processes *all = list_processes(job);
	struct rlimit *old_limits = calloc(COMMAND_PROCESSES_MAX, sizeof(*old_limits));
	size_t n = 0;
	if (all == NULL || old_limits == NULL) {
		check_skip(job, "no memory");
		goto free;
	}
	if (limit_descriptors(all, old_limits) == 0) {
		check_skip(job, "the limits of the server cannot be changed");
		goto free;
	}
	for (; n < FULL_CLIENTS; n++) {
		if (check_try_open(job, &(struct check_open){ 0 }, &conns[n]) < 0)
			break; /* some servers refuse then */
	}
	if (check_pause(job, 300 * CLOCK_NS_PER_MS) == CHECK_DONE)
		judge_cpu(job);
	for (size_t i = 0; i < n; i++)
		check_close(&conns[i]);
	restore_limits(all, old_limits);
	if (!check_is_over(job) && check_pause(job, 300 * CLOCK_NS_PER_MS) == CHECK_DONE &&
	    expect_server(job, check_text("an echo once descriptors are free again"),
			  "a server that had no descriptor left does not recover"))
		check_pass(job, "idle while full, and an echo afterwards");
free:
	free(all);
	free(old_limits);
}

/* ---- what ends it ---- */

#define BAD_CLIENTS 50

/* Clients that reset: at once, and while the server sends to them. */
static void make_bad_clients(struct check_job *job)
{
	for (int i = 0; i < BAD_CLIENTS && !check_is_over(job); i++) {
		struct check_conn conn;
		if (check_try_open(job, &(struct check_open){ 0 }, &conn) == 0 && i % 2 != 0)
			check_send(&conn, 256 * KIB, 2 * CLOCK_NS_PER_MS);
		check_reset(&conn);
	}
}

void check_survival(struct check_job *job)
{
	struct check_text expected =
		check_text("a server that runs after %d clients have reset", BAD_CLIENTS);
	make_bad_clients(job);
	if (!check_is_over(job) &&
	    expect_server(job, expected,
			  "SIGPIPE is not ignored, or an error of one connection ends the "
			  "server"))
		check_pass(job, "it runs after %d clients have reset", BAD_CLIENTS);
}

/*
 * Returns a process that serves clients and is not the server itself: one that is new since
 * `before`, or a fork of another one. 0: none.
 */
static pid_t find_child(const struct processes *before, const struct processes *now)
{
	for (size_t i = 0; i < now->n; i++) {
		bool is_new = !now->list[i].is_zombie;
		for (size_t k = 0; k < before->n; k++)
			is_new = is_new && before->list[k].pid != now->list[i].pid;
		if (is_new)
			return now->list[i].pid;
	}
	for (size_t i = 0; i < now->n; i++) {
		for (size_t k = 0; k < now->n; k++) {
			if (now->list[i].parent == now->list[k].pid &&
			    command_same_program(now->list[i].pid, now->list[k].pid))
				return now->list[i].pid;
		}
	}
	return 0;
}

/* Waits until the server has reaped a child that was killed, or for SETTLE_NS. */
static void await_reaped(struct check_job *job, pid_t child)
{
	for (uint64_t end_ns = clock_deadline_ns(SETTLE_NS); clock_now_ns() < end_ns;) {
		struct processes *all = list_processes(job);
		bool is_there = false;
		for (size_t i = 0; all != NULL && i < all->n; i++)
			is_there = is_there || all->list[i].pid == child;
		free(all);
		if (!is_there || check_pause(job, SETTLE_STEP) != CHECK_DONE)
			return;
	}
}

void check_killed_child(struct check_job *job)
{
	struct check_conn conn = { .fd = -1 };
	struct check_text expected = check_text("service after a child was killed");
	const char *means = "the end of one child harms the server";
	struct processes *now = NULL, *before = list_processes(job);
	if (before == NULL || !check_open(job, &conn))
		goto free;
	check_exchange(&conn, 1, 0);
	if (!check_expect(&conn, CHECK_DONE, check_text("1 byte back"), ""))
		goto free;
	now = list_processes(job);
	pid_t child = now != NULL ? find_child(before, now) : 0;
	if (child == 0) {
		check_skip(job, "it has no children");
		goto free;
	}
	kill(child, SIGKILL);
	await_reaped(job, child);
	if (!check_is_over(job) && expect_server(job, expected, means))
		check_pass(job, "new clients are served after a child was killed");
free:
	check_close(&conn);
	free(before);
	free(now);
}

/* The server must accept connections this soon after its restart. */
#define RESTART_NS (10 * CLOCK_NS_PER_S)

void check_restart(struct check_job *job)
{
	struct check_server *server = job->settings->own_server;
	struct check_text expected = check_text("a server that listens on the same port at once");
	struct check_conn conn;
	if (!check_open(job, &conn))
		goto close;
	check_exchange(&conn, 1, 0);
	if (!check_expect(&conn, CHECK_DONE, check_text("1 byte back"), ""))
		goto close;
	/* The kernel of the server sends the first FIN, so its end is the one in TIME_WAIT. */
	command_end(&server->run);
	check_await_end(&conn);
	check_close(&conn);
	int rc = check_server_restart(server);
	if (rc == 0)
		rc = check_server_await(server, job->cancel_fd, clock_deadline_ns(RESTART_NS));
	if (rc == -ECHILD)
		check_fail(job, expected, server_end(job),
			   "the port is in TIME_WAIT: SO_REUSEADDR is not set");
	else if (rc == 0)
		check_pass(job, "listens on the same port at once, with a connection in TIME_WAIT");
	else if (rc != -EINTR)
		check_fail(job, expected, check_text("%s", err_text(rc).text), "");
close:
	check_close(&conn);
}
