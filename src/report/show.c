/* SPDX-License-Identifier: MIT */
#include "report/show.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "report/metric.h"
#include "report/summary.h"

const char *show_format_name(enum run_format format)
{
	static const char *const names[] = {
		[RUN_TCPECHO] = "tcpecho",
		[RUN_HLOG] = "HdrHistogram's log",
		[RUN_HGRM] = "HdrHistogram's percentiles",
		[RUN_FORTIO] = "fortio",
		[RUN_CHECK] = "check",
	};
	return names[format];
}

/* ---- facts ---- */

static void write_facts(FILE *out, const struct run *run)
{
	const struct run_facts *facts = &run->facts;
	if (facts->start_ns != 0)
		fprintf(out, SUMMARY_LABEL "%s\n", "start", units_utc(facts->start_ns).text);
	if (run->n_merged > 1)
		fprintf(out, SUMMARY_LABEL "sum of %" PRIu64 " runs\n", "runs", run->n_merged);
	if (facts->version != NULL)
		fprintf(out, SUMMARY_LABEL "%s %s\n", "program", show_format_name(run->format),
			facts->version);
	if (facts->command_line != NULL)
		fprintf(out, SUMMARY_LABEL "%s\n", "command line", facts->command_line);
}

/* ---- runs of other tools ---- */

static void write_times(FILE *out, const struct sample *sample, const char *what, const char *label)
{
	static const char *const figures[] = { "min", "mean",  "p50",    "p90",
					       "p99", "p99.9", "p99.99", "max" };
	const char *before = "";
	for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
		char name[METRIC_NAME_SIZE];
		struct metric metric;
		struct sample_value value;
		snprintf(name, sizeof(name), "%s.%s", what, figures[i]);
		if (!metric_find(name, strlen(name), &metric) ||
		    !sample_value(sample, &metric, &value))
			return;
		if (i == 0)
			fprintf(out, SUMMARY_LABEL, label);
		fprintf(out, "%s%s %s", before, figures[i], metric_text(&metric, value.value).text);
		before = ", ";
	}
	fputc('\n', out);
}

static void show_write_caveats(FILE *out, const struct run *run)
{
	if (run->format == RUN_FORTIO)
		fputs("approximate: the values of a bucket are assumed to be evenly spread; times "
		      "begin when a request is sent, so there is no response time\n",
		      out);
	if (run->format == RUN_HGRM)
		fputs("approximate: values between two lines are assumed to be equal to the "
		      "second\n",
		      out);
}

static void write_foreign(FILE *out, const struct run *run)
{
	const struct result *result = &run->result;
	struct sample sample = { .runs = run, .n = 1, .sum = *result };
	fprintf(out, "--- %s: %s ---\n", run->target != NULL ? run->target : run->name,
		show_format_name(run->format));
	fprintf(out, "%" PRIu64 " value%s", result->n_echoes, units_s(result->n_echoes));
	if (result->elapsed_ns > 0)
		fprintf(out, " in %.3f s: %.1f/s", clock_s(result->elapsed_ns),
			result_rate(result));
	if (run->rate_wanted > 0)
		fprintf(out, " of %" PRIu64 "/s", run->rate_wanted);
	if (run->n_connections > 0)
		fprintf(out, ", %" PRIu64 " connection%s", run->n_connections,
			units_s(run->n_connections));
	fputc('\n', out);
	for (size_t i = 0; i < result->n_failures; i++)
		fprintf(out, "%s %" PRIu64 "\n", result->failures[i].name, result->failures[i].n);
	write_times(out, &sample, "response", "response time");
	write_times(out, &sample, "service", "service time");
}

static struct verdict_run verdict_run_of(const struct run *run)
{
	return (struct verdict_run){
		.target = run->target,
		.address = run->verdicts.address != NULL ? run->verdicts.address : "",
		.seed = run->seed,
		.started_ns = run->facts.start_ns,
		.n_selected = (size_t)run->verdicts.n_selected,
		.is_interrupted = run->is_interrupted,
		.results = run->verdicts.list,
		.n = run->verdicts.n,
	};
}

int show_write_verdicts(FILE *out, const struct run *run, enum verdict_format format)
{
	const struct verdict_run verdicts = verdict_run_of(run);
	verdict_write_head(out, format, &verdicts);
	for (size_t i = 0; i < verdicts.n; i++)
		verdict_write_result(out, format, &verdicts, &verdicts.results[i], i + 1);
	return verdict_write_end(out, format, &verdicts);
}

void show_write_text(FILE *out, const struct run *run)
{
	if (run->format == RUN_CHECK) {
		/* Only the document of the format json needs memory. */
		ignore_result(show_write_verdicts(out, run, VERDICT_TEXT));
		return;
	}
	if (run->format != RUN_TCPECHO)
		write_foreign(out, run);
	else if (strcmp(run->command, "ping") == 0)
		summary_write_text(out, run);
	else
		summary_write_table(out, run);
	write_facts(out, run);
	if (run->format != RUN_TCPECHO)
		show_write_caveats(out, run);
	else
		summary_write_verdict(out, run);
}
