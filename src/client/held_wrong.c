/* SPDX-License-Identifier: MIT */
/*
 * Wrong bytes on connections that are held: which mistake it was, or which kind of server.
 *
 * The first connection with a wrong byte, before any heartbeat has come back, asks the server
 * whether it speaks first. Others with wrong bytes wait for the answer: if it is no echo server,
 * all of them say so in the same words.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/held_internal.h"
#include "client/wrong.h"

/*
 * A diagnosis names the connection by the number of its payload, which is not the one that we say.
 */
static const char *without_name(const char *what, uint64_t number)
{
	char name[64];
	int n = snprintf(name, sizeof(name), "connection %" PRIu64 ": ", number);
	return strncmp(what, name, (size_t)n) == 0 ? what + n : what;
}

/* Ends a diagnosis and the connection. */
static void end_diagnosis(struct holding *holding, struct held *held, struct diagnosing *diagnosing)
{
	uint64_t at_ns = diagnosing->at_ns;
	struct wrong_text what = diagnosing_end(diagnosing);
	bool is_same = what.is_no_echo || what.kind == holding->no_echo.kind;
	if (holding->is_no_echo && is_same)
		what = holding->no_echo;
	held_die(holding, held, DISCONNECT_WRONG, without_name(what.text, held->number), at_ns);
	if (what.is_no_echo && !holding->has_echoed) {
		holding->is_no_echo = true;
		holding->no_echo = what;
	}
}

/* The server has been asked. */
static void end_those_kept(struct holding *holding)
{
	for (uint32_t i = 0; i < holding->n; i++) {
		struct held *held = &holding->list[i];
		struct diagnosing *kept = held->kept;
		held->kept = NULL;
		if (kept != NULL)
			end_diagnosis(holding, held, kept);
	}
}

void held_diagnosed(struct holding *holding, size_t i)
{
	struct held_diagnosis *diagnosis = &holding->diagnoses[i];
	struct diagnosing *diagnosing = diagnosis->diagnosing;
	bool has_asked = diagnosing == holding->asking;
	diagnosis->diagnosing = NULL;
	end_diagnosis(holding, &holding->list[diagnosis->index], diagnosing);
	if (has_asked) {
		holding->asking = NULL;
		end_those_kept(holding);
	}
}

/* A thread waits for further bytes and may ask the server. Returns whether it was begun. */
MUST_USE static bool begin_diagnosis(struct holding *holding, struct held *held,
				     struct diagnosing *diagnosing)
{
	bool asks = !holding->has_echoed && !holding->has_asked;
	size_t i = 0;
	while (i < HELD_DIAGNOSES_MAX && holding->diagnoses[i].diagnosing != NULL)
		i++;
	if (i == HELD_DIAGNOSES_MAX || holding->is_no_echo ||
	    diagnosing_begin(diagnosing, asks ? &holding->redial.addr : NULL) < 0)
		return false;
	holding->diagnoses[i] = (struct held_diagnosis){ diagnosing, held_index(holding, held) };
	holding->has_asked |= asks;
	if (asks)
		holding->asking = diagnosing;
	if (poller_add(&holding->poller, diagnosing->done_fd, EPOLLIN, HELD_TAG_DIAGNOSED + i) < 0)
		held_diagnosed(holding, i); /* without memory it has to be waited for */
	return true;
}

/* Finds out why, now or later. Returns false without memory. */
MUST_USE static bool diagnose_later(struct holding *holding, struct held *held,
				    const struct diagnosis_case *wrong)
{
	if (poller_remove(&holding->poller, held->fd) < 0)
		return false;
	struct diagnosing *diagnosing = diagnosing_keep(wrong, held->fd, holding->has_echoed);
	if (diagnosing == NULL)
		return false;
	diagnosing->at_ns = holding->now_ns;
	held->state = HELD_WRONG;
	held_wake_at(holding, held, CLOCK_NEVER);
	if (holding->asking != NULL)
		held->kept = diagnosing;
	else if (!begin_diagnosis(holding, held, diagnosing))
		end_diagnosis(holding, held, diagnosing);
	return true;
}

void held_judge_wrong(struct holding *holding, struct held *held, size_t n_right, size_t n)
{
	uint64_t n_numbers = holding->n_numbers;
	const struct diagnosis_case wrong = {
		.seed = holding->config->seed,
		.connection = held->number,
		.n_connections = n_numbers < PAYLOAD_CONNECTIONS ? n_numbers : PAYLOAD_CONNECTIONS,
		.offset = held->returned,
		.sent = held->sent,
		.most_sent = PAYLOAD_SIZE,
		.received = holding->piece + n_right,
		.n = n - n_right,
	};
	holding->disconnects->wrong_bytes += payload_count_wrong(
		&held->payload, held->returned, held->sent, wrong.received, wrong.n);
	if (diagnose_later(holding, held, &wrong))
		return;
	struct wrong_text what = wrong_say(&wrong, NULL);
	held_die(holding, held, DISCONNECT_WRONG, without_name(what.text, held->number),
		 holding->now_ns);
}
