/* SPDX-License-Identifier: MIT */
#include "report/run.h"

#include <stdlib.h>

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
	series_close(&run->series);
	*run = (struct run){ 0 };
}

uint64_t run_span_ns(const struct run *run)
{
	const struct series *series = &run->series;
	uint64_t span_ns = run->result.elapsed_ns;
	if (series->n > 0) {
		const struct series_interval *last = &series->list[series->n - 1];
		uint64_t end_ns = last->start_ns + last->length_ns;
		span_ns = end_ns > span_ns ? end_ns : span_ns;
	}
	return span_ns;
}
