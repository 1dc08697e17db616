/* SPDX-License-Identifier: MIT */
/*
 * A few workers, one for each core. Each runs a loop (server/events/epoll_loop.c) for its share of
 * the clients.
 */
#include "server/engine.h"

#include "net/sysinfo.h"
#include "server/events/conn.h"
#include "server/events/epoll_loop.h"
#include "server/workers/supervisor.h"
#include "server/workers/worker.h"

const struct engine engine_epoll = {
	.name = "epoll",
	.summary = "an event loop on each core, with epoll(7)",
	.work = epoll_loop_run,
	.entry_size = sizeof(struct conn),
	.sandbox = { .has_workers = true },
	.need = { .many_workers = true,
		  .kib = 8,
		  .worker_kib = 512,
		  .space_kib = 66,
		  .worker_space_kib = 2048 },
	.workers = sysinfo_cores,
	.polls = true,
};
