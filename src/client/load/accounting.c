/* SPDX-License-Identifier: MIT */
#include "client/load/accounting.h"

#include "base/clock.h"
#include "client/dial.h"

/* Uncertainty of the kernel's time of arrival, which is measured in ticks. */
#define TICK_SLACK_NS (12 * CLOCK_NS_PER_MS)

/* ---- deadlines ---- */

void accounting_add_gap(struct load_io *io, uint64_t length_ns)
{
	io->gaps[io->n_gaps++ % LOAD_IO_GAPS] = (struct gap){
		.until_ns = io->now_ns,
		.length_ns = length_ns,
	};
	io->give_up_ns = clock_after_ns(io->give_up_ns, length_ns);
}

/* Returns the end of a wait that began then. Gaps of this thread since then extend the wait. */
static uint64_t wait_ends_ns(const struct load_io *io, uint64_t began_ns, uint64_t wait_ns)
{
	uint64_t end_ns = clock_after_ns(began_ns, wait_ns), n = io->n_gaps;
	for (int i = 0; i < LOAD_IO_GAPS && n > 0; i++) {
		const struct gap *last = &io->gaps[--n % LOAD_IO_GAPS];
		if (last->until_ns <= began_ns)
			break;
		end_ns = clock_after_ns(end_ns, last->length_ns);
	}
	return end_ns;
}

uint64_t accounting_deadline_ns(const struct load_io *io, const struct load_conn *conn)
{
	uint64_t wait_ns = io->wait_ns;
	switch (conn->state) {
	case LOAD_CONN_CLOSED:
		return conn->since_ns;
	case LOAD_CONN_CONNECTING:
		return wait_ends_ns(io, conn->since_ns,
				    wait_ns != CLOCK_NEVER ? wait_ns : DIAL_LONGEST_NS);
	case LOAD_CONN_FINISHING:
		return wait_ends_ns(io, conn->since_ns, wait_ns);
	case LOAD_CONN_OPEN:
		if (load_conn_in_flight(conn) > 0)
			return wait_ends_ns(io, load_conn_oldest(&io->conns, conn)->begun_ns,
					    wait_ns);
		return CLOCK_NEVER;
	default:
		return CLOCK_NEVER;
	}
}

void accounting_wake_by(struct load_io *io, const struct load_conn *conn, uint64_t at_ns)
{
	uint32_t i = load_io_index(io, conn);
	if (at_ns < io->timers.at_ns[i])
		timer_heap_set(&io->timers, i, at_ns);
}

/* ---- counts ---- */

bool accounting_is_late(const struct load_io *io, const struct load_conn *conn)
{
	const struct request *request = load_conn_oldest(&io->conns, conn);
	uint64_t ago_ns, now_ns = io->now_ns;
	if (now_ns <= clock_after_ns(request->begun_ns, io->wait_ns))
		return false;
	return conn->stream.returned == conn->stream.sent && load_conn_in_flight(conn) == 1 &&
	       tcpinfo_received_ago(conn->fd, &ago_ns) &&
	       now_ns - ago_ns > wait_ends_ns(io, request->begun_ns, io->wait_ns) + TICK_SLACK_NS;
}

/*
 * Returns how many of the first `count` bytes of a connection belong to the message at an offset.
 */
static uint64_t share_of_bytes(uint64_t count, uint64_t offset, uint64_t size)
{
	uint64_t n = count > offset ? count - offset : 0;
	return n < size ? n : size;
}

/* Counts a message in flight that had waited less than wait_ns when the run ended. */
static void count_unfinished(struct load_io *io, const struct request *request)
{
	struct result *result = &io->load->result;
	result->n_unfinished++;
	histogram_record(&result->response, io->now_ns - request->due_ns);
	if (load_tells_apart(io->plan))
		histogram_record(&result->service, io->now_ns - request->begun_ns);
}

static void count_failure(struct load_io *io, const char *name)
{
	result_fail(&io->load->result, name, 1);
	atomic_fetch_add_explicit(&io->load->n_failures, 1, memory_order_relaxed);
}

uint64_t accounting_settle(struct load_io *io, struct load_conn *conn, const char *name)
{
	struct result *result = &io->load->result;
	uint64_t size = io->conns.size, n_begun = 0;
	for (; load_conn_in_flight(conn) > 0; conn->n_back++) {
		const struct request *request = load_conn_oldest(&io->conns, conn);
		uint64_t n_sent = share_of_bytes(conn->stream.sent, conn->n_back * size, size);
		io->n_in_flight--;
		if (n_sent == 0 && !io->plan->churns) {
			if (io->plan->is_open)
				result_fail(result, RESULT_NEVER_SENT, 1);
			continue;
		}
		n_begun++;
		result->n_sent++;
		result->bytes_sent += n_sent;
		result->bytes_verified +=
			share_of_bytes(conn->stream.returned, conn->n_back * size, size);
		if (name != NULL)
			count_failure(io, name);
		else if (io->now_ns > wait_ends_ns(io, request->begun_ns, io->wait_ns))
			count_failure(io, "no_reply");
		else
			count_unfinished(io, request);
	}
	return n_begun;
}
