/* SPDX-License-Identifier: MIT */
/* Checks with many connections: are they kept apart, and is each one served? */
#include "client/check/checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "client/check/check_conn.h"
#include "client/check/times.h"
#include "net/sysinfo.h"
#include "net/tcpinfo.h"

/* ---- kept apart ---- */

#define CROSS_CONNECTIONS 64
#define CROSS_ROUNDS      16
#define CROSS_SIZE        KIB

/* Sends a message on every connection, then reads them all: they are mixed on the way. */
static void cross_once(struct check_job *job, struct check_conn *conns, size_t n)
{
	const char *means = "bytes get from one connection into another";
	struct check_text expected = check_text("the own bytes of each of %zu connections", n);
	for (size_t i = 0; i < n && !check_is_over(job); i++) {
		check_send(&conns[i], CROSS_SIZE, job->settings->wait_ns);
		if (!check_expect(&conns[i], CHECK_DONE, expected, means))
			return;
	}
	for (size_t i = 0; i < n && !check_is_over(job); i++) {
		check_collect(&conns[i]);
		if (!check_expect(&conns[i], CHECK_DONE, expected, means))
			return;
	}
}

void check_cross_talk(struct check_job *job)
{
	struct check_conn *conns = calloc(CROSS_CONNECTIONS, sizeof(*conns));
	size_t n = 0;
	if (conns == NULL) {
		check_skip(job, "no memory");
		return;
	}
	while (n < CROSS_CONNECTIONS && !check_is_over(job))
		ignore_result(check_open(job, &conns[n++])); /* its verdict ends the loop */
	for (int round = 0; round < CROSS_ROUNDS && !check_is_over(job); round++)
		cross_once(job, conns, n);
	check_pass(job, "%d connections got their own bytes only", CROSS_CONNECTIONS);
	for (size_t i = 0; i < n; i++)
		check_close(&conns[i]);
	free(conns);
}

void check_second_client(struct check_job *job)
{
	struct check_conn idle, second = { .fd = -1 };
	if (check_open(job, &idle) && check_open(job, &second)) {
		check_exchange(&second, 64, 0);
		if (check_expect(&second, CHECK_DONE, check_text("64 bytes on a second connection"),
				 "an iterative server: it serves one client at a time"))
			check_pass(job, "a client is served while another one is idle");
	}
	check_close(&second);
	check_close(&idle);
}

/* ---- one that is jammed ---- */

#define OTHERS       8
#define OTHER_ECHOES 25
#define JAM_QUIET    (500 * CLOCK_NS_PER_MS)

/* Takes the time of a few echoes on a new connection. */
static void time_other(struct check_job *job, struct times *times, const char *means)
{
	struct check_text expected = check_text("an echo %s a client that does not read",
						means[0] == '\0' ? "without" : "beside");
	struct check_conn conn;
	if (!check_open(job, &conn))
		goto close;
	for (int i = 0; i < OTHER_ECHOES; i++) {
		uint64_t before_ns = clock_now_ns();
		check_exchange(&conn, 64, 0);
		if (!check_expect(&conn, CHECK_DONE, expected, means))
			break;
		times_add(times, clock_now_ns() - before_ns);
	}
close:
	check_close(&conn);
}

/* The same on several connections. Returns false if the check is over. */
static bool time_others(struct check_job *job, struct times *times, const char *means)
{
	for (int i = 0; i < OTHERS && !check_is_over(job); i++)
		time_other(job, times, means);
	return !check_is_over(job);
}

/* The 99th percentile beside a jammed client may be this much above the one without. */
#define ISOLATION_FACTOR 100
#define ISOLATION_NS     (250 * CLOCK_NS_PER_MS)

void check_isolation(struct check_job *job)
{
	struct check_conn jammed;
	struct times *quiet = &job->times[0], *beside = &job->times[1];
	if (!time_others(job, quiet, "") || !check_open(job, &jammed))
		return;
	check_send(&jammed, CHECK_JAM_SIZE, JAM_QUIET);
	bool goes_on = jammed.outcome == CHECK_SILENT || jammed.outcome == CHECK_DONE;
	if (!goes_on && jammed.outcome != CHECK_CANCELLED) /* slow-reader judges that */
		check_skip(job, "the client that does not read has lost its connection: %s",
			   check_conn_how(&jammed).text);
	if (goes_on && time_others(job, beside, "one client that does not read stops others")) {
		uint64_t before_ns = times_percentile(quiet, 99),
			 now_ns = times_percentile(beside, 99);
		if (now_ns > ISOLATION_FACTOR * before_ns + ISOLATION_NS)
			check_warn(job,
				   check_text("a 99th percentile near %s, as without the client "
					      "that does not read",
					      times_text(before_ns).text),
				   check_text("%s", times_text(now_ns).text),
				   "one client that does not read slows others down");
		else
			check_pass(job,
				   "99th percentile beside a client that does not read: %s, "
				   "without it: %s",
				   times_text(now_ns).text, times_text(before_ns).text);
	}
	check_reset(&jammed);
}

/* ---- connecting ---- */

#define CONNECTS 200

void check_connect(struct check_job *job)
{
	uint64_t n_again = 0, n = 0;
	for (; n < CONNECTS && !check_is_over(job); n++) {
		struct check_conn conn;
		struct tcpinfo info = { 0 };
		if (!check_open(job, &conn)) {
			check_close(&conn);
			return;
		}
		ignore_result(tcpinfo_of(conn.fd, &info)); /* a unix socket: nothing sent again */
		n_again += info.n_retransmits > 0;
		times_add(job->times, conn.connect_ns);
		check_reset(&conn); /* no port is left in TIME_WAIT */
		if (clock_now_ns() >= job->deadline_ns)
			break;
	}
	struct check_text expected = check_text("every SYN answered at once");
	struct check_text actual =
		check_text("%" PRIu64 " of %" PRIu64 " SYNs were sent again", n_again, n);
	if (n_again * 100 > n)
		check_fail(job, expected, actual,
			   "SYNs are dropped on the path, or a full accept "
			   "queue drops them");
	else if (n_again > 0)
		check_warn(job, expected, actual, "a SYN was dropped on the path");
	else
		check_pass(job, "%" PRIu64 " connections, no SYN was sent again, median %s", n,
			   times_text(times_median(job->times)).text);
}

/* ---- rude ---- */

#define STORM     500
#define STORM_BAD (3 * CLOCK_NS_PER_S)

/* Descriptors that are left for everything else. */
#define DESCRIPTORS_LEFT 64

/* Returns how many connections the limits of this process allow, at most `most`. */
static size_t allowed_connections(size_t most)
{
	uint64_t limit = sysinfo_free_descriptors(most + DESCRIPTORS_LEFT);
	if (limit <= DESCRIPTORS_LEFT)
		return 0;
	return limit - DESCRIPTORS_LEFT < most ? (size_t)(limit - DESCRIPTORS_LEFT) : most;
}

static const char lost_in_storm[] = "connections are lost when many come at once";

/* Fails the check if connection i was not opened. */
static void expect_opened(struct check_job *job, size_t i, int code, struct check_text expected)
{
	if (code < 0 && code != -ECANCELED)
		check_fail(job, expected,
			   check_text("connection %zu: %s", i + 1, err_text(code).text),
			   lost_in_storm);
}

void check_storm(struct check_job *job)
{
	size_t most = allowed_connections(STORM), n = 0;
	struct check_conn *conns = calloc(STORM, sizeof(*conns));
	if (conns == NULL) {
		check_skip(job, "no memory");
		return;
	}
	struct check_text expected = check_text("an echo on each of %zu connections", most);
	uint64_t before_ns = clock_now_ns();
	for (; n < most && !check_is_over(job); n++)
		expect_opened(job, n, check_begin_open(job, &(struct check_open){ 0 }, &conns[n]),
			      expected);
	for (size_t i = 0; i < n && !check_is_over(job); i++)
		expect_opened(job, i, check_finish_open(&conns[i]), expected);
	for (size_t i = 0; i < n && !check_is_over(job); i++)
		check_send(&conns[i], 64, job->settings->wait_ns);
	for (size_t i = 0; i < n && !check_is_over(job); i++) {
		check_collect(&conns[i]);
		ignore_result(check_expect(&conns[i], CHECK_DONE, expected, lost_in_storm));
	}
	uint64_t took_ns = clock_now_ns() - before_ns;
	if (took_ns > most * job->path->connect_ns + STORM_BAD)
		check_warn(job, check_text("%zu connections served within 3s", most),
			   check_text("%s", times_text(took_ns).text),
			   "connections wait long when many come at once");
	check_pass(job, "%zu connections at once, each with an echo, took %s%s", most,
		   times_text(took_ns).text,
		   most < STORM ? " (this machine allows no more descriptors)" : "");
	for (size_t i = 0; i < n; i++)
		check_reset(&conns[i]);
	free(conns);
}

#define LIMIT_MAX 5000

/*
 * Judges connection n + 1, after n that are served. If it waits, the others are closed, and then it
 * must be served.
 */
static void judge_limit(struct check_job *job, struct check_conn *conns, size_t n)
{
	struct check_conn *last = &conns[n];
	bool is_silent = last->outcome == CHECK_SILENT;
	if (is_silent) {
		for (size_t i = 0; i < n; i++)
			check_reset(&conns[i]);
		if (check_collect(last) == CHECK_DONE) {
			check_pass(job, "%zu connections at once; one more waits until others end",
				   n);
			return;
		}
	}
	if (last->outcome != CHECK_CANCELLED)
		check_fail(job,
			   check_text("what is above the limit is refused, or served when others "
				      "end"),
			   check_text("%zu connections at once; one more was accepted and not "
				      "served: %s",
				      n, check_conn_saw(last).text),
			   is_silent ? "a client above the limit waits for ever"
				     : "a client above the limit loses what it has sent");
}

void check_limit(struct check_job *job)
{
	size_t most = allowed_connections(LIMIT_MAX), n = 0;
	struct check_conn *conns = calloc(LIMIT_MAX + 1, sizeof(*conns));
	int rc = 0;
	if (conns == NULL) {
		check_skip(job, "no memory");
		return;
	}
	for (; n < most; n++) {
		rc = check_try_open(job, &(struct check_open){ 0 }, &conns[n]);
		if (rc < 0 || check_exchange(&conns[n], 1, 0) != CHECK_DONE)
			break;
	}
	job->result->reached = n;
	if (n == most)
		check_pass(job, "%zu connections at once, no limit was found", n);
	else if (rc == 0 && conns[n].outcome == CHECK_LATE)
		check_pass(job, "%zu connections at once, in the time of this check", n);
	else if (rc == 0)
		judge_limit(job, conns, n);
	else if (rc != -ECANCELED)
		check_pass(job, "%zu connections at once, then %s", n, err_text(rc).text);
	for (size_t i = 0; i <= n; i++) {
		if (i < n || n < most)
			check_reset(&conns[i]);
	}
	free(conns);
}
