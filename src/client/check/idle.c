/* SPDX-License-Identifier: MIT */
/* Slow checks: how long may a connection be idle, or live, and how does it end then? */
#include "client/check/checks.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/units.h"
#include "client/check/check_conn.h"
#include "net/sockopt.h"

/* A connection for each age, the first one 15 s, each twice as old as the one before. */
#define AGES_MAX     24
#define FIRST_AGE_NS (15 * CLOCK_NS_PER_S)

static const char forgotten[] = "something on the path forgets idle connections";

/* Without this, the kernel's own probes would keep an idle connection alive. */
static void set_keepalive(const struct check_conn *conn, bool is_on)
{
	const struct socket_option options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, is_on },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 15 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 15 },
	};
	/* A unix socket has none of them, and needs none. */
	ignore_result(sockopt_set(conn->fd, options, is_on ? 3 : 1));
}

/* Opens a connection for each age. Returns their number; 0 if the check is over. */
static size_t open_ages(struct check_job *job, struct check_conn *conns, uint64_t *ages_ns)
{
	size_t n = 0;
	uint64_t age_ns = FIRST_AGE_NS;
	for (; n < AGES_MAX; n++, age_ns *= 2) {
		if (age_ns >= job->settings->idle_ns)
			age_ns = job->settings->idle_ns;
		ages_ns[n] = age_ns;
		if (!check_open(job, &conns[n]))
			return 0;
		set_keepalive(&conns[n], false);
		check_exchange(&conns[n], 1, 0);
		if (!check_expect(&conns[n], CHECK_DONE, check_text("1 byte back"), ""))
			return 0;
		if (age_ns == job->settings->idle_ns)
			return n + 1;
	}
	return n;
}

/* Judges the first age at which a connection did not echo any more. */
static void judge_age(struct check_conn *conn, uint64_t age_ns, uint64_t good_ns)
{
	struct check_job *job = conn->job;
	struct check_text expected =
		check_text("an echo after %s idle", units_duration(job->settings->idle_ns).text);
	struct check_text actual =
		check_text("dead after %s (alive after %s): %s", units_duration(age_ns).text,
			   units_duration(good_ns).text, check_conn_how(conn).text);
	if (conn->outcome == CHECK_ENDED && check_conn_end(conn) == STREAM_END_FIN)
		check_warn(job, expected, actual, "an idle timeout, which ends with a FIN");
	else
		check_fail(job, expected, actual, forgotten);
}

void check_idle(struct check_job *job)
{
	struct check_conn *conns = calloc(AGES_MAX, sizeof(*conns));
	uint64_t ages_ns[AGES_MAX], start_ns = clock_now_ns(), good_ns = 0;
	if (conns == NULL) {
		check_skip(job, "no memory");
		return;
	}
	for (size_t i = 0; i < AGES_MAX; i++)
		conns[i].fd = -1;
	size_t n = open_ages(job, conns, ages_ns);
	for (size_t i = 0; i < n && !check_is_over(job); i++) {
		uint64_t age_ns = clock_now_ns() - start_ns;
		if (age_ns < ages_ns[i] && check_pause(job, ages_ns[i] - age_ns) != CHECK_DONE)
			break;
		check_exchange(&conns[i], 64, 0); /* once: a probe makes it young again */
		if (conns[i].outcome == CHECK_DONE)
			job->result->reached = good_ns = ages_ns[i];
		else if (conns[i].outcome != CHECK_CANCELLED)
			judge_age(&conns[i], ages_ns[i], good_ns);
	}
	if (n > 0 && good_ns == job->settings->idle_ns)
		check_pass(job, "an echo after %s idle", units_duration(good_ns).text);
	for (size_t i = 0; i < AGES_MAX; i++)
		check_close(&conns[i]);
	free(conns);
}

void check_idle_keepalive(struct check_job *job)
{
	uint64_t idle_ns = job->settings->idle_ns;
	struct check_conn conn;
	if (check_open(job, &conn)) {
		set_keepalive(&conn, true);
		if (check_exchange(&conn, 1, 0) == CHECK_DONE)
			check_listen(&conn, idle_ns);
		if (conn.outcome == CHECK_SILENT)
			check_exchange(&conn, 64, 0);
		if (check_expect(&conn, CHECK_DONE,
				 check_text("an echo after %s with keep-alive probes",
					    units_duration(idle_ns).text),
				 "the kernel's keep-alive probes do not count on the path"))
			check_pass(job, "an echo after %s with keep-alive probes every 15s",
				   units_duration(idle_ns).text);
	}
	check_close(&conn);
}

#define HALF_CLOSED_NS (240 * CLOCK_NS_PER_S)

void check_idle_half_closed(struct check_job *job)
{
	const struct check_open small = { .receive_buffer = CHECK_SMALL_BUFFER };
	uint64_t idle_ns = clock_earlier_ns(HALF_CLOSED_NS, job->settings->idle_ns);
	struct check_conn conn;
	if (!check_open_with(job, &small, &conn))
		goto close;
	if (check_push(&conn, 256 * KIB) == CHECK_DONE && check_send_fin(&conn) == CHECK_DONE &&
	    check_pause(job, idle_ns) == CHECK_DONE)
		check_await_end(&conn);
	struct check_text expected = check_text("the rest, then FIN, %s after the client's FIN",
						units_duration(idle_ns).text);
	if (conn.outcome == CHECK_ENDED && check_conn_end(&conn) == STREAM_END_FIN)
		check_pass(job, "half-closed for %s: %s", units_duration(idle_ns).text,
			   check_conn_saw(&conn).text);
	else if (conn.outcome == CHECK_WRONG)
		check_fail(job, expected, check_conn_saw(&conn), "");
	else if (conn.outcome != CHECK_CANCELLED)
		check_warn(job, expected, check_conn_saw(&conn),
			   "a timer of half-closed connections (RFC 5382 asks for 4 minutes)");
close:
	check_close(&conn);
}

#define HOLD_PAUSE_NS (30 * CLOCK_NS_PER_S)

void check_lifetime(struct check_job *job)
{
	uint64_t start_ns = clock_now_ns(),
		 end_ns = clock_after_ns(start_ns, job->settings->idle_ns);
	struct check_conn conn;
	if (!check_open(job, &conn))
		goto close;
	for (;;) {
		check_exchange(&conn, 1, 0);
		if (!check_expect(&conn, CHECK_DONE,
				  check_text("an echo every 30s for %s",
					     units_duration(job->settings->idle_ns).text),
				  "a limit on the life of a connection, although it is used"))
			goto close;
		uint64_t now_ns = clock_now_ns();
		if (now_ns >= end_ns ||
		    check_pause(job, clock_earlier_ns(HOLD_PAUSE_NS, end_ns - now_ns)) !=
			    CHECK_DONE)
			break;
	}
	if (!check_is_over(job))
		check_pass(job, "an echo every 30s for %s",
			   units_duration(job->settings->idle_ns).text);
close:
	check_close(&conn);
}
