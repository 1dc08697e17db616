/* SPDX-License-Identifier: MIT */
/*
 * The happy path, as in UNP 5.2 to 5.10:
 *
 *   parent                                      child
 *   accept: a connected socket
 *   fork -------------------------------------> close the listening sockets
 *   close the connected socket                  echo until the client ends (blocking/session.h)
 *   accept the next                             exit: SIGCHLD to the parent
 *   SIGCHLD: wait for every child that ended
 *
 * What else can happen: fork fails (the client waits, server/admission.h); the table is full
 * (nothing is accepted); a child is killed (the kernel ends its connection, other clients are not
 * affected); a signal ends the server (server/drain.h); the server is killed
 * (server/shutdown_pipe.h).
 *
 * A child starts as a copy of the parent's mappings. Every page that parent or child writes to
 * after the fork is copied. So the loop writes to few pages that a child inherits: its state is on
 * the stack, which no child gets, in the shared table, and on two pages of static data.
 * A child uses few pages and few calls.
 * docs/MEASURING.md has the effect of each of these measures.
 *
 * One process, one loop, no threads: fork copies only the calling thread, and a lock held by
 * another thread would stay locked in the child for ever.
 */
#include "server/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/io.h"
#include "net/listen.h"
#include "net/fork.h"
#include "net/proctitle.h"
#include "net/shm.h"
#include "net/signals.h"
#include "server/admission.h"
#include "server/blocking/session.h"
#include "server/faults.h"
#include "server/control.h"
#include "server/sandbox.h"
#include "server/shutdown_pipe.h"

/* Title of a child in ps(1), before the client's name, and the maximum size of that name. */
#define TITLE     "tcpecho: serving "
#define NAME_SIZE 72

/* A client in the parent. Children do not get this memory (server/client_table.h). */
struct fork_client {
	struct client client;
	bool has_filter; /* its child installs its own filter (server/sandbox.h) */
};

/*
 * Parameters and statistics of a child, on separate cache lines, because children write at the same
 * time. A compromised child can write to those of other children too: only their log lines and
 * counts depend on it.
 */
struct child {
	_Alignas(64) struct conn_stats stats;
	int fd;
	bool is_unix, has_filter;
	char title[sizeof(TITLE) - 1 + NAME_SIZE];
};

struct fork_engine {
	struct server *server;
	struct admission admission;
};

/* ---- the child ---- */

/*
 * Memory of a child: its stack, and the buffer right behind it, so that a small echo needs one page
 * for both. The parent never writes to it.
 */
static struct {
	_Alignas(4096) struct fork_stack stack;
	IO_ALIGNED unsigned char buffer[CLIENT_BUFFER_SIZE];
} child_memory;

/*
 * Faults on request: of the next child, and its memory for them. Not in shared memory, which a
 * child that was taken over could change for another one.
 */
static struct {
	struct fault_conn conn;
	void *memory; /* NULL: none */
} child_faults;

/*
 * Parameters common to all children, written once, before the first child. Children cannot use the
 * parent's stack (net/fork.h).
 */
static struct {
	struct sandbox sandbox;
	int shutdown_fd;
	uint64_t idle_timeout_ns;
} child_config;

static struct {
	struct child *list; /* one per entry of the client table, by index, in shared memory */
	size_t size;        /* bytes */
	struct shutdown_pipe shutdown_pipe;
} children;

static int child_main(void *argument)
{
	struct child *child = argument;
	fork_keep_only(child->fd, child_config.shutdown_fd);
	proctitle_set(child->title);
	int rc = child->has_filter ? sandbox_enter_child(&child_config.sandbox) : 0;
	if (rc < 0) {
		atomic_store_explicit(&child->stats.code, rc, memory_order_relaxed);
		_exit(1);
	}

	struct session session = {
		.fd = child->fd,
		.shutdown_fd = child_config.shutdown_fd,
		.is_unix = child->is_unix,
		.recv_timeout_ns = LISTEN_RETRY_NS,
		.idle_timeout_ns = child_config.idle_timeout_ns,
		.stats = &child->stats,
		.buffer = child_memory.buffer,
	};
	if (child_faults.memory != NULL)
		session.faults = fault_stream_begin(child_faults.memory, &child_faults.conn);
	ignore_result(session_run(&session)); /* the result is in the statistics for the parent */
	_exit(0); /* not exit(3): stdio and atexit handlers belong to the parent */
}

/* ---- the parent ---- */

/* Entries of the fork engine's table are struct fork_client. */
static struct fork_client *fork_client_of(struct client *client)
{
	return (struct fork_client *)client;
}

static void fork_release_filter(struct fork_engine *engine, struct client *client)
{
	if (fork_client_of(client)->has_filter)
		sandbox_release_filter(&engine->server->sandbox);
}

static struct child *child_of(const struct fork_engine *engine, const struct client *client)
{
	return &children.list[client_table_index(&engine->server->clients, client)];
}

/* Copies the statistics of a child to its client. */
static void fetch_stats(const struct fork_engine *engine, struct client *client)
{
	const struct conn_stats *stats = &child_of(engine, client)->stats;
	/* The close reason first (acquire): values that were written before it are then visible. */
	atomic_store_explicit(&client->stats.reason,
			      atomic_load_explicit(&stats->reason, memory_order_acquire),
			      memory_order_relaxed);
	atomic_store_explicit(&client->stats.code, atomic_load(&stats->code), memory_order_relaxed);
	atomic_store_explicit(&client->stats.in, atomic_load(&stats->in), memory_order_relaxed);
	atomic_store_explicit(&client->stats.out, atomic_load(&stats->out), memory_order_relaxed);
}

static void fetch_all_stats(const struct fork_engine *engine)
{
	const struct client_table *clients = &engine->server->clients;
	for (struct client *client = client_table_next(clients, NULL); client != NULL;
	     client = client_table_next(clients, client))
		fetch_stats(engine, client);
}

/* Starts a child for a client. */
static void fork_start_child(struct fork_engine *engine, struct client *client)
{
	struct fork_client *served = fork_client_of(client);
	struct child *child = child_of(engine, client);
	const struct faults *faults = engine->server->config->faults;
	served->has_filter = sandbox_acquire_filter(&engine->server->sandbox, client->start_ns);
	child->stats = (struct conn_stats){ 0 };
	child->fd = client->fd;
	child->is_unix = client->peer.family == AF_UNIX;
	child->has_filter = served->has_filter;
	snprintf(child->title, sizeof(child->title), TITLE "%s", peer_name(&client->peer).text);
	if (faults != NULL)
		faults_client_begins(faults, client, &child_faults.conn);
	pid_t pid = fork_child(&child_memory.stack, child_main, child);
	if (pid < 0) {
		if (faults != NULL)
			faults_client_ended(faults);
		fork_release_filter(engine, client);
		admission_put_back(&engine->admission, client, pid);
		return;
	}

	client_table_set_pid(&engine->server->clients, client, pid);
	io_close(&client->fd); /* the child has its own copy: no FIN goes out (UNP 4.8) */
}

/* One pending SIGCHLD may stand for several children: reap until no more have ended (UNP 5.10). */
MUST_USE static int fork_reap(struct fork_engine *engine)
{
	struct child_end end;
	int rc;
	while ((rc = fork_reap_child(&end)) > 0) {
		struct client *client = client_table_find(&engine->server->clients, end.pid);
		if (client == NULL)
			continue; /* a child of the program that executed us in its process */
		fork_release_filter(engine, client);
		fetch_stats(engine, client);
		server_client_ended(engine->server, client, end.signal, end.status);
		admission_client_ended(&engine->admission);
	}
	return rc;
}

static void fork_kill_all(const struct client_table *clients)
{
	/* A pid is not reused until the child is reaped: no other process can be killed. */
	for (const struct client *client = client_table_next(clients, NULL); client != NULL;
	     client = client_table_next(clients, client))
		kill(client->pid, SIGKILL);
}

/* Does what the drain phase requires. Every step may be repeated. */
static void fork_follow_drain(struct fork_engine *engine)
{
	struct server *server = engine->server;
	bool has_room = admission_is_open(&engine->admission);
	if (server->drain.phase >= DRAIN_DRAINING &&
	    admission_drain(&engine->admission, 0, has_room))
		admission_close(&engine->admission);
	if (server->drain.phase >= DRAIN_ABORTING)
		shutdown_pipe_signal(&children.shutdown_pipe);
	if (server->drain.phase == DRAIN_KILLING)
		fork_kill_all(&server->clients);
}

/*
 * Waits for signals, for the end of waiting connections and, while admission is open, for clients:
 * ready[1 + i] is listener i, and the waiting connections follow.
 */
MUST_USE static int fork_wait_for_events(struct fork_engine *engine, struct pollfd *ready)
{
	const struct server *server = engine->server;
	bool is_open = admission_is_open(&engine->admission);
	ready[0] = (struct pollfd){ .fd = server->control->signals_fd, .events = POLLIN };
	for (size_t i = 0; i < server->listeners.n; i++) {
		bool is_empty = (engine->admission.found_empty >> i & 1) != 0;
		ready[1 + i] = (struct pollfd){
			/* poll(2) ignores a negative descriptor: the clients wait. */
			.fd = is_open && !is_empty ? server->listeners.list[i].fd : -1,
			.events = POLLIN,
		};
	}
	size_t n = 1 + server->listeners.n;
	n += wait_queue_poll(&engine->admission.wait_queue, &ready[n]);
	uint64_t deadline_ns = clock_earlier_ns(admission_deadline_ns(&engine->admission),
						control_deadline_ns(server));
	return control_wait(ready, n, deadline_ns);
}

MUST_USE static int fork_read_signals(struct fork_engine *engine)
{
	struct server *server = engine->server;
	struct control_request request = control_read_signals(server);
	int rc = request.child_ended ? fork_reap(engine) : 0;
	if (request.new_phase) {
		admission_stop(&engine->admission); /* before the phase is logged */
		control_log_phase(server, server->clients.count);
	}
	if (!admission_is_over(&engine->admission) && control_check_time(server))
		control_log_phase(server, server->clients.count);
	if (request.totals) {
		fetch_all_stats(engine);
		control_log_totals(server);
	}
	return rc;
}

MUST_USE static int fork_loop(struct fork_engine *engine)
{
	struct server *server = engine->server;
	struct pollfd ready[1 + LISTENERS_MAX + WAIT_QUEUE_ENTRIES];
	struct client *client;
	while (!admission_is_over(&engine->admission)) {
		int rc = fork_wait_for_events(engine, ready);
		if (rc >= 0)
			admission_drop_ended(&engine->admission, &ready[1 + server->listeners.n]);
		if (rc >= 0)
			rc = fork_read_signals(engine);
		if (rc < 0)
			return rc;
		admission_check_time(&engine->admission);
		fork_follow_drain(engine);
		for (size_t i = 0; i < server->listeners.n; i++)
			engine->admission.is_ready[i] = ready[1 + i].revents != 0;
		while ((rc = admission_next(&engine->admission, &client)) > 0)
			fork_start_child(engine, client);
		if (rc < 0)
			return rc;
	}
	return 0;
}

MUST_USE static int open_children(const struct server *server)
{
	void *memory;
	size_t size = server->config->max_clients * sizeof(struct child);
	int rc = shm_map_shared(size, &memory);
	if (rc < 0)
		return rc;
	children.list = memory;
	children.size = size;
	return 0;
}

static int fork_end_at_once(void *argument)
{
	(void)argument;
	_exit(0);
}

/* Without a child, no client can be served. */
MUST_USE static int try_child(void)
{
	pid_t pid = fork_child(&child_memory.stack, fork_end_at_once, NULL);
	return pid < 0 ? pid : fork_wait_child(pid);
}

static int fork_start(struct server *server)
{
	int rc = shutdown_pipe_open(&children.shutdown_pipe);
	if (rc < 0)
		return rc;
	rc = open_children(server);
	if (rc < 0)
		return rc;
	if (server->config->faults != NULL) {
		child_faults.memory = aligned_alloc(FAULT_STREAM_ALIGNMENT,
						    faults_stream_size(server->config->faults));
		if (child_faults.memory == NULL)
			return -ENOMEM;
	}
	child_config.sandbox = server->sandbox;
	child_config.shutdown_fd = children.shutdown_pipe.child_fd;
	child_config.idle_timeout_ns = server->config->idle_timeout_ns;
	return try_child();
}

static int fork_run(struct server *server)
{
	static struct fork_engine engine; /* too large for a stack */
	engine.server = server;
	admission_setup(&engine.admission, server);
	int rc = fork_loop(&engine);
	admission_close(&engine.admission);
	shutdown_pipe_close(&children.shutdown_pipe);
	fetch_all_stats(&engine); /* from remaining children, if the loop failed */
	shm_unmap(children.list, children.size);
	return rc;
}

const struct engine engine_fork = {
	.name = "fork",
	.summary = "one child process for each client",
	.prepare = fork_prepare,
	.start = fork_start,
	.run = fork_run,
	.entry_size = sizeof(struct fork_client),
	.need = { .process = true, .kib = 180 },
};
