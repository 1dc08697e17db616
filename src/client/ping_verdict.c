/* SPDX-License-Identifier: MIT */
#include "client/ping_verdict.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "base/units.h"
#include "client/dial.h"

void ping_check_client(const struct bottleneck_usage *use, const struct bottleneck_idle *idle,
		       struct ping_report *report)
{
	int limit = dial_limit(&report->result);
	if (use->elapsed_ns > 0)
		report->cpu_share = (double)use->cpu_ns / (double)use->elapsed_ns;
	if (limit != 0)
		snprintf(report->client_bound, sizeof(report->client_bound), "%s%s",
			 err_text(limit).text, dial_remedy(limit));
	else
		bottleneck_describe_times(use, idle, &report->result.response,
					  report->client_bound);
}

MUST_USE static bool is_right(const struct result *result)
{
	return result->n_echoes > 0 && result_failed(result) == 0 && result->n_mismatches == 0 &&
	       result_connection_errors(result) == 0;
}

void ping_set_verdict(const struct ping_config *config, const struct ping_end *end,
		      struct ping_report *report)
{
	const struct result *result = &report->result;
	uint64_t count = config->count;
	uint64_t n_done = result->n_echoes + result_failed(result);
	bool is_whole = count != 0 && n_done == count;
	bool is_short = end->by_deadline && count != 0 && !is_whole;
	report->is_interrupted =
		end->by_signal && !is_whole && (count != 0 || config->duration_ns != 0);
	if (is_short)
		log_error("deadline of %s reached after %" PRIu64 " of %" PRIu64 " message%s",
			  units_duration(config->duration_ns).text, n_done, count, units_s(count));
	if (is_right(result) && !is_short) {
		report->verdict = STATUS_OK;
		return;
	}
	int limit = dial_limit(result);
	report->verdict = limit == 0 ? STATUS_ECHO_FAILED : STATUS_MACHINE;
	if (limit != 0)
		dial_log_limit(limit);
}
