/* SPDX-License-Identifier: MIT */
/* The check that runs while a command does (--during): is a connection cut, or refused? */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/units.h"
#include "client/check/check_conn.h"
#include "client/check/checks.h"
#include "client/check/times.h"
#include "net/command.h"

/* Connections that stay: the first half idle, the others with a byte in each step. */
#define STAYING 16
#define STEP_NS (100 * CLOCK_NS_PER_MS)

/* The flows go on for this long after the command. */
#define AFTER_NS CLOCK_NS_PER_S

/* What happened to the flows. */
struct flows {
	struct check_job *job;
	struct check_conn conns[STAYING];
	uint64_t start_ns;
	uint64_t first_ns;       /* when the first one was lost, since the start; 0: none was */
	size_t n_fin;            /* of those that stay: ended with a FIN after their last byte */
	size_t n_cut;            /* of those that stay: reset, silent, or with a wrong byte */
	size_t n_new, n_refused; /* short connections, and those that failed */
	struct check_text first; /* what was seen then */
};

static void note_lost(struct flows *flows, struct check_text what)
{
	if (flows->first_ns == 0) {
		flows->first_ns = clock_now_ns() - flows->start_ns;
		flows->first = what;
	}
}

/* Sends a byte on a connection that stays, and closes it if it is lost. */
static void use_staying(struct flows *flows, struct check_conn *conn)
{
	if (conn->fd < 0 || check_exchange(conn, 1, 0) == CHECK_DONE ||
	    conn->outcome == CHECK_CANCELLED)
		return;
	/* The byte that was sent into the end of the connection is not lost by it. */
	bool is_fin = conn->outcome == CHECK_ENDED && conn->received == 0;
	flows->n_fin += is_fin;
	flows->n_cut += !is_fin;
	if (!is_fin)
		note_lost(flows, check_conn_saw(conn));
	check_close(conn);
}

/* A new connection, an echo, the end. */
static void use_new(struct flows *flows)
{
	struct check_conn conn;
	int rc = check_try_open(flows->job, &(struct check_open){ 0 }, &conn);
	flows->n_new++;
	if (rc == 0) {
		check_exchange(&conn, 64, 0);
		if (conn.outcome != CHECK_DONE && conn.outcome != CHECK_CANCELLED) {
			flows->n_refused++;
			note_lost(flows, check_conn_saw(&conn));
		}
	} else if (rc != -ECANCELED) {
		flows->n_refused++;
		note_lost(flows, check_text("%s", err_text(rc).text));
	}
	check_reset(&conn); /* no port is left in TIME_WAIT */
}

/* Opens the connections that stay. Returns false if the check is over. */
static bool open_staying(struct flows *flows)
{
	for (size_t i = 0; i < STAYING; i++)
		flows->conns[i].fd = -1;
	for (size_t i = 0; i < STAYING; i++) {
		struct check_conn *conn = &flows->conns[i];
		if (!check_open(flows->job, conn))
			return false;
		check_exchange(conn, 1, 0);
		if (!check_expect(conn, CHECK_DONE, check_text("1 byte back"), ""))
			return false;
	}
	return true;
}

/* Uses the flows until the command has ended, and a little longer. */
static void use_flows(struct flows *flows, struct command_run *run)
{
	uint64_t end_ns = CLOCK_NEVER;
	while (clock_now_ns() < end_ns) {
		for (size_t i = STAYING / 2; i < STAYING; i++)
			use_staying(flows, &flows->conns[i]);
		use_new(flows);
		if (check_pause(flows->job, STEP_NS) != CHECK_DONE)
			return;
		if (end_ns == CLOCK_NEVER && command_has_ended(run))
			end_ns = clock_deadline_ns(AFTER_NS);
	}
	for (size_t i = 0; i < STAYING / 2; i++)
		use_staying(flows, &flows->conns[i]);
}

static void judge_flows(const struct flows *flows, const struct command_run *run)
{
	struct check_job *job = flows->job;
	struct check_text expected =
		check_text("%d connections that stay, and each new one served", STAYING);
	struct check_text status = check_text("%s", "");
	if (run->status != 0)
		status = check_text("; the command ended with status %d", run->status);
	struct check_text lost = check_text(
		"%zu of %d cut, %zu ended with FIN, %zu of %zu new ones failed, the first after "
		"%s (%s)%s",
		flows->n_cut, STAYING, flows->n_fin, flows->n_refused, flows->n_new,
		times_text(flows->first_ns).text, flows->first.text, status.text);
	if (flows->n_cut + flows->n_refused > 0)
		check_fail(job, expected, lost,
			   "clients are cut off, or refused, while the change goes on");
	else if (flows->n_fin > 0)
		check_warn(job, expected,
			   check_text("%zu of %d ended with FIN after their last byte, %zu new "
				      "ones served%s",
				      flows->n_fin, STAYING, flows->n_new, status.text),
			   "connections are ended in order; clients have to connect again");
	else
		check_pass(job, "%d connections stayed, %zu new ones were served, in %s%s", STAYING,
			   flows->n_new, times_text(clock_now_ns() - flows->start_ns).text,
			   status.text);
}

void check_during(struct check_job *job)
{
	struct command_run run;
	struct flows *flows = calloc(1, sizeof(*flows));
	if (flows == NULL) {
		check_skip(job, "no memory");
		return;
	}
	flows->job = job;
	if (open_staying(flows)) {
		int rc = command_start(job->settings->during, &run);
		flows->start_ns = clock_now_ns();
		if (rc < 0)
			check_skip(job, "the command cannot be started: %s", err_text(rc).text);
		else
			use_flows(flows, &run);
		if (!check_is_over(job))
			judge_flows(flows, &run);
		command_end(&run);
	}
	for (size_t i = 0; i < STAYING; i++)
		check_close(&flows->conns[i]);
	free(flows);
}
