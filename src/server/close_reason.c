/* SPDX-License-Identifier: MIT */
#include "server/close_reason.h"

#include <errno.h>

#include "base/err.h"
#include "base/log.h"
#include "net/signals.h"
#include "server/faults.h"

enum close_reason close_reason_of_code(int code)
{
	switch (-code) {
	case ECONNRESET:
	case EPIPE:
	case ECONNABORTED: /* the administrator aborted it (ss -K) */
		return CLOSE_RESET;
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return CLOSE_TIMEOUT;
	default:
		return CLOSE_ERROR;
	}
}

/* Adds the faults that had an effect, joined by "+", and what repeats them. */
static void add_faults(struct log_record *record, const struct conn_record *facts,
		       const struct faults *faults)
{
	const struct fault_set *set = faults_set(faults, facts->fault_tag);
	log_record_text(record, "fault", faults_format_fired(set, facts->fired).text);
	log_record_count(record, "conn", faults_number(facts->fault_tag));
	log_record_count(record, "seed", set->seed);
}

void conn_record_log(const struct conn_record *facts, const struct faults *faults)
{
	static const char *const words[] = {
#define X(name, word) word,
		CLOSE_LIST(X)
#undef X
	};
	struct log_record record;
	log_record_begin(&record, "end");
	log_record_text(&record, "peer", peer_name(&facts->peer).text);
	log_record_count(&record, "in", facts->in);
	log_record_count(&record, "out", facts->out);
	log_record_seconds(&record, "seconds", facts->lasted_ns);
	/* A compromised worker can report any number. */
	size_t reason = (unsigned int)facts->reason;
	log_record_text(&record, "reason", reason < ARRAY_LEN(words) ? words[reason] : "?");
	if (facts->reason == CLOSE_KILLED)
		log_record_text(&record, "signal", signals_name(facts->signal).text);
	if (facts->reason == CLOSE_ERROR)
		log_record_text(&record, "error", err_name(facts->code));
	if (faults != NULL)
		add_faults(&record, facts, faults);
	log_record_end(&record);
}
