/* SPDX-License-Identifier: MIT */
/* A server whose clients a test enters by hand. */
#ifndef ONE_SERVER_H
#define ONE_SERVER_H

#include <stdatomic.h>
#include <sys/types.h>

#include "base/clock.h"
#include "net/addr.h"
#include "net/peer.h"
#include "server/client_table.h"
#include "server/config.h"
#include "server/control.h"
#include "server/server.h"
#include "unit.h"

static struct server_config config;
static struct control control;
static struct server server;
static struct unit_capture log_of;

static int open_server(void **state)
{
	(void)state;
	config = (struct server_config){ .drain_timeout_ns = 30 * CLOCK_NS_PER_S };
	control = (struct control){ .signals_fd = -1 };
	server = (struct server){ .config = &config, .control = &control };
	return client_table_open(&server.clients, 8, sizeof(struct client));
}

static int close_server(void **state)
{
	(void)state;
	client_table_close(&server.clients);
	return 0;
}

/* 192.0.2.N:51334 */
static struct peer peer_number(unsigned int n)
{
	struct addr addr = addr_wildcard(AF_INET, 51334);
	addr.v4.sin_addr.s_addr = htonl(0xc0000200 + n);
	return peer_of(-1, &addr);
}

static struct client *enter(pid_t pid, uint64_t in, uint64_t out)
{
	struct peer peer = peer_number(7);
	struct client *client = client_table_add(&server.clients, &peer, 0);
	assert_non_null(client);
	if (pid != 0)
		client_table_set_pid(&server.clients, client, pid);
	atomic_store(&client->stats.in, in);
	atomic_store(&client->stats.out, out);
	return client;
}

#endif
