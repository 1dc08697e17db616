/* SPDX-License-Identifier: MIT */
#include "report/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "report/run_parts.h"

int run_open(struct run *ret_run)
{
	struct run run = { .n_merged = 1 };
	int rc = result_open(&run.result);
	if (rc == 0)
		*ret_run = run;
	return rc;
}

static void facts_close(struct run_facts *facts)
{
	free(facts->version);
	free(facts->host);
	free(facts->kernel);
	free(facts->cpu);
	free(facts->command_line);
	free(facts->congestion_control);
}

void run_close(struct run *run)
{
	free(run->name);
	run_parts_close(&run->parts);
	facts_close(&run->facts);
	free(run->command);
	free(run->target);
	free(run->mode);
	free(run->client_bound);
	result_close(&run->result);
	time_series_close(&run->series);
	free(run->verdicts.address);
	free(run->verdicts.list);
	*run = (struct run){ 0 };
}

uint64_t run_span_ns(const struct run *run)
{
	const struct time_series *series = &run->series;
	uint64_t span_ns = run->result.elapsed_ns;
	if (series->n > 0) {
		const struct time_series_interval *last = &series->list[series->n - 1];
		uint64_t end_ns = last->start_ns + last->length_ns;
		span_ns = end_ns > span_ns ? end_ns : span_ns;
	}
	return span_ns;
}

struct run_caveats run_measurement_caveats(const struct run *run)
{
	struct run_caveats caveats = { "" };
	char interrupted[96] = "";
	bool is_bench = run->command != NULL && strcmp(run->command, "bench") == 0;
	if (run->is_interrupted && run->facts.start_ns == 0 && run->result.elapsed_ns == 0)
		snprintf(interrupted, sizeof(interrupted),
			 "interrupted before %s: nothing was measured",
			 run->warmup_ns != 0 ? "the end of the warm-up" : "the start");
	else if (!run->is_interrupted && is_bench && run->result.n_unfinished > 0)
		snprintf(interrupted, sizeof(interrupted),
			 "a signal ended the wait for the last replies");
	else if (run->is_interrupted && run->wanted_ns != 0)
		snprintf(interrupted, sizeof(interrupted), "interrupted after %.3f of %.3f s",
			 clock_s(run->result.elapsed_ns), clock_s(run->wanted_ns));
	else if (run->is_interrupted)
		snprintf(interrupted, sizeof(interrupted), "interrupted after %.3f s",
			 clock_s(run->result.elapsed_ns));
	if (run->client_bound != NULL)
		snprintf(caveats.text, sizeof(caveats.text),
			 "no measurement of the server: %.390s%s%s", run->client_bound,
			 *interrupted != '\0' ? "; " : "", interrupted);
	else
		snprintf(caveats.text, sizeof(caveats.text), "%s", interrupted);
	return caveats;
}

/* Appends "N WHAT", after ", " if the text is not empty. Does nothing if n is 0. */
static void append_count(struct run_caveats *caveats, uint64_t n, const char *what)
{
	size_t length = strlen(caveats->text);
	if (n > 0)
		snprintf(caveats->text + length, sizeof(caveats->text) - length, "%s%" PRIu64 " %s",
			 length > 0 ? ", " : "", n, what);
}

struct run_caveats run_failure_caveats(const struct run *run)
{
	struct run_caveats caveats = { "" };
	const struct result *result = &run->result;
	uint64_t n_failed = result_failed(result), n_errors = result_connection_errors(result);
	if (result->n_echoes == 0) {
		snprintf(caveats.text, sizeof(caveats.text), "no message came back");
		return caveats;
	}
	append_count(&caveats, n_failed, "failed");
	append_count(&caveats, result_failures(result) - n_failed, "never sent");
	append_count(&caveats, n_errors, n_errors == 1 ? "connection error" : "connection errors");
	append_count(&caveats, result->n_mismatches,
		     result->n_mismatches == 1 ? "connection with wrong bytes"
					       : "connections with wrong bytes");
	size_t length = strlen(caveats.text);
	if (length > 0)
		snprintf(caveats.text + length, sizeof(caveats.text) - length,
			 " beside %" PRIu64 " message%s that came back", result->n_echoes,
			 units_s(result->n_echoes));
	return caveats;
}
