/* SPDX-License-Identifier: MIT */
#include "client/load/load_conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int load_conns_open(struct load_conns *ret_conns, uint32_t n, uint32_t depth, uint64_t size)
{
	struct load_conns conns = { .n = n, .depth = depth, .room = 1, .size = size };
	while (conns.room < depth)
		conns.room *= 2;
	conns.list = calloc(n, sizeof(*conns.list));
	conns.requests = calloc((size_t)n * conns.room, sizeof(*conns.requests));
	if (conns.list == NULL || conns.requests == NULL) {
		load_conns_close(&conns);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		conns.list[i].fd = -1;
	*ret_conns = conns;
	return 0;
}

void load_conns_close(struct load_conns *conns)
{
	free(conns->list);
	free(conns->requests);
	conns->list = NULL;
	conns->requests = NULL;
}

void load_conn_begin_connection(struct load_conn *conn, int fd, uint64_t seed, uint64_t number)
{
	conn->fd = fd;
	conn->n_begun = conn->n_back = 0;
	stream_begin(&conn->stream, seed, number);
}

static struct request *request_at(const struct load_conns *conns, const struct load_conn *conn,
				  uint64_t n)
{
	size_t first = (size_t)(conn - conns->list) * conns->room;
	return &conns->requests[first + (n & (conns->room - 1))];
}

void load_conn_begin_message(struct load_conns *conns, struct load_conn *conn,
			     struct request request)
{
	assert(load_conn_in_flight(conn) < conns->depth);
	*request_at(conns, conn, conn->n_begun++) = request;
	stream_add_due(&conn->stream, conns->size);
}

void load_conn_send_first(struct load_conns *conns, struct load_conn *conn, uint64_t now_ns)
{
	assert(conn->n_begun == 1 && conn->n_back == 0);
	request_at(conns, conn, 0)->begun_ns = now_ns;
}

const struct request *load_conn_oldest(const struct load_conns *conns, const struct load_conn *conn)
{
	assert(load_conn_in_flight(conn) > 0);
	return request_at(conns, conn, conn->n_back);
}
