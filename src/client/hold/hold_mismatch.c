/* SPDX-License-Identifier: MIT */
/*
 * Wrong bytes on held connections: finds out which fault it was, or which kind of server.
 *
 * The first connection with a wrong byte, before any heartbeat has come back, asks the server
 * whether it speaks first. Other connections with wrong bytes wait for the answer. If the server is
 * no echo server, all of them report it in the same words.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/hold/hold_internal.h"
#include "client/mismatch.h"

/*
 * Removes the connection's name from a diagnosis. The name contains the number of the payload;
 * other messages use the index of the connection.
 */
static const char *without_name(const char *what, uint64_t number)
{
	char name[64];
	int n = snprintf(name, sizeof(name), "connection %" PRIu64 ": ", number);
	return strncmp(what, name, (size_t)n) == 0 ? what + n : what;
}

/* Ends a diagnosis and closes the connection. */
static void end_diagnosis(struct hold_set *set, struct hold_conn *conn,
			  struct diagnosis_thread *diagnosing)
{
	uint64_t at_ns = diagnosing->at_ns;
	struct mismatch_text what = diagnosis_thread_end(diagnosing);
	bool is_same = what.is_no_echo || what.kind == set->no_echo.kind;
	if (set->is_no_echo && is_same)
		what = set->no_echo;
	hold_conn_disconnect(set, conn, DISCONNECT_WRONG,
			     without_name(what.text, conn->stream.number), at_ns);
	if (what.is_no_echo && !set->has_echoed) {
		set->is_no_echo = true;
		set->no_echo = what;
	}
}

/* Ends the diagnoses that waited for the server's answer. */
static void end_waiting_diagnoses(struct hold_set *set)
{
	for (uint32_t i = 0; i < set->n; i++) {
		struct hold_conn *conn = &set->list[i];
		struct diagnosis_thread *waiting = conn->waiting;
		conn->waiting = NULL;
		if (waiting != NULL)
			end_diagnosis(set, conn, waiting);
	}
}

void hold_conn_handle_diagnosis(struct hold_set *set, size_t i)
{
	struct hold_diagnosis *diagnosis = &set->diagnoses[i];
	struct diagnosis_thread *diagnosing = diagnosis->diagnosing;
	bool has_asked = diagnosing == set->asking;
	diagnosis->diagnosing = NULL;
	end_diagnosis(set, &set->list[diagnosis->index], diagnosing);
	if (has_asked) {
		set->asking = NULL;
		end_waiting_diagnoses(set);
	}
}

/*
 * Starts a thread that waits for further bytes and may ask the server. Returns false if it was not
 * started.
 */
MUST_USE static bool begin_diagnosis(struct hold_set *set, struct hold_conn *conn,
				     struct diagnosis_thread *diagnosing)
{
	bool asks = !set->has_echoed && !set->has_asked;
	size_t i = 0;
	while (i < HOLD_DIAGNOSES_MAX && set->diagnoses[i].diagnosing != NULL)
		i++;
	if (i == HOLD_DIAGNOSES_MAX || set->is_no_echo ||
	    diagnosis_thread_begin(diagnosing, asks ? &set->redial.addr : NULL) < 0)
		return false;
	set->diagnoses[i] = (struct hold_diagnosis){ diagnosing, hold_conn_index(set, conn) };
	set->has_asked |= asks;
	if (asks)
		set->asking = diagnosing;
	if (poller_add(&set->poller, diagnosing->done_fd, EPOLLIN, HOLD_TAG_DIAGNOSED + i) < 0)
		hold_conn_handle_diagnosis(set, i); /* no memory: wait for it now */
	return true;
}

/*
 * Diagnoses a wrong byte, now or in a thread, and closes the connection afterwards. Returns false
 * if there is no memory.
 */
MUST_USE static bool diagnose_later(struct hold_set *set, struct hold_conn *conn,
				    const struct diagnosis_case *wrong)
{
	if (poller_remove(&set->poller, conn->fd) < 0)
		return false;
	struct diagnosis_thread *diagnosing =
		diagnosis_thread_keep(wrong, conn->fd, set->has_echoed);
	if (diagnosing == NULL)
		return false;
	diagnosing->at_ns = set->now_ns;
	conn->state = HOLD_WRONG;
	hold_conn_set_timer(set, conn, CLOCK_NEVER);
	if (set->asking != NULL)
		conn->waiting = diagnosing;
	else if (!begin_diagnosis(set, conn, diagnosing))
		end_diagnosis(set, conn, diagnosing);
	return true;
}

void hold_conn_handle_mismatch(struct hold_set *set, struct hold_conn *conn, size_t n_right,
			       size_t n)
{
	const unsigned char *from = set->buffer + n_right;
	const struct diagnosis_case wrong =
		stream_case(&conn->stream, set->n_numbers, from, n - n_right);
	set->disconnects->wrong_bytes += stream_count_wrong(&conn->stream, from, n - n_right);
	if (diagnose_later(set, conn, &wrong))
		return;
	struct mismatch_text what = mismatch_describe(&wrong, NULL);
	hold_conn_disconnect(set, conn, DISCONNECT_WRONG,
			     without_name(what.text, conn->stream.number), set->now_ns);
}
