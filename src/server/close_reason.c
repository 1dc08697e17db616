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
static void add_faults(struct log_record *line, const struct conn_record *record,
		       const struct faults *faults)
{
	const struct fault_set *set = faults_set(faults, record->fault_tag);
	log_record_text(line, "fault", faults_format_fired(set, record->fired).text);
	log_record_count(line, "conn", faults_number(record->fault_tag));
	log_record_count(line, "seed", set->seed);
}

void conn_record_log(const struct conn_record *record, const struct faults *faults)
{
	static const char *const words[] = {
#define X(name, word) word,
		CLOSE_LIST(X)
#undef X
	};
	struct log_record line;
	log_record_begin(&line, "end");
	log_record_text(&line, "peer", peer_name(&record->peer).text);
	log_record_count(&line, "in", record->in);
	log_record_count(&line, "out", record->out);
	log_record_seconds(&line, "seconds", record->lasted_ns);
	/* A compromised worker can report any number. */
	size_t reason = (unsigned int)record->reason;
	log_record_text(&line, "reason", reason < ARRAY_LEN(words) ? words[reason] : "?");
	if (record->reason == CLOSE_KILLED)
		log_record_text(&line, "signal", signals_name(record->signal).text);
	if (record->reason == CLOSE_ERROR)
		log_record_text(&line, "error", err_name(record->code));
	if (faults != NULL)
		add_faults(&line, record, faults);
	log_record_end(&line);
}
