/* SPDX-License-Identifier: MIT */
#include "client/lanes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int lanes_open(struct lanes *ret_lanes, uint32_t n, uint32_t depth, uint64_t size)
{
	struct lanes lanes = { .n = n, .depth = depth, .room = 1, .size = size };
	while (lanes.room < depth)
		lanes.room *= 2;
	lanes.list = calloc(n, sizeof(*lanes.list));
	lanes.flights = calloc((size_t)n * lanes.room, sizeof(*lanes.flights));
	if (lanes.list == NULL || lanes.flights == NULL) {
		lanes_close(&lanes);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		lanes.list[i].fd = -1;
	*ret_lanes = lanes;
	return 0;
}

void lanes_close(struct lanes *lanes)
{
	free(lanes->list);
	free(lanes->flights);
	lanes->list = NULL;
	lanes->flights = NULL;
}

void lane_begin_connection(struct lane *lane, int fd, uint64_t number, struct payload payload)
{
	lane->fd = fd;
	lane->number = number;
	lane->payload = payload;
	lane->n_begun = lane->n_back = 0;
	lane->sent = lane->returned = 0;
}

static struct flight *flight_at(const struct lanes *lanes, const struct lane *lane, uint64_t n)
{
	size_t first = (size_t)(lane - lanes->list) * lanes->room;
	return &lanes->flights[first + (n & (lanes->room - 1))];
}

void lane_begin_message(struct lanes *lanes, struct lane *lane, struct flight flight)
{
	assert(lane_in_flight(lane) < lanes->depth);
	*flight_at(lanes, lane, lane->n_begun++) = flight;
}

void lane_send_first(struct lanes *lanes, struct lane *lane, uint64_t now_ns)
{
	assert(lane->n_begun == 1 && lane->n_back == 0);
	flight_at(lanes, lane, 0)->begun_ns = now_ns;
}

const struct flight *lane_oldest(const struct lanes *lanes, const struct lane *lane)
{
	assert(lane_in_flight(lane) > 0);
	return flight_at(lanes, lane, lane->n_back);
}
