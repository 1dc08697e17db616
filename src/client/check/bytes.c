/* SPDX-License-Identifier: MIT */
/* Checks of the bytes: do they come back, all of them, unchanged, and without delay? */
#include "client/check/checks.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "client/check/check_conn.h"
#include "client/check/times.h"

static const char not_transparent[] = "something changes, keeps or interprets bytes";

/* Every byte value, and what protocols and terminals would obey. */
static size_t make_every_value(unsigned char bytes[512])
{
	static const char special[] =
		"\0\r\n\r\n\n\0\x7f\x1b[31m\xff\xf4\xff\xfd\x06GET / HTTP/1.0\r\n\r\n";
	size_t n = 0;
	for (; n < 256; n++)
		bytes[n] = (unsigned char)n;
	memcpy(bytes + n, special, sizeof(special) - 1); /* it has no newline at its end */
	return n + sizeof(special) - 1;
}

void check_echo(struct check_job *job)
{
	unsigned char bytes[512];
	size_t n = make_every_value(bytes);
	struct check_conn conn;
	if (check_open(job, &conn)) {
		check_exchange_raw(&conn, bytes, n);
		if (check_expect(&conn, CHECK_DONE, check_text("%zu bytes of every value", n),
				 conn.raw_returned == 0 ? "it is not an echo server (RFC 862)"
							: not_transparent))
			check_pass(job, "%zu bytes of every value came back", n);
	}
	check_close(&conn);
}

#define SILENCE_NS (2 * CLOCK_NS_PER_S)

void check_silence(struct check_job *job)
{
	struct check_conn conn;
	if (!check_open(job, &conn))
		goto close;
	struct check_text expected = check_text("nothing for %s", units_duration(SILENCE_NS).text);
	switch (check_listen(&conn, SILENCE_NS)) {
	case CHECK_SILENT:
		check_pass(job, "nothing came for %s, as nothing was sent",
			   units_duration(SILENCE_NS).text);
		break;
	case CHECK_ENDED:
		check_warn(job, expected, check_conn_saw(&conn),
			   "it ends a connection that has not sent yet");
		break;
	case CHECK_WRONG:
	case CHECK_DONE:
		check_fail(job, expected,
			   check_text("bytes that were not asked for: %s", conn.wrong),
			   "a server that speaks first is not an echo server (RFC 862)");
		break;
	case CHECK_LATE:
	case CHECK_CANCELLED:
		break;
	}
close:
	check_close(&conn);
}

/* ---- delays ---- */

#define PAUSE_NS (3 * CLOCK_NS_PER_S)

/* Returns the time of one byte, sent `pause_ns` after connecting; 0 and a verdict if none came. */
static uint64_t time_first_byte(struct check_job *job, uint64_t pause_ns)
{
	struct check_conn conn;
	uint64_t took_ns = 0;
	if (check_open(job, &conn) && (pause_ns == 0 || check_pause(job, pause_ns) == CHECK_DONE)) {
		uint64_t before_ns = clock_now_ns();
		check_exchange(&conn, 1, 0);
		if (check_expect(&conn, CHECK_DONE, check_text("the first byte back"),
				 "a connection is accepted long before it is served"))
			took_ns = clock_now_ns() - before_ns;
	}
	check_close(&conn);
	return took_ns;
}

void check_first_byte(struct check_job *job)
{
	uint64_t at_once_ns = time_first_byte(job, 0);
	uint64_t later_ns = check_is_over(job) ? 0 : time_first_byte(job, PAUSE_NS);
	uint64_t worst_ns = clock_later_ns(at_once_ns, later_ns);
	if (check_is_over(job))
		return;
	if (worst_ns > job->path->rtt_ns + CLOCK_NS_PER_S)
		check_warn(job,
			   check_text("the first byte within 1s of the round-trip time, %s",
				      times_text(job->path->rtt_ns).text),
			   check_text("%s", times_text(worst_ns).text),
			   "something on the path waits before it connects onwards");
	else
		check_pass(job, "first byte back after %s, and %s on a connection %s old",
			   times_text(at_once_ns).text, times_text(later_ns).text,
			   units_duration(PAUSE_NS).text);
}

void check_backend(struct check_job *job)
{
	struct check_conn conn;
	if (check_open(job, &conn)) {
		check_exchange(&conn, 1, 0);
		if (check_expect(&conn, CHECK_DONE, check_text("1 byte back"),
				 "the connection is accepted, but nothing behind it answers: a "
				 "proxy or balancer answers for a dead backend"))
			check_pass(job, "what accepts the connection also echoes");
	}
	check_close(&conn);
}

/* ---- sizes ---- */

/* Sends and gets back `size` bytes on a new connection. Returns how it ended. */
static enum check_outcome try_size(struct check_job *job, uint64_t size, struct check_text *ret_saw)
{
	struct check_conn conn;
	enum check_outcome outcome = CHECK_CANCELLED;
	if (check_open(job, &conn)) {
		outcome = check_exchange(&conn, size, 0);
		*ret_saw = check_conn_saw(&conn);
	}
	check_close(&conn);
	return outcome;
}

#define SIZES_MAX_BITS 24

void check_sizes(struct check_job *job)
{
	uint64_t largest = 0;
	for (unsigned int bits = 0; bits <= SIZES_MAX_BITS; bits++) {
		for (uint64_t size = (UINT64_C(1) << bits) - 1; size <= (UINT64_C(1) << bits) + 1;
		     size++) {
			struct check_text saw;
			enum check_outcome outcome = try_size(job, size, &saw);
			if (check_is_over(job))
				return;
			if (outcome == CHECK_LATE && largest > 0)
				goto over; /* a slow path, not a wrong one */
			if (outcome != CHECK_DONE) {
				check_fail(job, check_text("%" PRIu64 " bytes", size), saw,
					   "messages of this size do not pass; smaller ones do");
				return;
			}
			largest = size;
		}
	}
over:
	check_pass(job, "messages of all sizes up to %s came back", units_bytes(largest).text);
}

#define TRICKLE_SIZE ((uint64_t)4096)

void check_trickle(struct check_job *job)
{
	struct check_conn conn;
	if (check_open(job, &conn)) {
		check_exchange(&conn, TRICKLE_SIZE, 1);
		if (check_expect(&conn, CHECK_DONE,
				 check_text("%" PRIu64 " bytes, each sent by itself", TRICKLE_SIZE),
				 "something takes a small segment for a whole message"))
			check_pass(job, "%" PRIu64 " bytes, each sent by itself, came back",
				   TRICKLE_SIZE);
	}
	check_close(&conn);
}

#define PIPELINE_SIZE (64 * MIB)

void check_pipeline(struct check_job *job)
{
	struct check_conn conn;
	if (check_open(job, &conn)) {
		check_exchange(&conn, PIPELINE_SIZE, 0);
		if (conn.outcome == CHECK_LATE)
			check_pass(job,
				   "%s came back in the time of this check, in both "
				   "directions at once",
				   units_bytes(conn.stream.returned).text);
		else if (check_expect(&conn, CHECK_DONE,
				      check_text("%" PRIu64 " bytes", PIPELINE_SIZE),
				      "both directions at once stop each other, or lose bytes"))
			check_pass(job, "%s came back, in both directions at once",
				   units_bytes(PIPELINE_SIZE).text);
	}
	check_close(&conn);
}

/* ---- round trips ---- */

/* Nagle's algorithm waits for an ACK that the other end delays: 40 ms, or 200 ms elsewhere. */
#define DELAYED_ACK_NS (35 * CLOCK_NS_PER_MS)

#define SMALL_WRITES 50

void check_small_writes(struct check_job *job)
{
	struct check_conn conn;
	if (!check_open(job, &conn))
		goto close;
	for (int i = 0; i < SMALL_WRITES; i++) {
		uint64_t before_ns = clock_now_ns();
		check_exchange(&conn, 2, 1);
		if (!check_expect(&conn, CHECK_DONE, check_text("2 bytes, sent one by one"), ""))
			goto close;
		times_add(job->times, clock_now_ns() - before_ns);
	}
	uint64_t median_ns = times_median(job->times);
	if (median_ns > job->path->rtt_ns + DELAYED_ACK_NS)
		check_warn(
			job,
			check_text("2 bytes, sent one by one, within the round-trip time, %s",
				   times_text(job->path->rtt_ns).text),
			check_text("%s (median of %d)", times_text(median_ns).text, SMALL_WRITES),
			"Nagle's algorithm waits for a delayed ACK on the path (TCP_NODELAY is "
			"not set)");
	else
		check_pass(job, "2 bytes, sent one by one, are back after %s",
			   times_text(median_ns).text);
close:
	check_close(&conn);
}

#define LOCK_STEPS 1000

/* A timer delays all that wait for it equally; a busy machine does not. */
#define PLATEAU_NS (8 * CLOCK_NS_PER_MS)

/*
 * Returns the number of sorted times that are 35 to 280 ms above the median, if the middle half of
 * them is equal; else 0.
 */
static size_t count_plateau(const struct times *times, uint64_t median_ns)
{
	uint64_t from_ns = median_ns + DELAYED_ACK_NS, to_ns = median_ns + 8 * DELAYED_ACK_NS;
	size_t n = times_count(times, from_ns, to_ns);
	size_t first = times_count(times, 0, from_ns - 1);
	if (n == 0 || times->ns[first + n * 3 / 4] - times->ns[first + n / 4] > PLATEAU_NS)
		return 0;
	return n;
}

void check_lock_step(struct check_job *job)
{
	struct check_conn conn;
	if (!check_open(job, &conn))
		goto close;
	for (int i = 0; i < LOCK_STEPS; i++) {
		uint64_t before_ns = clock_now_ns();
		check_exchange(&conn, 64, 0);
		if (conn.outcome == CHECK_LATE && i >= LOCK_STEPS / 10)
			break; /* a long path */
		if (!check_expect(&conn, CHECK_DONE,
				  check_text("message %d of %d", i + 1, LOCK_STEPS), ""))
			goto close;
		times_add(job->times, clock_now_ns() - before_ns);
	}
	uint64_t median_ns = times_median(job->times);
	size_t n_late = count_plateau(job->times, median_ns);
	if (n_late * 20 > job->times->n)
		check_warn(
			job,
			check_text("round trips near their median, %s", times_text(median_ns).text),
			check_text("%zu of %zu took 35 to 280 ms longer", n_late, job->times->n),
			"a delayed ACK is waited for on the path");
	else
		check_pass(job, "%zu messages one after the other, median %s", job->times->n,
			   times_text(median_ns).text);
close:
	check_close(&conn);
}
