/* SPDX-License-Identifier: MIT */
#include "client/load/accounting.h"

#include "base/clock.h"
#include "client/dial.h"

/* Uncertainty of the kernel's time of arrival, which is measured in ticks. */
#define TICK_SLACK_NS (12 * CLOCK_NS_PER_MS)

/* ---- deadlines ---- */

void accounting_add_gap(struct load_thread *thread, uint64_t length_ns)
{
	thread->gaps[thread->n_gaps++ % LOAD_GAPS] = (struct gap){
		.until_ns = thread->now_ns,
		.length_ns = length_ns,
	};
	thread->give_up_ns = clock_after_ns(thread->give_up_ns, length_ns);
}

/* Returns the end of a wait that began then. Gaps of this thread since then extend the wait. */
static uint64_t wait_ends_ns(const struct load_thread *thread, uint64_t began_ns, uint64_t wait_ns)
{
	uint64_t end_ns = clock_after_ns(began_ns, wait_ns), n = thread->n_gaps;
	for (int i = 0; i < LOAD_GAPS && n > 0; i++) {
		const struct gap *last = &thread->gaps[--n % LOAD_GAPS];
		if (last->until_ns <= began_ns)
			break;
		end_ns = clock_after_ns(end_ns, last->length_ns);
	}
	return end_ns;
}

uint64_t accounting_deadline_ns(const struct load_thread *thread, const struct load_conn *conn)
{
	uint64_t wait_ns = thread->wait_ns;
	switch (conn->state) {
	case LOAD_CONN_CLOSED:
		return conn->since_ns;
	case LOAD_CONN_CONNECTING:
		return wait_ends_ns(thread, conn->since_ns,
				    wait_ns != CLOCK_NEVER ? wait_ns : DIAL_LONGEST_NS);
	case LOAD_CONN_FINISHING:
		return wait_ends_ns(thread, conn->since_ns, wait_ns);
	case LOAD_CONN_OPEN:
		if (load_conn_in_flight(conn) > 0)
			return wait_ends_ns(
				thread, load_conn_oldest(&thread->conns, conn)->begun_ns, wait_ns);
		return CLOCK_NEVER;
	default:
		return CLOCK_NEVER;
	}
}

void accounting_wake_by(struct load_thread *thread, const struct load_conn *conn, uint64_t at_ns)
{
	uint32_t i = load_conn_index(thread, conn);
	if (at_ns < thread->timers.at_ns[i])
		timer_heap_set(&thread->timers, i, at_ns);
}

/* ---- counts ---- */

bool accounting_is_late(const struct load_thread *thread, const struct load_conn *conn)
{
	const struct request *request = load_conn_oldest(&thread->conns, conn);
	uint64_t ago_ns, now_ns = thread->now_ns;
	if (now_ns <= clock_after_ns(request->begun_ns, thread->wait_ns))
		return false;
	return conn->stream.returned == conn->stream.sent && load_conn_in_flight(conn) == 1 &&
	       tcpinfo_received_ago(conn->fd, &ago_ns) &&
	       now_ns - ago_ns >
		       wait_ends_ns(thread, request->begun_ns, thread->wait_ns) + TICK_SLACK_NS;
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
static void count_unfinished(struct load_thread *thread, const struct request *request)
{
	struct result *result = &thread->load->result;
	result->n_unfinished++;
	histogram_record(&result->response, thread->now_ns - request->due_ns);
	if (load_has_service_time(thread->plan))
		histogram_record(&result->service, thread->now_ns - request->begun_ns);
}

static void count_failure(struct load_thread *thread, const char *name)
{
	result_fail(&thread->load->result, name, 1);
	atomic_fetch_add_explicit(&thread->load->n_failures, 1, memory_order_relaxed);
}

uint64_t accounting_end_messages(struct load_thread *thread, struct load_conn *conn,
				 const char *name)
{
	struct result *result = &thread->load->result;
	uint64_t size = thread->conns.size, n_begun = 0;
	for (; load_conn_in_flight(conn) > 0; conn->n_back++) {
		const struct request *request = load_conn_oldest(&thread->conns, conn);
		uint64_t n_sent = share_of_bytes(conn->stream.sent, conn->n_back * size, size);
		thread->n_in_flight--;
		if (n_sent == 0 && !thread->plan->churns) {
			if (thread->plan->is_open)
				result_fail(result, RESULT_NEVER_SENT, 1);
			continue;
		}
		n_begun++;
		result->n_sent++;
		result->bytes_sent += n_sent;
		result->bytes_verified +=
			share_of_bytes(conn->stream.returned, conn->n_back * size, size);
		if (name != NULL)
			count_failure(thread, name);
		else if (thread->now_ns > wait_ends_ns(thread, request->begun_ns, thread->wait_ns))
			count_failure(thread, "no_reply");
		else
			count_unfinished(thread, request);
	}
	return n_begun;
}
