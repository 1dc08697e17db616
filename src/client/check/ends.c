/* SPDX-License-Identifier: MIT */
/*
 * Checks of the end of a connection: half-close, FIN and RST, and the bytes that are on their way
 * then. A half-close ends one direction only (RFC 9293, 3.6): the endpoint has sent everything
 * before its own FIN.
 */
#include "client/check/checks.h"

#include <inttypes.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/units.h"
#include "client/check/check_conn.h"
#include "net/sockopt.h"

static const char no_half_close[] = "the path closes both directions on the first FIN";

/*
 * Judges a connection whose FIN is sent and which was read until it ended: every byte, then FIN.
 * A reset behind the last byte loses nothing, but may on a longer path.
 */
static void judge_end(struct check_conn *conn, const char *means)
{
	struct check_job *job = conn->job;
	struct check_text expected = check_text("%" PRIu64 " bytes, then FIN", conn->stream.due);
	if (!check_expect(conn, CHECK_ENDED, expected, means))
		return;
	if (stream_unsent(&conn->stream) > 0) { /* it ended before all was sent */
		check_fail(job, expected, check_conn_saw(conn), means);
		return;
	}
	switch (check_conn_end(conn)) {
	case STREAM_END_FIN:
		check_pass(job, "%s", check_conn_saw(conn).text);
		break;
	case STREAM_END_RESET:
		check_warn(job, expected, check_conn_saw(conn),
			   "it closes with unread bytes or SO_LINGER; on a longer path the reset "
			   "can destroy the last bytes");
		break;
	case STREAM_END_EARLY_FIN:
	case STREAM_END_EARLY_RESET:
	case STREAM_END_SILENCE:
	case STREAM_END_ERROR:
		check_fail(job, expected, check_conn_saw(conn), means);
		break;
	}
}

#define HALF_CLOSE_SIZE MIB
#define HALF_CLOSE_TAIL ((uint64_t)1000)

void check_half_close(struct check_job *job)
{
	struct check_conn conn;
	if (check_open(job, &conn)) {
		if (check_push(&conn, HALF_CLOSE_SIZE - HALF_CLOSE_TAIL) != CHECK_DONE)
			stream_add_due(&conn.stream, HALF_CLOSE_TAIL); /* expected all the same */
		else if (check_send_with_fin(&conn, HALF_CLOSE_TAIL) == CHECK_DONE)
			check_await_end(&conn);
		judge_end(&conn, no_half_close);
	}
	check_close(&conn);
}

#define LATE_NS (5 * CLOCK_NS_PER_S)

void check_half_close_late(struct check_job *job)
{
	struct check_conn conn;
	if (check_open(job, &conn)) {
		if (check_push(&conn, 64 * KIB) == CHECK_DONE &&
		    check_send_fin(&conn) == CHECK_DONE && check_pause(job, LATE_NS) == CHECK_DONE)
			check_await_end(&conn);
		judge_end(&conn, "a timer of half-closed connections cuts the rest off");
	}
	check_close(&conn);
}

void check_fin_only(struct check_job *job)
{
	struct check_conn conn;
	if (check_open(job, &conn)) {
		if (check_send_fin(&conn) == CHECK_DONE)
			check_await_end(&conn);
		judge_end(&conn, "a client that leaves without a byte keeps its place for ever");
	}
	check_close(&conn);
}

void check_fin_with_data(struct check_job *job)
{
	struct check_conn conn;
	if (check_open(job, &conn)) {
		if (check_send_with_fin(&conn, 100) == CHECK_DONE)
			check_await_end(&conn);
		judge_end(&conn, "bytes that come together with a FIN are lost");
	}
	check_close(&conn);
}

void check_ends_with_fin(struct check_job *job)
{
	struct check_conn conn;
	if (check_open(job, &conn)) {
		if (check_exchange(&conn, 4 * KIB, 0) == CHECK_DONE &&
		    check_send_fin(&conn) == CHECK_DONE)
			check_await_end(&conn);
		judge_end(&conn, "the connection does not end like a stream that was read whole");
	}
	check_close(&conn);
}

/* ---- the tail ---- */

#define TAIL_SIZE     (8 * MIB)
#define TAIL_QUIET_NS (500 * CLOCK_NS_PER_MS)
#define LARGE_BUFFER  (1024 * 1024)
#define TAIL_PAUSES   20
#define TAIL_PAUSE_NS (20 * CLOCK_NS_PER_MS)

/* Reads a little, with pauses: what is on its way has to wait in the path. */
static void read_slowly(struct check_conn *conn)
{
	for (int i = 0; i < TAIL_PAUSES; i++) {
		if (check_pause(conn->job, TAIL_PAUSE_NS) != CHECK_DONE ||
		    check_listen(conn, 0) == CHECK_WRONG || conn->outcome == CHECK_ENDED)
			break;
	}
}

void check_tail(struct check_job *job)
{
	const struct check_open small = { .receive_buffer = CHECK_SMALL_BUFFER };
	const struct socket_option large[] = { { SOL_SOCKET, SO_RCVBUF, LARGE_BUFFER } };
	struct check_conn conn;
	if (!check_open_with(job, &small, &conn))
		goto close;
	check_send(&conn, TAIL_SIZE, TAIL_QUIET_NS);
	if ((conn.outcome == CHECK_DONE || conn.outcome == CHECK_SILENT) &&
	    check_send_fin(&conn) == CHECK_DONE) {
		read_slowly(&conn);
		if (conn.outcome == CHECK_DONE || conn.outcome == CHECK_SILENT) {
			ignore_result(sockopt_set(conn.fd, large, 1)); /* the rest comes faster */
			check_await_end(&conn);
		}
	}
	judge_end(&conn, "the last bytes are lost when the client reads slowly after its FIN");
close:
	check_close(&conn);
}
