/* SPDX-License-Identifier: MIT */
/* Checks of the path: addresses, ports, sizes of packets, and what was negotiated. */
#include "client/check/checks.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "client/check/check_conn.h"
#include "client/check/times.h"
#include "net/io.h"
#include "net/tcpinfo.h"

/* ---- addresses ---- */

/* Makes an echo through one address. Returns its connect time; 0 if the check has failed. */
static uint64_t try_address(struct check_job *job, const struct addr *addr)
{
	struct check_conn conn;
	const struct check_open how = { .addr = addr };
	struct check_text expected = check_text("an echo from every address of the name");
	const char *means = "one address, or one family, of the name is dead";
	int rc = check_try_open(job, &how, &conn);
	if (rc < 0 && rc != -ECANCELED)
		check_fail(job, expected,
			   check_text("%s: %s", addr_format(addr).text, err_text(rc).text), means);
	if (rc == 0) {
		check_exchange(&conn, 64, 0);
		if (conn.outcome == CHECK_LATE)
			check_skip(job, "too slow to judge");
		else if (conn.outcome != CHECK_DONE && conn.outcome != CHECK_CANCELLED)
			check_fail(job, expected,
				   check_text("%s: %s", addr_format(addr).text,
					      check_conn_saw(&conn).text),
				   means);
	}
	check_close(&conn);
	return check_is_over(job) ? 0 : conn.connect_ns + 1;
}

void check_addresses(struct check_job *job)
{
	struct addr list[ADDR_MAX_RESOLVED];
	uint64_t fastest_ns = UINT64_MAX, slowest_ns = 0;
	int n = addr_resolve(&job->settings->server, job->settings->family, list);
	if (n < 0) {
		check_skip(job, "the name could not be looked up again: %s", err_text(n).text);
		return;
	}
	for (int i = 0; i < n; i++) {
		uint64_t took_ns = try_address(job, &list[i]);
		if (took_ns == 0)
			return;
		fastest_ns = clock_earlier_ns(fastest_ns, took_ns);
		slowest_ns = clock_later_ns(slowest_ns, took_ns);
	}
	if (slowest_ns > 10 * fastest_ns + CLOCK_NS_PER_S)
		check_warn(job, check_text("all addresses about equally fast"),
			   check_text("connecting takes %s to %s", times_text(fastest_ns).text,
				      times_text(slowest_ns).text),
			   "one address of the name is slow to answer");
	else
		check_pass(job, n == 1 ? "the address answers" : "all %d addresses answer", n);
}

/* ---- source ports ---- */

#define SOURCE_PORTS 64

/* If none of that many ports has worked, the port is not the reason. */
#define SOURCE_PORTS_TRIED 8

/* Makes an echo from a port that the kernel chooses. Returns it in *ret_port, 0: no connection. */
static enum check_outcome try_source_port(struct check_job *job, unsigned int *ret_port,
					  struct check_text *ret_saw)
{
	struct check_conn conn;
	struct addr here;
	*ret_port = 0;
	int rc = check_try_open(job, &(struct check_open){ 0 }, &conn);
	if (rc == -ECANCELED)
		return CHECK_CANCELLED;
	if (rc < 0) {
		*ret_saw = check_text("%s", err_text(rc).text);
		return CHECK_ENDED;
	}
	if (addr_of_socket(conn.fd, &here) == 0)
		*ret_port = addr_port(&here);
	enum check_outcome outcome = check_exchange(&conn, 64, 0);
	*ret_saw = check_conn_saw(&conn);
	check_reset(&conn);
	return outcome;
}

void check_source_ports(struct check_job *job)
{
	char failed[128] = "";
	struct check_text saw, first = { "" };
	size_t used = 0, n_failed = 0, n = 0;
	while (n < SOURCE_PORTS && !check_is_over(job) &&
	       (n_failed < n || n < SOURCE_PORTS_TRIED)) {
		unsigned int port;
		enum check_outcome outcome = try_source_port(job, &port, &saw);
		if (outcome == CHECK_CANCELLED || outcome == CHECK_LATE)
			break;
		n++;
		if (outcome == CHECK_DONE)
			continue;
		if (n_failed++ == 0)
			first = saw;
		if (port != 0 && used < sizeof(failed) - 8)
			used += (size_t)snprintf(failed + used, sizeof(failed) - used, " %u", port);
	}
	struct check_text expected = check_text("an echo from each of %d ports", SOURCE_PORTS);
	if (n_failed == 0 && n == SOURCE_PORTS)
		check_pass(job, "an echo from each of %d ports", SOURCE_PORTS);
	else if (n_failed > 0)
		check_fail(job, expected,
			   check_text("%zu of %zu fail (%s):%s", n_failed, n, first.text,
				      failed[0] != '\0' ? failed : " no connection"),
			   n_failed == n ? "no port works: the port is not the reason"
					 : "one member of a group of links or servers is broken");
	else if (!check_is_over(job))
		check_skip(job, "too slow to judge: an echo from each of %zu ports", n);
}

/* ---- packet sizes ---- */

static const size_t packet_sizes[] = { 536,  1000, 1200, 1280,  1340,  1355, 1380, 1400,
				       1420, 1432, 1440, 1448,  1460,  1500, 2000, 4000,
				       8000, 8948, 9000, 16000, 32000, 65000 };

/* Returns whether a message of that size comes back on a new connection. */
static bool passes(struct check_job *job, size_t size, struct check_conn *ret_conn)
{
	if (!check_open(job, ret_conn))
		return false;
	check_exchange(ret_conn, size, 0);
	return ret_conn->outcome == CHECK_DONE;
}

/* Returns the smallest size above `good` that does not pass; `bad` does not. */
static size_t bisect(struct check_job *job, size_t good, size_t bad)
{
	while (bad - good > 1 && !check_is_over(job)) {
		struct check_conn conn;
		size_t middle = good + (bad - good) / 2;
		*(passes(job, middle, &conn) ? &good : &bad) = middle;
		check_reset(&conn);
	}
	return bad;
}

/* A message of `bad` bytes got no answer; `good`: the largest that came back, or 0. */
static void judge_stuck(struct check_job *job, size_t good, size_t bad, bool is_forward)
{
	struct check_text expected = check_text("messages of 536 to 65000 bytes");
	const char *where = is_forward ? "on the way to the endpoint" : "on the way back";
	if (good == 0)
		check_fail(job, expected,
			   check_text("messages of %zu bytes get stuck %s", bad, where),
			   "no size that was tried passes: the size is not the reason");
	else
		check_fail(job, expected,
			   check_text("messages from %zu bytes on get stuck %s",
				      bisect(job, good, bad), where),
			   "packets of that size are dropped without an ICMP message (MTU black "
			   "hole), or the endpoint keeps bytes back");
}

void check_mtu(struct check_job *job)
{
	size_t good = 0;
	for (size_t i = 0; i < ARRAY_LEN(packet_sizes) && !check_is_over(job); i++) {
		struct check_conn conn;
		struct check_text expected = check_text("messages of 536 to 65000 bytes");
		if (passes(job, packet_sizes[i], &conn)) {
			good = packet_sizes[i];
			check_reset(&conn);
			continue;
		}
		if (check_is_over(job) || conn.outcome == CHECK_CANCELLED) {
			check_reset(&conn);
			return;
		}
		bool is_forward = io_unacknowledged(conn.fd) > 0;
		struct check_text saw = check_conn_saw(&conn);
		bool is_silent = conn.outcome == CHECK_SILENT, is_late = conn.outcome == CHECK_LATE;
		check_reset(&conn);
		if (is_late && good > 0) {
			check_pass(job, "messages of 536 to %zu bytes, in the time of this check",
				   good);
			return;
		}
		if (!is_silent) {
			check_fail(job, expected,
				   check_text("%zu bytes: %s", packet_sizes[i], saw.text), "");
			return;
		}
		judge_stuck(job, good, packet_sizes[i], is_forward);
		return;
	}
	check_pass(job, "messages of 536 to 65000 bytes, none gets stuck");
}

/* ---- what was negotiated ---- */

void check_options(struct check_job *job)
{
	struct check_conn conn;
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);
	if (!check_open(job, &conn))
		goto close;
	if (getsockopt(conn.fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) {
		check_skip(job, "not a TCP connection");
		goto close;
	}
	const bool has_timestamps = (info.tcpi_options & TCPI_OPT_TIMESTAMPS) != 0;
	const bool has_sack = (info.tcpi_options & TCPI_OPT_SACK) != 0;
	const bool has_scale = (info.tcpi_options & TCPI_OPT_WSCALE) != 0;
	struct check_text seen = check_text(
		"SACK %s, timestamps %s, window scaling %s, MSS %u",
		has_sack ? "yes" : "not negotiated", has_timestamps ? "yes" : "not negotiated",
		has_scale ? "yes" : "not negotiated", info.tcpi_snd_mss);
	if (has_sack && has_timestamps && has_scale)
		check_pass(job, "%s", seen.text);
	else
		check_warn(job, check_text("SACK, timestamps and window scaling"), seen,
			   "the endpoint, or something that ends the connection before it, does "
			   "not offer them: slow on long or lossy paths");
close:
	check_close(&conn);
}

/* The kernel's round-trip time is much shorter than the echo's only if another kernel answers. */
#define TERMINATED_NS (20 * CLOCK_NS_PER_MS)

void check_terminated(struct check_job *job)
{
	struct check_conn conn;
	struct tcpinfo info;
	if (!check_open(job, &conn))
		goto close;
	for (int i = 0; i < 21; i++) {
		uint64_t before_ns = clock_now_ns();
		check_exchange(&conn, 1, 0);
		if (!check_expect(&conn, CHECK_DONE, check_text("1 byte back"), ""))
			goto close;
		times_add(job->times, clock_now_ns() - before_ns);
	}
	uint64_t median_ns = times_median(job->times);
	if (!tcpinfo_of(conn.fd, &info))
		check_skip(job, "not a TCP connection");
	else if (median_ns > info.rtt_min_ns + TERMINATED_NS && median_ns > 4 * info.rtt_min_ns)
		check_warn(job,
			   check_text("an echo as fast as the kernel at the other end, %s",
				      times_text(info.rtt_min_ns).text),
			   check_text("%s (median)", times_text(median_ns).text),
			   "the connection ends in something before the endpoint, or the endpoint "
			   "is slow");
	else
		check_pass(job, "kernel RTT %s, echo %s", times_text(info.rtt_min_ns).text,
			   times_text(median_ns).text);
close:
	check_close(&conn);
}

void check_self(struct check_job *job)
{
	struct check_conn conn;
	struct addr here, there;
	if (!check_open(job, &conn)) /* connecting finds out: ERR_SELF_CONNECT */
		goto close;
	if (addr_of_socket(conn.fd, &here) < 0 || addr_of_peer(conn.fd, &there) < 0)
		check_skip(job, "the addresses of the connection are not known");
	else
		check_pass(job, "%s is connected to %s", addr_format(&here).text,
			   addr_format(&there).text);
close:
	check_close(&conn);
}

/* ---- MPTCP and TCP Fast Open ---- */

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif
#ifndef MPTCP_INFO
#define MPTCP_INFO 1
#endif

/* The first part of struct mptcp_info (linux/mptcp.h), which has grown since. */
struct mptcp_flags {
	uint8_t counts[8];
	uint32_t flags;
};
#define MPTCP_FLAG_FALLBACK 1U

void check_mptcp(struct check_job *job)
{
	const struct check_open how = { .protocol = IPPROTO_MPTCP };
	struct check_conn conn;
	struct mptcp_flags info = { 0 };
	socklen_t size = sizeof(info);
	int rc = check_try_open(job, &how, &conn);
	if (rc == -EPROTONOSUPPORT || rc == -ENOPROTOOPT || rc == -EINVAL) {
		check_skip(job, "this machine has no MPTCP (net.mptcp.enabled)");
		goto close;
	}
	if (rc < 0) {
		if (rc != -ECANCELED)
			check_fail(job, check_text("a connection, with MPTCP or without"),
				   check_text("%s", err_text(rc).text),
				   "the option MP_CAPABLE in a SYN breaks the connection");
		goto close;
	}
	check_exchange(&conn, 64, 0);
	if (check_expect(&conn, CHECK_DONE, check_text("64 bytes, with MPTCP or without"),
			 "MPTCP breaks the connection")) {
		bool is_mptcp = getsockopt(conn.fd, SOL_MPTCP, MPTCP_INFO, &info, &size) == 0 &&
				(info.flags & MPTCP_FLAG_FALLBACK) == 0;
		check_pass(job, is_mptcp ? "MPTCP end to end"
					 : "MPTCP not negotiated, the connection fell back to TCP");
	}
close:
	check_close(&conn);
}

/*
 * Judges what the kernel knows about the SYN: it sends one that got no answer again, without data
 * and without the option.
 */
static void judge_syn(struct check_conn *conn, bool *ret_was_in_syn)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);
	if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return;
	*ret_was_in_syn = (info.tcpi_options & TCPI_OPT_SYN_DATA) != 0;
	if (info.tcpi_total_retrans > 0)
		check_warn(conn->job, check_text("an answer to a SYN with the option for data"),
			   check_text("%u segments were sent again, connected after %s",
				      info.tcpi_total_retrans, times_text(conn->connect_ns).text),
			   "a SYN with the option for data is dropped on the path, or a full "
			   "accept queue dropped it");
}

/* Sends 64 bytes with the SYN if there is a cookie for the endpoint. Returns false on failure. */
static bool fast_open(struct check_job *job, bool *ret_was_in_syn)
{
	struct check_conn conn;
	const struct check_open how = { .fast_open = true };
	int rc = check_try_open(job, &how, &conn);
	if (rc == 0) {
		check_exchange(&conn, 64, 0);
		if (check_expect(&conn, CHECK_DONE, check_text("64 bytes, sent with the SYN"),
				 "data in a SYN, or the option for it, breaks the connection"))
			judge_syn(&conn, ret_was_in_syn);
	} else if (rc != -ECANCELED) {
		check_fail(job, check_text("a connection"), check_text("%s", err_text(rc).text),
			   "data in a SYN, or the option for it, breaks the connection");
	}
	check_close(&conn);
	return !check_is_over(job);
}

void check_fastopen(struct check_job *job)
{
	bool was_in_syn = false;
	/* The first connection asks for a cookie, the second one uses it. */
	for (int i = 0; i < 2; i++) {
		if (!fast_open(job, &was_in_syn))
			return;
	}
	check_pass(job, was_in_syn ? "data in the SYN was accepted"
				   : "data in the SYN was not used, and came back all the same");
}
