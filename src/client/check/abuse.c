/* SPDX-License-Identifier: MIT */
/* Checks with clients that behave badly: does the endpoint serve the next one? */
#include "client/check/checks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/units.h"
#include "client/check/check_conn.h"
#include "client/check/times.h"
#include "net/io.h"
#include "net/tcpinfo.h"

#define RESETS       100
#define ECHOES_AFTER 10

/*
 * Makes n echoes on new connections. Fails the check with `means` if one does not succeed. Returns
 * whether the check goes on.
 */
MUST_USE static bool expect_echoes(struct check_job *job, int n, const char *what,
				   const char *means)
{
	for (int i = 0; i < n && !check_is_over(job); i++) {
		struct check_conn conn;
		struct check_text expected = check_text("an echo %s", what);
		int rc = check_try_open(job, &(struct check_open){ 0 }, &conn);
		if (rc < 0 && rc != -ECANCELED)
			check_fail(job, expected, check_text("%s", err_text(rc).text), means);
		if (rc == 0) {
			check_exchange(&conn, 64, 0);
			ignore_result(check_expect(&conn, CHECK_DONE, expected, means));
		}
		check_close(&conn);
	}
	return !check_is_over(job);
}

void check_abort(struct check_job *job)
{
	if (!expect_echoes(job, 1, "before any reset", ""))
		return;
	for (int i = 0; i < RESETS && !check_is_over(job); i++) {
		struct check_conn conn;
		if (check_open(job, &conn))
			check_send(&conn, 64 * KIB, CLOCK_NS_PER_MS);
		check_reset(&conn);
	}
	if (expect_echoes(job, ECHOES_AFTER, "after 100 resets in the middle of a transfer",
			  "clients that reset their connections harm the endpoint"))
		check_pass(job, "%d echoes after 100 resets in the middle of a transfer",
			   ECHOES_AFTER);
}

void check_scan(struct check_job *job)
{
	if (!expect_echoes(job, 1, "before any reset", ""))
		return;
	for (int i = 0; i < RESETS && !check_is_over(job); i++) {
		struct check_conn conn;
		ignore_result(check_open(job, &conn)); /* its verdict ends the loop */
		check_reset(&conn);
	}
	if (expect_echoes(job, ECHOES_AFTER, "after 100 resets at once after connecting",
			  "a port scan harms the endpoint: an accept that fails ends it"))
		check_pass(job, "%d echoes after 100 resets at once after connecting",
			   ECHOES_AFTER);
}

/* ---- the same port again ---- */

/* The kernel may give the port to another connection of ours before it is used again. */
#define REUSE_TRIES 10

/*
 * Resets a connection after an echo and connects again from the same port. Returns the outcome of
 * that; -ECANCELED if the check is over.
 */
MUST_USE static int connect_again(struct check_job *job, struct check_conn *ret_conn)
{
	struct addr source;
	const struct check_open same = { .source = &source };
	if (!check_open(job, ret_conn))
		return -ECANCELED;
	check_exchange(ret_conn, 64, 0);
	bool goes_on = check_expect(ret_conn, CHECK_DONE, check_text("64 bytes"), "") &&
		       addr_of_socket(ret_conn->fd, &source) == 0;
	check_reset(ret_conn);
	return goes_on ? check_try_open(job, &same, ret_conn) : -ECANCELED;
}

void check_port_reuse(struct check_job *job)
{
	struct check_conn conn = { .fd = -1 };
	struct check_text expected = check_text("a new connection from the same port, at once");
	const char *means = "something on the path remembers the connection that was reset";
	struct tcpinfo info = { 0 };
	int rc = -EADDRINUSE;
	for (int i = 0; i < REUSE_TRIES && (rc == -EADDRINUSE || rc == -EADDRNOTAVAIL); i++) {
		check_close(&conn);
		rc = connect_again(job, &conn);
	}
	if (rc == -ECANCELED)
		goto close;
	if (rc == -EADDRINUSE || rc == -EADDRNOTAVAIL) {
		check_skip(job, "the port was taken by another connection of this machine");
		goto close;
	}
	if (rc < 0) {
		check_fail(job, expected, check_text("%s", err_text(rc).text), means);
		goto close;
	}
	ignore_result(tcpinfo_of(conn.fd, &info));
	check_exchange(&conn, 64, 0);
	if (!check_expect(&conn, CHECK_DONE, expected, means))
		goto close;
	if (info.n_retransmits > 0)
		check_warn(job, expected,
			   check_text("connected after %s, with %" PRIu64 " SYN sent again",
				      times_text(conn.connect_ns).text, info.n_retransmits),
			   "the first SYN from a port that was used is dropped");
	else
		check_pass(job, "connected again from the same port after a reset");
close:
	check_close(&conn);
}

/* ---- back-pressure ---- */

#define JAM_QUIET CLOCK_NS_PER_S
#define RESUME_NS CLOCK_NS_PER_S

void check_slow_reader(struct check_job *job)
{
	struct check_conn conn;
	struct check_text expected =
		check_text("back-pressure below %s", units_bytes(CHECK_JAM_SIZE).text);
	if (!check_open(job, &conn))
		goto close;
	check_send(&conn, CHECK_JAM_SIZE, JAM_QUIET);
	uint64_t taken = conn.stream.sent;
	if (conn.outcome == CHECK_DONE || conn.outcome == CHECK_SILENT)
		check_collect(&conn);
	if (conn.outcome == CHECK_LATE)
		conn.outcome = CHECK_DONE; /* a slow path; it has proven what is asked */
	if (check_expect(&conn, CHECK_DONE,
			 check_text("all %" PRIu64 " bytes, once they are read", taken),
			 "bytes are lost, or the connection is given up, while the client does not "
			 "read")) {
		if (taken >= CHECK_JAM_SIZE)
			check_warn(job, expected,
				   check_text("%s taken while nothing was read",
					      units_bytes(taken).text),
				   "a buffer grows without a limit: clients can use up its memory");
		else
			check_pass(job, "back-pressure after %s, then all bytes came back",
				   units_bytes(taken).text);
	}
close:
	check_close(&conn);
}

#define ZERO_WINDOW_NS (10 * CLOCK_NS_PER_S)

void check_zero_window(struct check_job *job)
{
	const struct check_open small = { .receive_buffer = CHECK_SMALL_BUFFER };
	struct check_conn conn;
	if (!check_open_with(job, &small, &conn))
		goto close;
	struct check_text expected = check_text("bytes soon after the window opens again");
	const char *means = "zero window probes, or window updates, do not pass";
	if (check_send(&conn, CHECK_JAM_SIZE, JAM_QUIET) == CHECK_SILENT)
		conn.outcome = CHECK_DONE; /* the window is closed */
	if (check_expect(&conn, CHECK_DONE, check_text("back-pressure, and no end"),
			 "the connection is given up while the client does not read") &&
	    check_pause(job, ZERO_WINDOW_NS) == CHECK_DONE) {
		uint64_t before_ns = clock_now_ns();
		uint64_t returned = conn.stream.returned;
		/* What is in our own buffer comes at once: 64 KiB more must come, too. */
		while (conn.stream.returned < returned + 64 * KIB &&
		       conn.stream.returned < conn.stream.sent &&
		       check_listen(&conn, job->settings->wait_ns) == CHECK_DONE)
			;
		uint64_t took_ns = clock_now_ns() - before_ns;
		if (!check_expect(&conn, CHECK_DONE, expected, means))
			goto close;
		if (took_ns > job->path->rtt_ns + RESUME_NS)
			check_warn(job, expected, check_text("after %s", times_text(took_ns).text),
				   "the window update is lost; a probe found the open window");
		else
			check_pass(job, "the stream goes on %s after a window of 0 for %s",
				   times_text(took_ns).text, units_duration(ZERO_WINDOW_NS).text);
	}
close:
	check_close(&conn);
}

/* ---- urgent data ---- */

/* n bytes came back of "abc", an urgent X, "def". */
static void judge_urgent(struct check_conn *conn, const unsigned char *got, size_t n)
{
	struct check_text expected = check_text("abcXdef, X being urgent");
	struct check_text actual = check_text("%.*s (%zu bytes), %s", (int)n, (const char *)got, n,
					      check_conn_how(conn).text);
	if (n == 7 && memcmp(got, "abcXdef", n) == 0)
		check_pass(conn->job, "urgent data came back in its place");
	else if (n == 6 && memcmp(got, "abcdef", n) == 0)
		check_warn(conn->job, expected, actual,
			   "something takes urgent data out of the stream, or drops it");
	else
		check_fail(conn->job, expected, actual, "urgent data breaks the stream");
}

void check_urgent(struct check_job *job)
{
	static const unsigned char sent[] = "abcXdef";
	unsigned char got[sizeof(sent)];
	size_t n = 0;
	struct check_conn conn;
	if (!check_open(job, &conn))
		goto close;
	ignore_result(io_send(conn.fd, sent, 3)); /* a failure shows below: bytes are missing */
	ignore_result(send(conn.fd, sent + 3, 1, MSG_OOB | MSG_NOSIGNAL));
	ignore_result(io_send(conn.fd, sent + 4, 3));
	if (check_send_fin(&conn) == CHECK_DONE)
		n = check_read_raw(&conn, got, sizeof(got));
	if (conn.outcome == CHECK_LATE)
		check_skip(job, "too slow to judge");
	else if (conn.outcome != CHECK_CANCELLED)
		judge_urgent(&conn, got, n);
close:
	check_close(&conn);
}
