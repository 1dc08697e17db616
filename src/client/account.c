/* SPDX-License-Identifier: MIT */
#include "client/account.h"

#include "base/clock.h"
#include "client/dial.h"

/* An arrival by the kernel's ticks may have been that much earlier. */
#define TICK_SLACK_NS (12 * CLOCK_NS_PER_MS)

/* ---- deadlines ---- */

void account_standstill(struct traffic *traffic, uint64_t length_ns)
{
	traffic->standstills[traffic->n_standstills++ % TRAFFIC_STANDSTILLS] = (struct standstill){
		.until_ns = traffic->now_ns,
		.length_ns = length_ns,
	};
	traffic->give_up_ns = clock_after_ns(traffic->give_up_ns, length_ns);
}

/* A wait began then. Time in which this thread stood still meanwhile is no part of it. */
static uint64_t wait_ends_ns(const struct traffic *traffic, uint64_t began_ns, uint64_t wait_ns)
{
	uint64_t end_ns = clock_after_ns(began_ns, wait_ns), n = traffic->n_standstills;
	for (int i = 0; i < TRAFFIC_STANDSTILLS && n > 0; i++) {
		const struct standstill *last = &traffic->standstills[--n % TRAFFIC_STANDSTILLS];
		if (last->until_ns <= began_ns)
			break;
		end_ns = clock_after_ns(end_ns, last->length_ns);
	}
	return end_ns;
}

uint64_t account_deadline_ns(const struct traffic *traffic, const struct lane *lane)
{
	uint64_t wait_ns = traffic->wait_ns;
	switch (lane->state) {
	case LANE_CLOSED:
		return lane->since_ns;
	case LANE_CONNECTING:
		return wait_ends_ns(traffic, lane->since_ns,
				    wait_ns != CLOCK_NEVER ? wait_ns : DIAL_LONGEST_NS);
	case LANE_FINISHING:
		return wait_ends_ns(traffic, lane->since_ns, wait_ns);
	case LANE_OPEN:
		if (lane_in_flight(lane) > 0)
			return wait_ends_ns(traffic, lane_oldest(&traffic->lanes, lane)->begun_ns,
					    wait_ns);
		return CLOCK_NEVER;
	default:
		return CLOCK_NEVER;
	}
}

void account_wake_by(struct traffic *traffic, const struct lane *lane, uint64_t at_ns)
{
	uint32_t i = traffic_index(traffic, lane);
	if (at_ns < traffic->wakes.at_ns[i])
		wakes_set(&traffic->wakes, i, at_ns);
}

/* ---- counts ---- */

bool account_is_late(const struct traffic *traffic, const struct lane *lane)
{
	const struct flight *flight = lane_oldest(&traffic->lanes, lane);
	uint64_t ago_ns, now_ns = traffic->now_ns;
	if (now_ns <= clock_after_ns(flight->begun_ns, traffic->wait_ns))
		return false;
	return lane->returned == lane->sent && lane_in_flight(lane) == 1 &&
	       tcpinfo_received_ago(lane->fd, &ago_ns) &&
	       now_ns - ago_ns >
		       wait_ends_ns(traffic, flight->begun_ns, traffic->wait_ns) + TICK_SLACK_NS;
}

/* Those of `count` bytes of a connection that are of the message at an offset. */
static uint64_t part_of(uint64_t count, uint64_t offset, uint64_t size)
{
	uint64_t n = count > offset ? count - offset : 0;
	return n < size ? n : size;
}

/* A message under way is over, which had waited for less than it may when the run ended. */
static void count_unfinished(struct traffic *traffic, const struct flight *flight)
{
	struct result *result = &traffic->load->result;
	result->n_unfinished++;
	histogram_record(&result->response, traffic->now_ns - flight->due_ns);
	if (load_tells_apart(traffic->plan))
		histogram_record(&result->service, traffic->now_ns - flight->begun_ns);
}

static void count_failure(struct traffic *traffic, const char *name)
{
	result_fail(&traffic->load->result, name, 1);
	atomic_fetch_add_explicit(&traffic->load->n_failures, 1, memory_order_relaxed);
}

uint64_t account_settle(struct traffic *traffic, struct lane *lane, const char *name)
{
	struct result *result = &traffic->load->result;
	uint64_t size = traffic->lanes.size, n_begun = 0;
	for (; lane_in_flight(lane) > 0; lane->n_back++) {
		const struct flight *flight = lane_oldest(&traffic->lanes, lane);
		uint64_t n_sent = part_of(lane->sent, lane->n_back * size, size);
		traffic->n_in_flight--;
		if (n_sent == 0 && !traffic->plan->churns) {
			if (traffic->plan->is_open)
				result_fail(result, RESULT_NEVER_SENT, 1);
			continue;
		}
		n_begun++;
		result->n_sent++;
		result->bytes_sent += n_sent;
		result->bytes_verified += part_of(lane->returned, lane->n_back * size, size);
		if (name != NULL)
			count_failure(traffic, name);
		else if (traffic->now_ns >
			 wait_ends_ns(traffic, flight->begun_ns, traffic->wait_ns))
			count_failure(traffic, "no_reply");
		else
			count_unfinished(traffic, flight);
	}
	return n_begun;
}
