/* SPDX-License-Identifier: MIT */
#include "report/summary.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "report/latency_json.h"
#include "report/start_time_json.h"

static double seconds_of(const struct result *result)
{
	return clock_s(result->elapsed_ns);
}

/* ---- text ---- */

void summary_write_times(FILE *out, const char *what, const struct histogram *times,
			 uint64_t deviation_ns)
{
	if (times->n == 0)
		return;
	fprintf(out, SUMMARY_LABEL "min/mean/p50/p99/max %.1f/%.1f/%.1f/%.1f/%.1f us", what,
		clock_us(histogram_min_ns(times)), clock_us(histogram_mean_ns(times)),
		clock_us(histogram_percentile_ns(times, 50)),
		clock_us(histogram_percentile_ns(times, 99)), clock_us(times->max_ns));
	if (deviation_ns != 0)
		fprintf(out, ", standard deviation %.1f us", clock_us(deviation_ns));
	fputc('\n', out);
}

void summary_write_unfinished(FILE *out, uint64_t n_unfinished)
{
	if (n_unfinished > 0)
		fprintf(out, ", %" PRIu64 " unfinished (counted with %s age so far)", n_unfinished,
			n_unfinished == 1 ? "its" : "their");
}

void summary_write_verified(FILE *out, uint64_t n_bytes)
{
	if (n_bytes > 0)
		fprintf(out, "every byte of %" PRIu64 " compared", n_bytes);
	else
		fputs("no byte came back right", out);
}

void summary_write_wrong(FILE *out, uint64_t n_bytes, uint64_t n_connections)
{
	if (n_bytes > 0)
		fprintf(out, "%" PRIu64 " wrong byte%s on %" PRIu64 " connection%s\n", n_bytes,
			units_s(n_bytes), n_connections, units_s(n_connections));
}

/* Leaves out messages that were never sent; the line of counts has them. */
static void write_names(FILE *out, const char *what, const struct result_failure *list, size_t n)
{
	const char *before = what;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].name, RESULT_NEVER_SENT) == 0)
			continue;
		fprintf(out, "%s%s %" PRIu64, before, list[i].name, list[i].n);
		before = ", ";
	}
	if (before != what)
		fputc('\n', out);
}

static void write_failures(FILE *out, const struct result *result)
{
	write_names(out, "failures: ", result->failures, result->n_failures);
	write_names(out, "connection errors: ", result->connection_errors,
		    result->n_connection_errors);
	summary_write_wrong(out, result->wrong_bytes, result->n_mismatches);
	if (result->first_mismatch[0] != '\0')
		fprintf(out, "first: %s\n", result->first_mismatch);
}

/*
 * Returns the share of failed messages, among those that came back or failed. Only the exact shares
 * 0 and 100 % are shown as 0 and 100.
 */
static double loss_percent(const struct result *result)
{
	uint64_t n_failed = result_failed(result), n = result->n_echoes + n_failed;
	double percent = n > 0 ? 100.0 * (double)n_failed / (double)n : 0;
	if (n_failed > 0 && percent < 0.0001)
		return 0.0001;
	return result->n_echoes > 0 && percent > 99.9999 ? 99.9999 : percent;
}

/* Writes the message counts: "10 sent, 7 came back, 2 failed". */
static void write_messages(FILE *out, const struct result *result, bool has_loss)
{
	uint64_t n_failed = result_failed(result);
	uint64_t n_never = result_failures(result) - n_failed;
	fprintf(out, "%" PRIu64 " sent, %" PRIu64 " came back, %" PRIu64 " failed", result->n_sent,
		result->n_echoes, n_failed);
	if (has_loss && result->n_echoes + n_failed > 0)
		fprintf(out, " (%.6g %% loss)", loss_percent(result));
	summary_write_unfinished(out, result->n_unfinished);
	if (n_never > 0)
		fprintf(out, ", %" PRIu64 " due but never sent", n_never);
}

/* An age is less than the final time would have been, so all figures are lower bounds. */
void summary_write_bounds(FILE *out, uint64_t n_unfinished)
{
	if (n_unfinished > 0)
		fputs("unfinished messages are in the times with their age: min, mean, "
		      "percentiles and max are lower bounds\n",
		      out);
}

void summary_write_verdict(FILE *out, const struct run *run)
{
	struct run_caveats caveats = run_measurement_caveats(run);
	if (caveats.text[0] != '\0')
		fprintf(out, "%s\n", caveats.text);
}

/* Writes the kernel RTT. */
static void write_kernel(FILE *out, const struct run *run)
{
	const struct tcpinfo *kernel = &run->kernel;
	if (run->has_kernel)
		fprintf(out,
			SUMMARY_LABEL "smoothed/deviation/min %.1f/%.1f/%.1f us, %" PRIu64
				      " segment%s retransmitted\n",
			"kernel RTT", clock_us(kernel->rtt_ns), clock_us(kernel->rtt_var_ns),
			clock_us(kernel->rtt_min_ns), kernel->n_retransmits,
			units_s(kernel->n_retransmits));
}

/* Writes the seed, which reproduces the bytes. A sum of runs has several. */
static void write_seed(FILE *out, const struct run *run)
{
	if (run->format == RUN_TCPECHO && run->n_merged == 1)
		fprintf(out, SUMMARY_LABEL "%" PRIu64 "\n", "seed", run->seed);
}

void summary_write_text(FILE *out, const struct run *run)
{
	const struct result *result = &run->result;
	fprintf(out, "--- %s ---\n", run->target);
	write_messages(out, result, true);
	fprintf(out, ", %.3f s, ", seconds_of(result));
	summary_write_verified(out, result->bytes_verified);
	fputc('\n', out);
	write_failures(out, result);
	summary_write_times(out, "round trip", &result->response, run->deviation_ns);
	summary_write_bounds(out, result->n_unfinished);
	if (run->churns) /* otherwise it connected only once */
		summary_write_times(out, "connect time", &result->connect, 0);
	write_kernel(out, run);
	write_seed(out, run);
}

/* ---- a table ---- */

static void summary_write_row(FILE *out, const char *what, const struct histogram *times)
{
	if (times->n == 0)
		return;
	fprintf(out, SUMMARY_LABEL "%9.1f %9.1f", what, clock_us(histogram_min_ns(times)),
		clock_us(histogram_mean_ns(times)));
	for (size_t i = 0; i < LATENCY_PERCENTILES; i++)
		fprintf(out, " %9.1f",
			clock_us(histogram_percentile_ns(times, latency_percentiles[i].percent)));
	fprintf(out, " %9.1f\n", clock_us(times->max_ns));
}

/* Writes ", 3 failures". The noun must be regular. */
static void write_count(FILE *out, const char *between, uint64_t n, const char *noun)
{
	fprintf(out, "%s%" PRIu64 " %s%s", between, n, noun, units_s(n));
}

static void write_rate(FILE *out, const struct run *run)
{
	const struct result *result = &run->result;
	double mib_per_second = result_rate(result) * (double)run->size / (1024 * 1024);
	fprintf(out, "%" PRIu64 " echo%s in %.3f s: %.1f/s", result->n_echoes,
		result->n_echoes == 1 ? "" : "es", seconds_of(result), result_rate(result));
	if (run->rate_wanted != 0)
		fprintf(out, " of %" PRIu64 "/s", run->rate_wanted);
	fprintf(out, ", %.1f MiB/s each way\n", mib_per_second);
	summary_write_verified(out, result->bytes_verified);
	fputs(result->bytes_verified == 0 ? ", all are compared" : "", out);
	write_count(out, "; ", result->wrong_bytes, "wrong byte");
	write_count(out, ", ", result_missing(result), "missing byte");
	write_count(out, ", ", result_failed(result), "failure");
	write_count(out, ", ", result->n_connections, "connection");
	fputc('\n', out);
	write_messages(out, result, false);
	fputc('\n', out);
}

/* Writes where the run took place. */
static void write_place(FILE *out, const struct run *run)
{
	const struct run_facts *facts = &run->facts;
	const char *texts[] = { facts->host, facts->kernel, facts->cpu, facts->congestion_control };
	const char *between = "";
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i] == NULL)
			continue;
		if (*between == '\0')
			fprintf(out, SUMMARY_LABEL, "machine");
		fprintf(out, "%s%s", between, texts[i]);
		between = ", ";
	}
	if (*between != '\0')
		fputc('\n', out);
}

void summary_write_table(FILE *out, const struct run *run)
{
	const struct result *result = &run->result;
	fprintf(out, "--- %s ---\n", run->target);
	write_rate(out, run);
	write_failures(out, result);
	fprintf(out, SUMMARY_LABEL "%9s %9s", "us", "min", "mean");
	for (size_t i = 0; i < LATENCY_PERCENTILES; i++)
		fprintf(out, " %9s", latency_percentiles[i].name);
	fprintf(out, " %9s\n", "max");
	/* In a closed loop both are equal, unless a message waits for its connection first. */
	bool is_one = run->rate_wanted == 0 && !run->churns;
	summary_write_row(out, is_one ? "round trip" : "response time", &result->response);
	if (!is_one)
		summary_write_row(out, run->rate_wanted != 0 ? "service time" : "round trip",
				  &result->service);
	summary_write_row(out, "schedule lag", &result->lateness);
	summary_write_row(out, "connect time", &result->connect);
	summary_write_bounds(out, result->n_unfinished);
	write_kernel(out, run);
	start_time_write_text(out, &run->start);
	fprintf(out, SUMMARY_LABEL "%.0f %% of a core", "client CPU", run->cpu_share * 100);
	if (run->n_threads > 1)
		fprintf(out, ", %" PRIu64 " threads together", run->n_threads);
	if (run->spin_share > 0)
		fprintf(out, "; %.0f %% of a core polling until messages were due",
			run->spin_share * 100);
	fputc('\n', out);
	write_place(out, run);
	write_seed(out, run);
}
